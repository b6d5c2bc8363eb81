"""The limiter of discord.py, driven by Periskope's headers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DiscordLike"]


class DiscordLike:
    """``discord.http.Ratelimit`` of discord.py 2.7.1 (MIT, copyright 2015-present Rapptz), restated without its wire.

    Its steps are kept one by one; left out are ``max_ratelimit_timeout`` and its errors. There is no
    ``X-RateLimit-Reset-After`` here, so the reset is read by the local clock, as discord.py does then. As there, a
    refusal teaches nothing, and the last answer of a spent budget is held until the reset.
    """

    asks_again = False

    def __init__(self) -> None:
        self.limit = 1
        self.remaining = 1
        self.outgoing = 0
        self.reset_after = 0.0
        self.expires: float | None = None
        self.dirty = False
        self._pending: deque[asyncio.Future[None]] = deque()
        self._sleeping = asyncio.Lock()

    async def before(self) -> None:
        """Acquire."""
        loop = asyncio.get_running_loop()
        if self.expires is not None and loop.time() > self.expires:
            self._reset()
        while self.remaining <= 0:
            future: asyncio.Future[None] = loop.create_future()
            self._pending.append(future)
            while not future.done():
                longest = self.expires - loop.time() if self.expires else 30
                await asyncio.wait([future], timeout=longest)
                if not future.done():
                    await self._refresh()
        self.remaining -= 1
        self.outgoing += 1

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Update from an answer that is no refusal."""
        if status == 429 or "X-RateLimit-Remaining" not in headers:
            return
        self.limit = int(headers.get("X-RateLimit-Limit", "1"))
        remaining = int(headers["X-RateLimit-Remaining"])
        self.remaining = min(remaining, self.limit - self.outgoing) if self.dirty else remaining
        self.dirty = True
        self.reset_after = float(headers["X-RateLimit-Reset"]) - time.time()
        self.expires = asyncio.get_running_loop().time() + self.reset_after

    async def after(self) -> None:
        """Release."""
        self.outgoing -= 1
        tokens = self.remaining - self.outgoing
        if self._sleeping.locked():
            return
        if tokens <= 0:
            await self._refresh()
        elif self._pending:
            self._wake(tokens)

    def _reset(self) -> None:
        self.remaining = self.limit - self.outgoing
        self.expires = None
        self.reset_after = 0.0
        self.dirty = False

    async def _refresh(self) -> None:
        async with self._sleeping:
            await asyncio.sleep(self.reset_after)
        self._reset()
        self._wake(self.remaining)

    def _wake(self, count: int) -> None:
        awakened = 0
        while self._pending:
            future = self._pending.popleft()
            if not future.done():
                future.set_result(None)
                awakened += 1
            if awakened >= count:
                break
