"""The bucket that spreads requests."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from periskope_async.errors import WaitTooLong
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit

pytestmark = pytest.mark.usefixtures("nothing_left_over")


async def times_of(gate: RateLimiter, requests: int, headers: LimitHeaders | None = None) -> list[float]:
    sent: list[float] = []

    async def send() -> None:
        permit = await gate.acquire()
        sent.append(asyncio.get_running_loop().time())
        permit.answered(headers or LimitHeaders(), status=200)

    await asyncio.gather(*(send() for _ in range(requests)))
    return sent


async def test_a_burst_of_one_spreads_the_requests() -> None:
    sent = await times_of(RateLimiter(assume=RateLimit(20, 1.0), burst=1), 5)
    assert all(later - earlier == pytest.approx(0.05, abs=1e-4) for earlier, later in pairwise(sent))


async def test_a_burst_goes_at_once_and_the_rest_evenly() -> None:
    sent = await times_of(RateLimiter(assume=RateLimit(20, 1.0), burst=3), 8)
    assert [later - sent[0] for later in sent] == pytest.approx([0, 0, 0, 0.05, 0.1, 0.15, 0.2, 0.25], abs=1e-4)


@pytest.mark.parametrize("burst", [None, 1, 3])
async def test_a_refusal_holds_all_who_wait(burst: int | None) -> None:
    """Also those who would have gone by now, had not the burst been bounded."""
    gate, early = RateLimiter(assume=RateLimit(60, 20.0), burst=burst), 0
    loop = asyncio.get_running_loop()
    until = loop.time() + 19

    async def send() -> None:
        nonlocal early
        permit = await gate.acquire()
        permit.sent()
        is_early = loop.time() < until
        early += is_early
        await asyncio.sleep(0.01)
        permit.answered(LimitHeaders(retry_after=19 if is_early else None), status=429 if is_early else 200)

    await asyncio.gather(*(send() for _ in range(30)))
    assert early == (30 if burst is None else burst)


async def test_nobody_waits_longer_for_the_bucket_than_max_wait() -> None:
    gate = RateLimiter(assume=RateLimit(60, 60.0), burst=1, max_wait=2.5)
    began = asyncio.get_running_loop().time()
    done = await asyncio.gather(*(times_of(gate, 1) for _ in range(10)), return_exceptions=True)
    sent = [times[0] - began for times in done if not isinstance(times, BaseException)]
    errors = [error for error in done if isinstance(error, WaitTooLong)]
    assert sent == pytest.approx([0, 1, 2], abs=1e-3)
    assert len(errors) == 7
    assert asyncio.get_running_loop().time() - began < 2.6


async def test_a_call_goes_before_the_pages_that_wait_for_the_bucket() -> None:
    gate, went = RateLimiter(assume=RateLimit(60, 60.0), burst=1), list[str]()

    async def send(name: str, *, is_bulk: bool) -> None:
        permit = await gate.acquire(is_bulk=is_bulk)
        went.append(name)
        permit.answered(LimitHeaders(), status=200)

    pages = [asyncio.create_task(send("page", is_bulk=True)) for _ in range(20)]
    await asyncio.sleep(0.5)
    await send("call", is_bulk=False)
    assert went == ["page", "call"]
    await asyncio.gather(*pages)


@pytest.mark.parametrize(("burst", "pages", "max_wait"), [(None, 25, 1.5), (1, 8, 0.5)])
async def test_a_call_is_not_refused_for_the_pages_that_it_goes_before(
    burst: int | None, pages: int, max_wait: float
) -> None:
    gate = RateLimiter(assume=RateLimit(10, 1.0), burst=burst, max_wait=max_wait)

    async def send(*, is_bulk: bool) -> None:
        permit = await gate.acquire(is_bulk=is_bulk)
        permit.sent()
        permit.answered(LimitHeaders(), status=200)

    walk = [asyncio.create_task(send(is_bulk=True)) for _ in range(pages)]
    await asyncio.sleep(0)
    with pytest.raises(WaitTooLong):
        await send(is_bulk=True)
    await send(is_bulk=False)
    await asyncio.gather(*walk, return_exceptions=True)


async def test_a_pace_may_exceed_the_assumed_limit_whatever_the_burst() -> None:
    sent = await times_of(RateLimiter(burst=1), 100)
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert gaps[-1] < 0.06


async def test_without_a_burst_the_whole_limit_goes_at_once() -> None:
    sent = await times_of(RateLimiter(assume=RateLimit(20, 60.0)), 20)
    assert sent[-1] == sent[0]


async def test_an_assumed_window_is_used_at_once() -> None:
    """A small job is not slowed down for what is not known yet."""
    sent = await times_of(RateLimiter(), 10, LimitHeaders(limit=10, remaining=9, resets_in=2.0))
    assert sent[9] - sent[0] < 0.1


async def test_without_headers_it_goes_evenly() -> None:
    """Ten a second from the first answer on, and a little faster with each."""
    sent = await times_of(RateLimiter(), 12)
    gaps = [later - earlier for earlier, later in pairwise(sent[1:])]
    assert gaps[0] == pytest.approx(0.1, abs=0.002)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] > 0.085


async def test_a_cancel_while_the_bucket_holds_a_request_gives_its_place_back() -> None:
    gate = RateLimiter(assume=RateLimit(2, 4.0), burst=1)
    (await gate.acquire()).answered(LimitHeaders(), status=200)
    held = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0.05)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
    view = gate.snapshot()
    assert (view.in_flight, view.remaining, view.waiting) == (0, 1, 0)
