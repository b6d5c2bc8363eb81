"""The bucket that spreads requests."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

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
