"""An equal share of a limit, while Redis is away."""

from __future__ import annotations

import pytest

from periskope_async.limits.equal_share import EqualShare
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit
from tests.limits.servers import FixedWindow, headers_of


@pytest.mark.parametrize(
    ("limit", "processes", "reserve", "share", "window"),
    [
        (10, 1, 0.0, 10, 1.0),
        (10, 4, 0.0, 2, 1.0),
        (10, 8, 0.0, 1, 1.0),
        (10, 15, 0.0, 1, 2.0),
        (10, 25, 0.0, 1, 3.0),
        (100, 4, 0.2, 20, 1.0),
    ],
)
def test_shares_together_never_exceed_the_limit(
    limit: int, processes: int, reserve: float, share: int, window: float
) -> None:
    ledger = EqualShare(RateLimit(limit, 1.0), processes=processes, reserve=reserve)
    assert (ledger.limit, ledger.window) == (share, window)
    assert processes * share / window <= limit


def test_eight_processes_go_on_at_their_share() -> None:
    """What the others spend is in the headers, and takes nothing from the share."""
    server = FixedWindow(10, 1.0)
    shares = [EqualShare(RateLimit(10, 1.0), processes=8, reserve=0.0) for _ in range(8)]
    passed = refused = 0
    for step in range(2000):
        now = step / 100
        for ledger in shares:
            for token in ledger.take_up_to(1, now):
                ledger.sent(token, now)
                counted = server.count(now)
                refused += counted.is_refused
                passed += not counted.is_refused
                ledger.settle(token, now + 0.005, headers_of(counted, now), is_refusal=counted.is_refused)
    assert refused == 0
    assert passed >= 8 * 18


def test_a_refusal_closes_the_share() -> None:
    ledger = EqualShare(RateLimit(10, 1.0), processes=2, reserve=0.0)
    (token,) = ledger.take_up_to(1, 0.0)
    ledger.sent(token, 0.0)
    ledger.settle(token, 0.1, LimitHeaders(limit=10, remaining=0, resets_in=2.0, retry_after=1.0), is_refusal=True)
    assert ledger.refusals == 1
    assert ledger.closed_for(0.1) == pytest.approx(2.0)
    assert ledger.limit == 5
