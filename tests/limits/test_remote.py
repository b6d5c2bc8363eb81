"""A process' share of a budget in Redis, without a Redis."""

from __future__ import annotations

import pytest

from periskope_async.limits.headers import MOST_RETRY_AFTER_SECONDS, LimitHeaders
from periskope_async.limits.remote import RemoteBudget

# Places in the arguments of the settling script.
_CLOSED_FOR = 6


@pytest.mark.parametrize("asked", [5.0, 7 * 86_400.0, 1_737_697_834.0])
@pytest.mark.parametrize("is_refusal", [False, True])
def test_redis_keeps_no_wait_of_years(asked: float, *, is_refusal: bool) -> None:
    """It would shut the key out in every process, and in those started later."""
    budget = RemoteBudget()
    budget.take_reply([10**15, 10, 10**6, 0, 0, 1, 0, 10**5, 1, 0, 10**15], asked_at=0.0, told_at=0.001)
    (ticket,) = budget.take_up_to(1, 0.01)
    budget.sent(ticket, 0.01)
    if is_refusal:
        budget.settle(ticket, 0.02, LimitHeaders(retry_after=asked), is_refusal=True)
    else:
        budget.close_for(asked, 0.02)
    told = budget.tell("process", 0.02)[_CLOSED_FOR]
    assert told == round(min(asked, MOST_RETRY_AFTER_SECONDS) * 1e6)
    assert budget.closed_for(0.02) == pytest.approx(min(asked, MOST_RETRY_AFTER_SECONDS))
