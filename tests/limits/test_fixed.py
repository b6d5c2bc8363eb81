"""What proves that windows are fixed, and what that is worth."""

from __future__ import annotations

import pytest

from periskope_async.limits.fixed import FixedWindows
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import RateLimit
from periskope_async.limits.tokens import Token
from tests.limits.servers import FixedWindow, Server, SlidingLog, TokenBucket, headers_of

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


def placed(windows: FixedWindows, *, upper: float, mark: float, window: float) -> Token:
    token = Token(upper + window, int(upper * 100), upper - 0.01, upper - 0.01, upper)
    headers = LimitHeaders(limit=10, remaining=5, reset_mark=mark)
    windows.place(token, headers, upper, window, is_refusal=False)
    return token


def ends(windows: FixedWindows) -> list[float]:
    return [end for _, end in windows.ends()]


@pytest.mark.parametrize(("before", "after"), [(4.0, 1.0), (1.0, 4.0)])
def test_the_end_of_an_open_window_is_reckoned_anew_where_windows_turn_out_to_be_of_another_length(
    before: float, after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FixedWindows, "are_proven", True)
    windows = FixedWindows()
    placed(windows, upper=100.0, mark=101.0, window=before)
    assert ends(windows) == [100.0 + before]
    windows.recount(after, longer_by=after - before)
    assert ends(windows) == [100.0 + after]


def test_a_window_ends_before_any_request_of_a_later_one_whichever_is_answered_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FixedWindows, "are_proven", True)
    windows = FixedWindows()
    placed(windows, upper=100.5, mark=102.0, window=1.0)
    placed(windows, upper=99.8, mark=101.0, window=1.0)
    assert ends(windows) == [101.5, 100.5]
    windows.recount(2.0, longer_by=1.0)
    assert ends(windows) == [102.5, 100.5]


def test_a_count_from_before_windows_were_proven_is_no_proof_once_they_are_doubted() -> None:
    windows = FixedWindows()
    many = [Token(0.0, number, at := number / 100, at, at + 0.01) for number in range(20)]
    windows.weigh(many[-1], LimitHeaders(limit=100, remaining=50), [], 1.0)
    windows._proofs = 1  # as a real one, of which the next answers would not be weighed
    windows.was_wrong()
    # Ten were let through and ten refused: all show ten, which is fewer than the fifty of long ago, and than twenty.
    windows.weigh(many[-1], LimitHeaders(limit=10, remaining=0), many[:-1], 1.0)
    assert windows._proofs == 0
