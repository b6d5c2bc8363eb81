"""A sandbox on a real socket, and a client for it, closed before the check that nothing is left over."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import PeriskopeClient, RateLimit, RateLimiter, RetryPolicy
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    Opened = Callable[..., AbstractAsyncContextManager[tuple[Sandbox, PeriskopeClient]]]

# Retries at once: what is tested is that they happen, not how long they wait.
AT_ONCE = RetryPolicy(tries=4, base=0.0)


@asynccontextmanager
async def sandbox_and_client(
    *, sandbox: dict[str, Any] | None = None, **client: Any
) -> AsyncGenerator[tuple[Sandbox, PeriskopeClient]]:
    """Start a sandbox with a limit that is out of the way, and a client that knows it."""
    settings: dict[str, Any] = {"chats": 250, "limit": 1000, **(sandbox or {})}
    async with Sandbox(**settings) as running:
        limiter = client.pop("limiter", None) or RateLimiter(assume=RateLimit(settings["limit"], 1.0))
        options: dict[str, Any] = {"retry": AT_ONCE, "limiter": limiter, **client}
        async with PeriskopeClient(running.api_key, base_url=running.base_url, **options) as opened:
            yield running, opened


@pytest.fixture
def opened(nothing_left_over: None) -> Opened:
    """Give the opener; the check for what is left over comes after it has closed."""
    return sandbox_and_client
