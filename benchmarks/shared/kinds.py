"""The limiters that are compared."""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from aiolimiter import AsyncLimiter
from msgspec import Struct
from pyrate_limiter import Limiter as PyrateLimiter, Rate, RedisBucket
from redis.asyncio import Redis

from periskope_async import Permit, RateLimiter, RateLimitSnapshot
from periskope_async.limits.shared import SharedLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from periskope_async import Limiter
    from periskope_async.events import Hook

__all__ = ["Kind", "Part", "limiter_of"]


class Kind(Enum):
    """What each process limits itself by."""

    SHARED = "shared over Redis"
    ALONE = "each for itself"
    STATIC = "a static share each"
    PYRATE = "pyrate-limiter over Redis"


class Part(Struct, frozen=True):
    """What one process does."""

    kind: Kind
    base_url: str
    redis_url: str
    limit: int
    window: float
    processes: int
    pages: int
    tasks: int
    pause: float = 0.0
    """Seconds that a task rests after each page."""


def limiter_of(part: Part) -> Limiter:
    """Make the limiter of one process."""
    if part.kind is Kind.SHARED:
        return SharedLimiter(part.redis_url)
    if part.kind is Kind.ALONE:
        return RateLimiter()
    if part.kind is Kind.STATIC:
        return _Static(part)
    return _Pyrate(part)


class _Static:
    """aiolimiter's bucket with one of so many equal parts of the limit, spread evenly."""

    requests_at_once = 1

    def __init__(self, part: Part) -> None:
        self._part = part
        self.requests_per_second = part.limit / part.window / part.processes
        self._bucket = AsyncLimiter(1, 1 / self.requests_per_second)

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:  # noqa: ARG002 - the names are the limiter's
        await self._bucket.acquire()
        return Permit()

    def snapshot(self) -> RateLimitSnapshot:
        return RateLimitSnapshot(limit=self._part.limit, window=self._part.window, remaining=0)

    def close(self) -> Awaitable[object] | None:
        return None


class _Pyrate:
    """pyrate-limiter's bucket in Redis, told the limit."""

    requests_per_second = math.inf

    def __init__(self, part: Part) -> None:
        self.requests_at_once = part.limit
        self._part = part
        # Its types, and pyrate-limiter's of what comes later, are half open.
        self._redis: Any = cast("Any", Redis).from_url(part.redis_url)
        self._limiter: PyrateLimiter | None = None
        self._making = asyncio.Lock()

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:  # noqa: ARG002 - the names are the limiter's
        async with self._making:
            if self._limiter is None:
                rate = Rate(self._part.limit, round(self._part.window * 1000))
                self._limiter = PyrateLimiter(await cast("Any", RedisBucket).init([rate], self._redis, "benchmark"))
        await self._limiter.try_acquire_async("benchmark")
        return Permit()

    def snapshot(self) -> RateLimitSnapshot:
        return RateLimitSnapshot(limit=self._part.limit, window=self._part.window, remaining=0)

    def close(self) -> Awaitable[object] | None:
        if self._limiter is not None:
            self._limiter.close()
        closing: Awaitable[object] = self._redis.aclose()
        return closing
