"""Clients that share a limit, and what they are seen to do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from periskope_async import PeriskopeClient, SharedLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import pytest

    from periskope_async.sandbox import Sandbox

__all__ = ["PLENTY", "calls", "client_of", "said", "until_back", "until_lost"]

PLENTY = 1000
"""Far above what the tests send: what they wait for is Redis, not the limit."""


@contextlib.asynccontextmanager
async def client_of(sandbox: Sandbox, url: str, **settings: Any) -> AsyncGenerator[PeriskopeClient]:
    async with (
        SharedLimiter(url, **settings) as limiter,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, limiter=limiter) as client,
    ):
        yield client


async def calls(client: PeriskopeClient, count: int) -> None:
    await asyncio.gather(*(client.list_chats(limit=1) for _ in range(count)))


async def until_lost(client: PeriskopeClient) -> None:
    """Call until this process goes on without Redis."""
    async with asyncio.timeout(20):
        while "without" not in repr(client._manager.limiter):
            await client.list_chats(limit=1)


async def until_back(client: PeriskopeClient) -> None:
    async with asyncio.timeout(20):
        while "without" in repr(client._manager.limiter):  # noqa: ASYNC110 - another program has no event
            await asyncio.sleep(0.02)


def said(caplog: pytest.LogCaptureFixture, text: str = "") -> int:
    """Count our own warnings with a text; those of a loop that is held up are none."""
    return sum(
        text in record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("periskope_async")
    )
