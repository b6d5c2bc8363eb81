"""A process' share of a budget in Redis, without a Redis."""

from __future__ import annotations

import pytest

from periskope_async.limits.headers import MOST_RETRY_AFTER_SECONDS, LimitHeaders
from periskope_async.limits.remote import RemoteBudget

# Places in the arguments of the settling script.
_LIMIT, _LONGEST, _AT_LEAST, _CLOSED_FOR, _REFUSED_AT, _SLOWED_AT = 0, 3, 5, 6, 9, 12


@pytest.mark.parametrize("asked", [5.0, 7 * 86_400.0, 1_737_697_834.0])
@pytest.mark.parametrize("is_refusal", [False, True])
def test_redis_keeps_no_wait_of_years(asked: float, *, is_refusal: bool) -> None:
    """It would shut the key out in every process, and in those started later."""
    budget = RemoteBudget()
    budget.take_reply([10**15, 10, 10**6, 0, 0, 1, 0, 10**5, 1, 0, 10, 9, 10**15], asked_at=0.0, told_at=0.001)
    (ticket,) = budget.take_up_to(1, 0.01)
    budget.sent(ticket, 0.01)
    if is_refusal:
        budget.settle(ticket, 0.02, LimitHeaders(retry_after=asked), is_refusal=True)
    else:
        budget.close_for(asked, 0.02)
    told = budget.tell("process", 0.02)[_CLOSED_FOR]
    assert told == round(min(asked, MOST_RETRY_AFTER_SECONDS) * 1e6)
    assert budget.closed_for(0.02) == pytest.approx(min(asked, MOST_RETRY_AFTER_SECONDS))


@pytest.mark.parametrize(
    ("limit", "remaining", "is_spent", "wait"),
    [(10, 0, True, 50.0), (10, 1, False, 0.1), (10, 9, False, 0.1), (10, None, False, 0.1), (5, 0, False, 50.0)],
    ids=["0", "1", "9", "unknown", "a second limit's 0"],
)
def test_only_the_limit_that_is_spent_explains_a_refusal(
    limit: int, remaining: int | None, wait: float, *, is_spent: bool
) -> None:
    """Its reset is the wait then. Another limit's refusal slows all processes down instead."""
    budget = RemoteBudget()
    budget.take_reply([10**15, 10, 10**6, 1, 0, 1, 0, 10**5, 1, 0, 10, 9, 10**15], asked_at=0.0, told_at=0.001)
    (ticket,) = budget.take_up_to(1, 0.01)
    budget.sent(ticket, 0.01)
    budget.settle(ticket, 0.02, LimitHeaders(limit=limit, remaining=remaining, resets_in=50.0), is_refusal=True)
    told = budget.tell("process", 0.02)
    assert (bool(told[_REFUSED_AT]), bool(told[_SLOWED_AT])) == (is_spent, not is_spent)
    assert told[_LIMIT] == (0 if limit != 10 or remaining is None else 10)
    assert budget.closed_for(0.02) == pytest.approx(wait)


@pytest.mark.parametrize("pace", [0, 10_000], ids=["headers", "pace"])
def test_idle_processes_lengthen_no_wait(pace: int) -> None:
    """Whoever has asked in the last minute may want nothing now. Redis knows, and is asked first."""
    budget = RemoteBudget()
    budget.take_reply([10**15, 10, 10**6, 1, 0, 8, 0, 10**5, 1, pace, 10, 10], asked_at=0.0, told_at=0.001)
    assert [budget.wait_for(place, 0.01) for place in (1, 10, 11, 21)] == (
        [0.0, 0.9, 1.0, 2.0] if pace else [0.0, 0.0, 1.0, 2.0]
    )


def told_after(*answers: tuple[LimitHeaders, bool]) -> list[str | int]:
    """Give what Redis is told after such answers, each of a success or of a failure."""
    budget = RemoteBudget()
    budget.take_reply([10**15, 10, 10**6, 1, 0, 1, 0, 10**5, 1, 0, 10, 1, *[10**15] * 9], asked_at=0.0, told_at=0.001)
    for at, (headers, is_failure) in enumerate(answers, start=1):
        (ticket,) = budget.take_up_to(1, 0.01 * at)
        budget.sent(ticket, 0.01 * at)
        budget.settle(ticket, 0.01 * at + 0.005, headers, is_failure=is_failure)
    return budget.tell("process", 1.0)


def says(resets_in: float, *, remaining: int = 5, limit: int = 10) -> LimitHeaders:
    return LimitHeaders(limit=limit, remaining=remaining, resets_in=resets_in)


@pytest.mark.parametrize(("limit", "told"), [(1000, 0), (10, 10)], ids=["a gateway's", "the server's"])
def test_a_failure_tells_no_length_and_no_limit_of_another(limit: int, told: int) -> None:
    arguments = told_after(*[(says(61.0, limit=limit), True)] * 3)
    assert (arguments[_LIMIT], arguments[_LONGEST], arguments[_AT_LEAST]) == (told, 0, 0)
