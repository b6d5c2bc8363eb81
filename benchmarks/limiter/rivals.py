"""What people use instead, each on aiohttp as it would be used, told the true limit where it asks for one.

All of them read pages in the same loop: wait for leave, send, tell what the answer said, and after a 429 stay away
for its Retry-After and try again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from aiolimiter import AsyncLimiter

from benchmarks.limiter.discord import DiscordLike

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["RIVALS", "Rival"]


class Rival(Protocol):
    """One limiter."""

    @property
    def asks_again(self) -> bool:
        """Whether a request that was refused needs leave again."""
        ...

    async def before(self) -> None:
        """Wait for leave to send a request."""
        ...

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Take what an answer says."""
        ...

    async def after(self) -> None:
        """Let go, once the answer was read."""
        ...


class RetryOnly:
    """No limiter: send at once, and again after each 429."""

    asks_again = True

    async def before(self) -> None:
        """Wait for nothing."""

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Take nothing."""

    async def after(self) -> None:
        """Hold nothing."""


class SleepUntilReset(RetryOnly):
    """Sleep until ``X-RateLimit-Reset`` when ``X-RateLimit-Remaining`` is 0, as most snippets do."""

    def __init__(self) -> None:
        self._until = 0.0

    async def before(self) -> None:
        """Sleep by the local clock, which is what the reset is compared with in them."""
        while True:
            left = self._until - time.time()
            if left <= 0:
                return
            await asyncio.sleep(left)

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Keep the reset of a spent budget."""
        del status
        if headers.get("X-RateLimit-Remaining") == "0":
            self._until = float(headers["X-RateLimit-Reset"])


class Bucket(RetryOnly):
    """``AsyncLimiter(limit, window)`` of aiolimiter, the leaky bucket that its documentation starts with."""

    def __init__(self, limit: int, window: float) -> None:
        self._bucket = AsyncLimiter(limit, window)

    async def before(self) -> None:
        """Wait for the bucket."""
        await self._bucket.acquire()


class EvenPacing(RetryOnly):
    """One request each ``window / limit``."""

    def __init__(self, limit: int, window: float) -> None:
        self._gap = window / limit
        self._next = 0.0

    async def before(self) -> None:
        """Take the next place in the row."""
        now = time.monotonic()
        place, self._next = max(self._next, now), max(self._next, now) + self._gap
        await asyncio.sleep(place - now)


class AirbyteLike(RetryOnly):
    """The moving window of Airbyte's CDK: no more than ``limit`` sends in any ``window``, by the time of sending.

    Restated from ``MovingWindowCallRatePolicy`` and ``HttpAPIBudget`` of airbyte-cdk 7.39
    (airbyte_cdk/sources/streams/call_rate.py) with the bucket of pyrate-limiter 3.1, which count whole milliseconds of
    the wall clock. The package itself is synchronous and needs some sixty others. Its ``update`` does nothing where a
    reset is given beside the remaining calls, as it is here.
    """

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window_ms = int(window * 1000)
        self._sent: list[int] = []

    async def before(self) -> None:
        """Try, and sleep for what is left of the oldest send that counts."""
        while True:
            now = int(1000 * time.time())
            self._sent = [at for at in self._sent if at >= now - self._window_ms]
            if len(self._sent) < self._limit:
                self._sent.append(now)
                return
            await asyncio.sleep((self._sent[-self._limit] - (now - self._window_ms)) / 1000)


RIVALS: dict[str, Callable[[int, float], Rival]] = {
    "retry after 429": lambda _limit, _window: RetryOnly(),
    "sleep until reset": lambda _limit, _window: SleepUntilReset(),
    "AsyncLimiter(limit, window)": Bucket,
    "even pacing": EvenPacing,
    "as discord.py": lambda _limit, _window: DiscordLike(),
    "as Airbyte's CDK": AirbyteLike,
}
