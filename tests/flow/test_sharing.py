"""An export and interactive calls on one key: no call waits for long."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from periskope_async import PeriskopeClient, RateLimit, RateLimiter
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.flow.conftest import Opened

TEN = RateLimit(10, 1.0)


@contextlib.asynccontextmanager
async def an_export_is_running(client: PeriskopeClient, *, prefetch: int | None = None) -> AsyncGenerator[None]:
    """Begin when it has spent its first window, and stands in line."""

    async def export() -> None:
        while True:
            async for _ in client.iter_chats(page_size=20, prefetch=prefetch).pages():
                pass

    task = asyncio.create_task(export())
    while not client.rate_limit.waiting:  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def pages_before_a_call(client: PeriskopeClient, sandbox: Sandbox) -> int:
    """How many pages of the export come to the server between a call's beginning and its request."""
    before = len(sandbox.requests)
    await client.list_chats(limit=1)
    own = next(request.number for request in sandbox.requests[before:] if request.query["limit"] == "1")
    return own - before - 1


async def test_ten_calls_at_once_into_an_idle_budget_all_go_at_once(opened: Opened) -> None:
    async with opened(sandbox={"limit": 10}, limiter=RateLimiter(assume=TEN)) as (_, client):
        await asyncio.gather(*(client.list_chats(limit=1) for _ in range(10)))
        # Less than one of them would wait for a window.
        assert client.rate_limit.seconds_waited < 0.5


async def test_a_call_goes_ahead_of_the_pages_of_an_export_on_the_same_client(opened: Opened) -> None:
    settings = {"chats": 5000, "limit": 10}
    async with (
        opened(sandbox=settings, limiter=RateLimiter(assume=TEN)) as (sandbox, client),
        an_export_is_running(client, prefetch=64),
    ):
        for _ in range(3):
            # Those of its own window come in any order, and a busy machine may miss a window.
            assert await pages_before_a_call(client, sandbox) <= 20


async def test_an_export_leaves_what_is_reserved_to_another_program(nothing_left_over: None) -> None:
    async with Sandbox(chats=5000, limit=10) as sandbox:
        bulk = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, limiter=RateLimiter(reserve=0.2))
        # Another process, as far as these two know: each has a limiter of its own.
        async with (
            bulk,
            PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as interactive,
            an_export_is_running(bulk),
        ):
            assert min(request.remaining for request in sandbox.requests) >= 2
            assert await pages_before_a_call(interactive, sandbox) <= 20
            assert bulk.rate_limit.limit == 10
