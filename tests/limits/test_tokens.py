"""Which tokens are out, beside books that are kept in the plainest way; and that thousands cost no more than a few."""

from __future__ import annotations

import random
from collections import deque

import pytest

from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import RateLimit
from periskope_async.limits.tokens import Token, Tokens
from tests.limits.servers import FixedWindow, headers_of

WINDOW = 1.0


class Plain:
    """Looks at every token each time."""

    def __init__(self) -> None:
        self.unsent: list[Token] = []
        self.sent: list[Token] = []

    def out(self, now: float) -> int:
        self.sent = [token for token in self.sent if token.back_at > now]
        return len(self.sent) + len(self.unsent)

    def back_at(self, position: int) -> float | None:
        times = sorted(token.back_at for token in self.sent)
        return times[position] if position < len(times) else None


@pytest.mark.parametrize("seed", range(40))
def test_the_books_agree_with_plain_ones(seed: int) -> None:
    rng = random.Random(seed)
    tokens, plain, now = Tokens(), Plain(), 100.0
    unanswered: list[Token] = []
    margin, most = rng.choice([0.02, 0.3]), rng.choice([3, 40, 900])
    for _ in range(4_000):
        now += rng.expovariate(most)
        what = rng.random()
        if what < 0.4 and len(plain.sent) < most:
            token = tokens.take(now)
            if what < 0.3:
                tokens.sent(token, now, margin=margin * rng.uniform(0.8, 1.2), window=WINDOW)
                plain.sent.append(token)
            else:
                plain.unsent.append(token)
            unanswered.append(token)
        elif what < 0.8 and unanswered:
            token = unanswered.pop(rng.randrange(min(5, len(unanswered))))
            if token in plain.unsent:
                plain.unsent.remove(token)
                if what < 0.6:
                    tokens.give_back(token)
                    continue
                plain.sent.append(token)
            tokens.end(token, now, window=WINDOW, head_start=rng.choice([0.0, 0.01]))
        elif what < 0.83 and plain.sent:
            some = rng.sample(plain.sent, rng.randrange(min(20, len(plain.sent))))
            tokens.bring_back(some, now + rng.uniform(-0.1, 1.5))
        elif what > 0.998:
            # What was back before stays so.
            assert tokens.out(now) == plain.out(now)
            tokens.recount(WINDOW * rng.uniform(0.9, 1.1))
        assert tokens.out(now) == plain.out(now)
        position = rng.randrange(most)
        assert tokens.back_at(position) == plain.back_at(position)
        assert tokens.unsent == len(plain.unsent)
        assert tokens.unanswered == len(unanswered)


def test_an_answer_that_counts_our_own_requests_looks_at_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*_: object) -> int:
        raise AssertionError("each of thousands of requests was looked at")

    monkeypatch.setattr(Tokens, "counted_with", looked)
    limit, tasks = 3_000, 50
    server, ledger, now = FixedWindow(limit, 1.0), Ledger(assume=RateLimit(limit, 1.0)), 1_000.25
    under_way: deque[Token] = deque()
    for _ in range(5 * limit):
        now += 0.9 / limit
        token = ledger.take(now)
        if token is None:
            now += ledger.wait_for(1, now)
            continue
        ledger.sent(token, now)
        under_way.append(token)
        if len(under_way) > tasks:
            counted = server.count(now)
            assert not counted.is_refused
            ledger.settle(under_way.popleft(), now, headers_of(counted, now))
