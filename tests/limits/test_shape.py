"""The bucket that spreads requests, in real time: aiolimiter's timers need a clock that moves between two looks."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit

pytestmark = pytest.mark.usefixtures("nothing_left_over")


async def times_of(gate: RateLimiter, requests: int) -> list[float]:
    sent: list[float] = []

    async def send() -> None:
        permit = await gate.acquire()
        sent.append(asyncio.get_running_loop().time())
        permit.answered(LimitHeaders(), is_refusal=False)

    await asyncio.gather(*(send() for _ in range(requests)))
    return sent


async def test_a_burst_of_one_spreads_the_requests() -> None:
    sent = await times_of(RateLimiter(assume=RateLimit(20, 1.0), burst=1), 5)
    # A lower bound only: a busy machine may add to a gap, and nothing may take from it.
    assert all(later - earlier > 0.04 for earlier, later in pairwise(sent))


async def test_without_a_burst_the_whole_limit_goes_at_once() -> None:
    sent = await times_of(RateLimiter(assume=RateLimit(20, 60.0)), 20)
    assert sent[-1] - sent[0] < 2.0


async def test_a_cancel_while_the_bucket_holds_a_request_gives_its_place_back() -> None:
    gate = RateLimiter(assume=RateLimit(2, 4.0), burst=1)
    (await gate.acquire()).answered(LimitHeaders(), is_refusal=False)
    held = asyncio.create_task(gate.acquire())
    await asyncio.sleep(0.05)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
    view = gate.snapshot()
    assert (view.in_flight, view.remaining, view.waiting) == (0, 1, 0)
