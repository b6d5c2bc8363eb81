"""``no_waiting()``: for users' tests, which should not sleep."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from periskope_async import RateLimit, RateLimiter, RetryPolicy, WaitTooLong
from periskope_async.sandbox import Status
from periskope_async.testing import no_waiting

if TYPE_CHECKING:
    from tests.flow.conftest import Opened


async def test_neither_the_limit_nor_a_retry_waits(opened: Opened) -> None:
    an_hour = RateLimiter(assume=RateLimit(1, 3600.0))
    async with opened(limiter=an_hour, retry=RetryPolicy(base=600.0, ceiling=600.0, max_elapsed=1e6)) as (
        sandbox,
        client,
    ):
        with no_waiting():
            sandbox.script(Status(503), Status(503))
            pages = await asyncio.gather(*(client.list_chats(limit=1) for _ in range(5)))
        assert len(pages) == 5
        assert len(sandbox.requests) == 7
        assert client.rate_limit.in_flight == 0


async def test_it_ends_with_its_block_and_nests(opened: Opened) -> None:
    limiter = RateLimiter(assume=RateLimit(1, 3600.0), max_wait=1.0)
    async with opened(sandbox={"limit": 3, "window": 3600.0}, limiter=limiter) as (_, client):
        with no_waiting():
            with pytest.raises(ZeroDivisionError), no_waiting():
                raise ZeroDivisionError
            await client.list_chats(limit=1)
            await client.list_chats(limit=1)
        # The third and last that the server allows, and the limiter knows that from its headers.
        await client.list_chats(limit=1)
        with pytest.raises(WaitTooLong, match="nothing was sent"):
            await client.list_chats(limit=1)
