"""What proves that windows are fixed, and what that is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import RateLimit
from tests.limits.servers import FixedWindow, Server, SlidingLog, TokenBucket, headers_of

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token

TEN = RateLimit(10, 1.0)


def send(ledger: Ledger, now: float) -> Token:
    token = ledger.take(now)
    assert token is not None
    ledger.sent(token, now)
    return token


def answer(ledger: Ledger, server: Server, token: Token, *, after: float = 0.01) -> LimitHeaders:
    counted = server.count(token.sent_at + after / 2)
    headers = headers_of(counted, token.sent_at + after / 2)
    ledger.settle(token, token.sent_at + after, headers, is_refusal=counted.is_refused)
    return headers


def one_then_nine_then_one(server: Server) -> Ledger:
    """Spend one token, and the rest shortly before its window ends; then cross that end with a single request."""
    ledger = Ledger(assume=TEN)
    for start in (100.2, 102.2):  # the first round makes sure of the window's length
        answer(ledger, server, send(ledger, start))
    assert ledger.is_window_sure or not isinstance(server, FixedWindow)
    for token in [send(ledger, 103.0) for _ in range(9)]:
        answer(ledger, server, token)
    answer(ledger, server, send(ledger, 103.3))
    return ledger


def test_a_fixed_window_that_forgets_nine_at_once_is_proven_and_gives_them_back() -> None:
    ledger = one_then_nine_then_one(FixedWindow(10, 1.0))
    assert ledger.is_fixed
    # The nine's own second has not passed, but their window has.
    assert ledger.remaining(103.35) == 9


@pytest.mark.parametrize("kind", [SlidingLog, TokenBucket])
def test_servers_that_forget_one_by_one_are_never_taken_for_fixed(kind: type[SlidingLog | TokenBucket]) -> None:
    ledger = one_then_nine_then_one(kind(10, 1.0))
    assert not ledger.is_fixed
    assert ledger.remaining(103.35) == 0


def test_a_refusal_that_nothing_explains_takes_the_proof_back() -> None:
    ledger = one_then_nine_then_one(FixedWindow(10, 1.0))
    full = [send(ledger, 105.0) for _ in range(10)]
    mark = 107.0
    for number, token in enumerate(full):
        is_refusal = number == 9
        headers = LimitHeaders(limit=10, remaining=max(0, 9 - number), resets_in=1.0, reset_mark=mark)
        ledger.settle(token, 105.01, headers, is_refusal=is_refusal)
    assert ledger.is_fixed  # not judged before the gate opens again
    ledger.lose(send(ledger, 110.0), 110.01)
    token = send(ledger, 110.5)
    ledger.settle(token, 110.51, LimitHeaders())
    # Nine of ours were let through where ten may be: somebody else was there, and the windows are still fixed.
    assert ledger.is_fixed
    assert ledger.foreign(110.52) == 1
    for number, token in enumerate([send(ledger, 115.0) for _ in range(9)]):
        headers = LimitHeaders(limit=9, remaining=max(0, 8 - number), resets_in=1.0, reset_mark=117.0)
        ledger.settle(token, 115.01, headers)
    late = send(ledger, 117.3)
    ledger.settle(late, 117.31, LimitHeaders(limit=9, remaining=0, resets_in=1.0, reset_mark=117.0), is_refusal=True)
    ledger.settle(send(ledger, 120.0), 120.01, LimitHeaders())
    assert not ledger.is_fixed
