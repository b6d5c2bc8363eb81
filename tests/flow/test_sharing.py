"""An export and interactive calls on one key: nobody is refused, and nobody waits for long."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from periskope_async import PeriskopeClient, RateLimit, RateLimiter
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.flow.conftest import Opened

TEN = RateLimit(10, 1.0)
# A window, and what a busy machine adds to it.
ABOUT_A_WINDOW = 1.4


@contextlib.asynccontextmanager
async def an_export_is_running(client: PeriskopeClient, *, prefetch: int | None = None) -> AsyncGenerator[None]:
    async def export() -> None:
        while True:
            async for _ in client.iter_chats(page_size=20, prefetch=prefetch).pages():
                pass

    task = asyncio.create_task(export())
    # So that it has spent its first window, and stands in line.
    await asyncio.sleep(1.2)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def seconds_of_a_call(client: PeriskopeClient) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.list_chats(limit=1)
    return loop.time() - began


async def test_ten_calls_at_once_into_an_idle_budget_all_go_at_once(opened: Opened) -> None:
    async with opened(sandbox={"limit": 10, "latency": 0.2}, limiter=RateLimiter(assume=TEN)) as (sandbox, client):
        await asyncio.gather(*(client.list_chats(limit=1) for _ in range(10)))
        sent = [request.at for request in sandbox.requests]
        assert max(sent) - min(sent) < 0.2
        assert client.rate_limit.seconds_waited < 0.1


@pytest.mark.parametrize("prefetch", [None, 64])
async def test_a_call_goes_ahead_of_the_pages_of_an_export_on_the_same_client(
    opened: Opened, prefetch: int | None
) -> None:
    async with opened(sandbox={"chats": 5000, "limit": 10}, limiter=RateLimiter(assume=TEN)) as (sandbox, client):
        async with an_export_is_running(client, prefetch=prefetch):
            for _ in range(3):
                assert await seconds_of_a_call(client) < ABOUT_A_WINDOW
        assert sandbox.refusals == 0


async def test_what_an_export_reserves_lets_another_program_through(nothing_left_over: None) -> None:
    async with Sandbox(chats=5000, limit=10) as sandbox:
        bulk = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, limiter=RateLimiter(reserve=0.2))
        # Another process, as far as these two know: each has a limiter of its own.
        async with bulk, PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as interactive:
            async with an_export_is_running(bulk):
                for _ in range(4):
                    assert await seconds_of_a_call(interactive) < ABOUT_A_WINDOW
                    # Two in a window, as many as are reserved.
                    await asyncio.sleep(0.55)
            assert sandbox.refusals == 0
            assert bulk.rate_limit.limit == 10
