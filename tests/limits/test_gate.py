"""The gate's queue, in virtual time: order, cancels, closing, refusals, patience."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest

from periskope_async.errors import ClosedError, ConfigError, WaitTooLong, WrongLoopError
from periskope_async.events import Event, Throttled
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit

pytestmark = pytest.mark.usefixtures("nothing_left_over")

TEN = RateLimit(10, 1.0)
NOTHING_SAID = LimitHeaders()


def limiter(assume: RateLimit | None = TEN, **kwargs: Any) -> RateLimiter:
    return RateLimiter(assume=assume, rng=random.Random(1), **kwargs)


async def send(gate: RateLimiter, sent: list[float], answer_after: float = 0.01) -> None:
    permit = await gate.acquire()
    sent.append(asyncio.get_running_loop().time())
    await asyncio.sleep(answer_after)
    permit.answered(NOTHING_SAID, status=200)


async def test_ten_calls_into_an_idle_budget_all_go_at_once() -> None:
    gate = limiter()
    sent: list[float] = []
    await asyncio.gather(*(send(gate, sent) for _ in range(10)))
    assert sent == [sent[0]] * 10


async def test_no_eleven_in_a_row_fit_into_one_window() -> None:
    gate = limiter()
    sent: list[float] = []
    await asyncio.gather(*(send(gate, sent) for _ in range(45)))
    assert all(later - earlier >= 1.0 for earlier, later in zip(sent, sent[10:], strict=False))
    # Four full windows and the answers between them.
    assert sent[-1] - sent[0] == pytest.approx(4 * 1.01, abs=0.02)


async def test_first_come_first_served() -> None:
    gate = limiter(RateLimit(1, 1.0))
    order: list[int] = []

    async def one(number: int) -> None:
        permit = await gate.acquire()
        order.append(number)
        permit.answered(NOTHING_SAID, status=200)

    await asyncio.gather(*(one(number) for number in range(6)))
    assert order == list(range(6))


async def test_single_calls_go_ahead_of_pages_which_never_starve() -> None:
    gate = limiter(RateLimit(1, 1.0))
    order: list[str] = []

    async def one(name: str, *, is_bulk: bool) -> None:
        permit = await gate.acquire(is_bulk=is_bulk)
        order.append(name)
        permit.answered(NOTHING_SAID, status=200)

    (await gate.acquire()).answered(NOTHING_SAID, status=200)
    pages = [asyncio.create_task(one(f"page {number}", is_bulk=True)) for number in range(4)]
    await asyncio.sleep(0)
    calls = [asyncio.create_task(one(f"call {number}", is_bulk=False)) for number in range(8)]
    await asyncio.gather(*pages, *calls)
    # The call that opened the gate is none of those that overtook a page.
    assert order[:8] == ["call 0", "call 1", "call 2", "page 0", "call 3", "call 4", "call 5", "page 1"]
    assert [name for name in order if name.startswith("page")] == [f"page {number}" for number in range(4)]


async def test_a_request_counts_from_when_it_was_sent_not_from_when_it_was_answered() -> None:
    gate = limiter(RateLimit(1, 1.0))
    slow = await gate.acquire()
    slow.sent()
    started = asyncio.get_running_loop().time()
    (await gate.acquire()).unused()
    assert 1.0 <= asyncio.get_running_loop().time() - started <= 1.1
    slow.lost()


async def test_a_request_that_waits_for_its_connection_keeps_its_token() -> None:
    gate = limiter(RateLimit(1, 1.0))
    stuck = await gate.acquire()
    other = asyncio.create_task(gate.acquire())
    await asyncio.sleep(5.0)
    assert not other.done()
    stuck.sent()
    (await other).unused()
    stuck.lost()


async def test_a_retry_goes_to_the_head_of_the_line() -> None:
    gate = limiter(RateLimit(1, 1.0))
    order: list[str] = []

    async def one(name: str, *, is_retry: bool) -> None:
        permit = await gate.acquire(is_retry=is_retry)
        order.append(name)
        permit.answered(NOTHING_SAID, status=200)

    (await gate.acquire()).answered(NOTHING_SAID, status=200)
    waiting = [asyncio.create_task(one(name, is_retry=False)) for name in "ab"]
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(one("retry", is_retry=True)))
    await asyncio.gather(*waiting)
    assert order == ["retry", "a", "b"]


async def test_before_the_limit_is_known_one_probe_goes_alone() -> None:
    """Where its answer names another limit, the length of the recorded windows is doubted with it."""
    gate = limiter(None)
    first = await gate.acquire()
    second = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0.15)
    assert not second.done()
    assert not gate.snapshot().is_known
    first.answered(LimitHeaders(limit=3, remaining=2, resets_in=2.0), status=200)
    (await second).unused()
    view = gate.snapshot()
    assert (view.limit, view.window, view.is_known, view.is_window_sure) == (3, 1.0, True, False)


async def test_a_probe_that_is_not_answered_soon_holds_nobody_up_for_long() -> None:
    """Then the others go, as many as the assumption allows."""
    gate = limiter(None)
    began = asyncio.get_running_loop().time()
    sent: list[float] = []
    await asyncio.gather(*(send(gate, sent, answer_after=1.5) for _ in range(10)))
    since = [at - began for at in sent]
    assert since == pytest.approx([0.0, *[0.2] * 9], abs=0.01)


async def test_a_probe_that_is_lost_lets_the_next_one_probe() -> None:
    gate = limiter(None)
    first = await gate.acquire()
    second = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0)
    first.lost()
    (await second).unused()


async def test_a_cancelled_waiter_gives_its_place_back() -> None:
    gate = limiter(RateLimit(1, 1.0))
    (await gate.acquire()).answered(NOTHING_SAID, status=200)
    waiting = [asyncio.create_task(gate.acquire()) for _ in range(3)]
    await asyncio.sleep(0.1)
    assert gate.snapshot().waiting == 3
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert gate.snapshot().waiting == 2
    started = asyncio.get_running_loop().time()
    (await waiting[1]).answered(NOTHING_SAID, status=200)
    assert asyncio.get_running_loop().time() - started < 1.0
    (await waiting[2]).unused()
    assert gate.snapshot().waiting == 0


async def test_a_token_handed_over_in_the_step_of_the_cancel_is_not_lost() -> None:
    gate = limiter(RateLimit(1, 1.0))
    holder = await gate.acquire()
    waiter = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0)
    holder.unused()  # hands the token to the waiter, whose task has not run yet
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    view = gate.snapshot()
    assert (view.in_flight, view.remaining, view.waiting) == (0, 1, 0)


@pytest.mark.parametrize("is_bulk", [False, True])
async def test_a_token_that_comes_free_in_the_step_of_the_last_waiters_cancel_is_kept(*, is_bulk: bool) -> None:
    gate = limiter(RateLimit(1, 1.0))
    holder = await gate.acquire()
    waiter = asyncio.create_task(gate.acquire(is_bulk=is_bulk))
    await asyncio.sleep(0)
    waiter.cancel()
    holder.unused()  # nobody is left to have it, though the waiter's task has not run yet
    with pytest.raises(asyncio.CancelledError):
        await waiter
    view = gate.snapshot()
    assert (view.in_flight, view.remaining, view.waiting) == (0, 1, 0)


async def test_one_that_is_cancelled_in_the_step_of_the_closing_is_counted_out_once() -> None:
    gate = limiter(RateLimit(1, 1.0))
    (await gate.acquire()).answered(NOTHING_SAID, status=200)
    waiters = [asyncio.create_task(gate.acquire()) for _ in range(2)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    gate.close()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, ClosedError]
    assert gate.snapshot().waiting == 0


async def test_a_refusal_holds_everyone_until_the_servers_wait_is_over() -> None:
    gate = limiter()
    permit = await gate.acquire()
    permit.answered(LimitHeaders(retry_after=2.0), status=429)
    started = asyncio.get_running_loop().time()
    sent: list[float] = []
    await asyncio.gather(*(send(gate, sent) for _ in range(3)))
    assert 2.0 <= sent[0] - started <= 2.2
    # No header explained the refusal of a single request in a second: from now on they are spaced.
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(sent))
    assert gate.snapshot().refusals == 1


async def test_a_refusal_with_headers_slows_nobody_down() -> None:
    """They say when the window is over, and then all goes on as before."""
    gate = limiter()
    permit = await gate.acquire()
    permit.answered(LimitHeaders(limit=10, remaining=0, resets_in=1.0, retry_after=1.0), status=429)
    started = asyncio.get_running_loop().time()
    sent: list[float] = []
    await asyncio.gather(*(send(gate, sent) for _ in range(2)))
    assert 1.0 <= sent[0] - started <= sent[1] - started <= 1.3


@pytest.mark.parametrize("remaining", [0, 990])
async def test_another_limits_refusal_does_not_hold_for_a_share_of_the_told_window(remaining: int) -> None:
    """The jitter at the reopening fits the wait: six seconds are a share of a minute."""
    gate = limiter(RateLimit(1000, 60.0))
    headers = LimitHeaders(limit=1000, remaining=remaining, resets_in=60.0, retry_after=1.0)
    for permit in [await gate.acquire() for _ in range(30)]:
        permit.sent()
        permit.answered(headers, status=429)
    held = gate._budget.closed_for(asyncio.get_running_loop().time())
    assert (held <= 1.1) is (remaining > 0)


async def test_a_wait_above_max_wait_raises_at_once_with_all_the_numbers() -> None:
    gate = limiter(RateLimit(2, 60.0), max_wait=5.0)
    for _ in range(2):
        (await gate.acquire()).answered(NOTHING_SAID, status=200)
    started = asyncio.get_running_loop().time()
    with pytest.raises(WaitTooLong, match="nothing was sent") as caught:
        await gate.acquire()
    assert asyncio.get_running_loop().time() == started
    assert caught.value.needed == pytest.approx(60.0)
    assert (caught.value.limit, caught.value.remaining) == (2, 0)


async def test_a_refusal_longer_than_their_patience_fails_those_who_wait() -> None:
    gate = limiter(RateLimit(1, 1.0), max_wait=5.0)
    permit = await gate.acquire()
    waiting = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0.1)
    permit.answered(LimitHeaders(retry_after=30.0), status=429)
    with pytest.raises(WaitTooLong):
        await waiting
    assert gate.snapshot().waiting == 0


async def test_closing_fails_all_who_wait_and_all_who_come() -> None:
    gate = limiter(RateLimit(1, 10.0))
    (await gate.acquire()).answered(NOTHING_SAID, status=200)
    waiting = [asyncio.create_task(gate.acquire()) for _ in range(3)]
    await asyncio.sleep(0.1)
    gate.close()
    await gate.close()
    assert [type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [ClosedError] * 3
    with pytest.raises(ClosedError):
        await gate.acquire()


async def test_hooks_are_told_why_a_request_waits() -> None:
    gate = limiter(RateLimit(1, 1.0))
    told: list[Event] = []
    (await gate.acquire()).answered(NOTHING_SAID, status=200)
    (await gate.acquire(hooks=(told.append,))).unused()
    (event,) = told
    assert isinstance(event, Throttled)
    assert (event.reason, event.limit, event.waiting) == ("limit", 1, 1)
    assert event.wait == pytest.approx(1.0, abs=0.01)


async def test_the_wait_is_summed_up() -> None:
    gate = limiter(RateLimit(1, 1.0))
    for _ in range(3):
        (await gate.acquire()).answered(NOTHING_SAID, status=200)
    assert gate.snapshot().seconds_waited == pytest.approx(2.0, abs=0.02)


def test_another_loop_is_told_so() -> None:
    gate = limiter()

    async def use() -> None:
        (await gate.acquire()).unused()

    asyncio.run(use())
    with pytest.raises(WrongLoopError, match="event loop"):
        asyncio.run(use())


@pytest.mark.parametrize("kwargs", [{"burst": 0}, {"max_wait": -1.0}, {"reserve": 1.0}])
def test_settings_that_make_no_sense_are_refused(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        limiter(**kwargs)


@pytest.mark.parametrize(("burst", "at_once"), [(None, 23), (1, 1), (7, 7), (50, 23)])
def test_what_may_go_at_once_after_a_rest(burst: int | None, at_once: int) -> None:
    assert RateLimiter(assume=RateLimit(23, 2.0), burst=burst).requests_at_once == at_once
