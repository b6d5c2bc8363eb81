"""Which tokens are out, beside books that are kept in the plainest way; and that thousands cost no more than a few."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

import pytest

from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import RateLimit
from periskope_async.limits.tokens import Token, Tokens
from tests.limits.servers import FixedWindow, headers_of
from tests.limits.simulation import take

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW = 1.0


class Plain:
    """Looks at every token each time, and cuts nothing off."""

    def __init__(self) -> None:
        self.unsent: list[Token] = []
        self.sent: list[Token] = []
        self.forgotten: set[int] = set()
        self.back: set[int] = set()

    def order(self) -> list[Token]:
        """Give what the server has not forgotten, in the order of counting."""
        return sorted(token for token in self.sent if token.number not in self.forgotten)

    def is_out(self, token: Token) -> bool:
        return token.number not in self.forgotten and token.number not in self.back

    def out(self, now: float) -> int:
        return sum(self.is_out(token) and token.upper > now - WINDOW for token in self.sent) + len(self.unsent)

    def back_at(self, position: int) -> float:
        uppers = sorted(token.upper for token in self.sent if self.is_out(token))
        return uppers[position] + WINDOW if position < len(uppers) else float("inf")

    def counted_before(self, moment: float) -> list[Token]:
        return [token for token in self.order() if token.upper < moment]

    def counted_with(self, token: Token, margin: float) -> set[int]:
        since, until = token.sent_at - WINDOW, token.sent_at + margin
        return {other.number for other in self.order() if other.upper > since and other.sent_at <= until}

    def expire(self, now: float) -> None:
        self.back |= {token.number for token in self.sent if token.upper <= now - WINDOW}

    def forget(self, count: int) -> None:
        self.forgotten |= {token.number for token in self.order()[:count]}

    def cut_off(self, tokens: Tokens, now: float) -> None:
        """Take what is remembered no more: it was back, and counted two windows ago."""
        if len(tokens._sent) < len(self.sent):
            remembered = {token.number for token in tokens._sent}
            for token in [token for token in self.sent if token.number not in remembered]:
                assert token.upper < now - 2 * WINDOW
                assert not self.is_out(token)
                self.sent.remove(token)


@pytest.mark.parametrize("seed", range(30))
def test_the_books_agree_with_plain_ones(seed: int) -> None:
    """Random programs of every kind of event, with few requests and with hundreds in a window."""
    rng = random.Random(seed)
    tokens, plain, now = Tokens(), Plain(), 100.0
    unanswered: list[Token] = []
    margin, most = rng.choice([0.02, 0.3]), rng.choice([3, 40, 400])
    for _ in range(1_200):
        now += rng.expovariate(most)
        what = rng.random()
        if what < 0.45:
            token = tokens.take(now)
            plain.unsent.append(token)
            unanswered.append(token)
            if what < 0.35:
                send(tokens, plain, token, now, margin * rng.uniform(0.8, 1.2))
        elif what < 0.85 and unanswered:
            token = unanswered.pop(rng.randrange(min(5, len(unanswered))))
            if what < 0.5:
                tokens.give_back(token)
                drop(plain, token)
                continue
            if token in plain.unsent:
                plain.unsent.remove(token)
                plain.sent.append(token)
            tokens.end(token, now, window=WINDOW, head_start=rng.choice([0.0, 0.01]))
            token.is_failed = rng.random() < 0.3
        elif what < 0.9:
            tokens.expire(now - WINDOW)
            plain.expire(now)
        elif what < 0.93:
            before = tokens.counted_before(now - 0.1)
            count = rng.randint(0, before)
            tokens.forget(count, now - 0.1)
            plain.forget(count)
        plain.cut_off(tokens, now)
        compare(tokens, plain, now, rng.randrange(most), margin)
    assert tokens.unanswered == len(unanswered)


def send(tokens: Tokens, plain: Plain, token: Token, now: float, margin: float) -> None:
    tokens.book_sent(token, now, margin=margin, window=WINDOW)
    plain.unsent.remove(token)
    plain.sent.append(token)


def drop(plain: Plain, token: Token) -> None:
    for line in (plain.unsent, plain.sent):
        if token in line:
            line.remove(token)


def compare(tokens: Tokens, plain: Plain, now: float, position: int, margin: float) -> None:
    assert tokens.out(now - WINDOW) == plain.out(now)
    assert tokens.back_at(position, WINDOW) == plain.back_at(position)
    assert tokens.unsent == len(plain.unsent)
    counted = plain.counted_before(now)
    assert tokens.counted_before(now) == len(counted)
    assert tokens.failed_by(now) == sum(token.is_failed for token in plain.order() if token.ended_at <= now)
    if counted:
        assert next(tokens.latest_before(now)) is counted[-1]
        with_it = {other.number for other in tokens.counted_with(counted[-1], WINDOW, slack=margin)}
        assert with_it == plain.counted_with(counted[-1], margin)
        assert tokens.number_counted_with(counted[-1], WINDOW, slack=margin) == len(with_it)


def sent_at(tokens: Tokens, *moments: float) -> list[Token]:
    sent = [tokens.take(moment) for moment in moments]
    for token in sent:
        tokens.book_sent(token, token.taken_at, margin=0.1, window=WINDOW)
    return sent


def test_recalled_tokens_are_out_again() -> None:
    """Those that came back by time alone; what the server was seen to forget stays forgotten."""
    tokens = Tokens()
    sent_at(tokens, 0.0, 0.1, 0.2, 0.3)
    tokens.forget(1, 0.5)
    tokens.expire(0.25)
    assert tokens.out(0.25) == 2
    tokens.recall()
    assert tokens.out(-8.75) == 3
    assert tokens.forgotten_at == 0.5


def test_an_answer_moves_a_token_forward() -> None:
    """It was counted before its answer came, and before its margin was over."""
    tokens = Tokens()
    first, second = sent_at(tokens, 0.0, 0.01)
    tokens.end(second, 0.02, window=WINDOW)
    assert (first.upper, second.upper) == (0.1, 0.02)
    assert tokens.back_at(0, WINDOW) == 1.02
    tokens.end(first, 5.0, window=WINDOW)
    assert first.upper == 0.1


def test_a_head_start_never_reaches_behind_sending() -> None:
    tokens = Tokens()
    (token,) = sent_at(tokens, 1.0)
    tokens.end(token, 1.05, window=WINDOW, head_start=3.0)
    assert token.upper == 1.0


def test_what_nobody_saw_sent_counts_until_its_answer() -> None:
    tokens = Tokens()
    token = tokens.take(1.0)
    tokens.end(token, 4.0, window=WINDOW, head_start=0.5)
    assert (token.sent_at, token.upper, token.ended_at) == (1.0, 4.0, 4.0)
    assert tokens.back_at(0, WINDOW) == 5.0


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("is_ended", [False, True])
def test_what_is_given_back_is_out_no_more(*, is_sent: bool, is_ended: bool) -> None:
    tokens = Tokens()
    token = tokens.take(0.0)
    if is_sent:
        tokens.book_sent(token, 0.0, margin=0.1, window=WINDOW)
    if is_ended:
        tokens.end(token, 0.05, window=WINDOW)
    tokens.give_back(token)
    assert (tokens.out(0.06 - WINDOW), tokens.unsent, tokens.unanswered) == (0, 0, 0)


def test_the_past_is_cut_off() -> None:
    """A job of any length keeps no more than a few windows' requests."""
    tokens = Tokens()
    for number in range(20_000):
        now = number / 100
        tokens.expire(now - WINDOW)
        (token,) = sent_at(tokens, now)
        tokens.end(token, now, window=WINDOW)
    assert len(tokens._sent) < 2_000


@pytest.mark.parametrize("others", [0, 1])
def test_an_answer_looks_at_no_other_request(monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    """The plain case of thousands a second, alone or beside others with the key. A refusal may look at them."""
    looks = refusals = 0
    counted_with = Tokens.counted_with

    def looked(tokens: Tokens, token: Token, window: float, *, slack: float) -> Iterator[Token]:
        nonlocal looks
        looks += 1
        return counted_with(tokens, token, window, slack=slack)

    monkeypatch.setattr(Tokens, "counted_with", looked)
    limit, tasks = 3_000, 50
    server, ledger, now = FixedWindow(limit, 1.0), Ledger(assume=RateLimit(limit, 1.0)), 1_000.25
    under_way: deque[Token] = deque()
    for _ in range(5 * limit):
        now += 0.9 / limit
        token = take(ledger, now)
        if token is None:
            now += ledger.wait_for(1, now)
            continue
        ledger.sent(token, now)
        under_way.append(token)
        if len(under_way) > tasks:
            for _ in range(others):
                server.count(now)
            counted = server.count(now)
            refusals += counted.is_refused
            ledger.settle(under_way.popleft(), now, headers_of(counted, now))
    assert looks <= refusals <= 3 * tasks * others


def test_a_request_is_not_counted_before_itself() -> None:
    """Where answers are steady, it is taken to be counted in the moment of its sending."""
    tokens = Tokens()
    first, second = sent_at(tokens, 1.0, 2.0)
    for token in (first, second):
        tokens.end(token, token.sent_at + 0.01, window=WINDOW, head_start=0.01)
        assert token.upper == token.sent_at
    assert tokens.counted_before(second.sent_at) == 1
