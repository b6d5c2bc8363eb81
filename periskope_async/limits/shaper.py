"""How many requests may go at once after a rest: aiolimiter's bucket spreads the budget's requests."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from periskope_async.errors import ConfigError
from periskope_async.typed import is_whole

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

__all__ = ["Shaper"]


class Shaper:
    """Spreads requests so that no more than ``burst`` go at once; None lets the whole limit go.

    It is asked within the event loop, before a token is taken: nobody waits here, behind the gate.
    """

    def __init__(self, burst: int | None) -> None:
        if burst is not None and not is_whole(burst, least=1):
            raise ConfigError(
                f"burst is {burst!r:.100}; give a whole number from 1 up, or None for the whole limit",
                parameter="burst",
            )
        self.burst = burst
        self._bucket: AsyncLimiter | None = None
        self._rate: tuple[int, float] | None = None
        self._taken_at = -math.inf

    def room(self, wanted: int, limit: int, window: float) -> int:
        """Count how many of the wanted requests may go now."""
        if self.burst is None or self.burst >= limit:
            return wanted
        bucket = self._bucket_of(self.burst, limit, window)
        return next((count for count in range(min(wanted, self.burst), 0, -1) if bucket.has_capacity(count)), 0)

    def take(self, count: int, now: float) -> None:
        """Count requests that go, unless they went without asking for room."""
        if self._bucket is not None and count and self._bucket.has_capacity(count):
            # Where there is room, this coroutine ends without a wait.
            with suppress(StopIteration):
                self._bucket.acquire(count).send(None)
            self._taken_at = now

    def wait_for(self, place: int, now: float, limit: int, window: float) -> float:
        """Estimate the seconds until the ``place``-th request from now may go."""
        lacking = place - self.room(place, limit, window)
        if not lacking:
            return 0.0
        interval = window / limit
        # At worst, the latest request filled the bucket.
        return max(0.0, self._taken_at + interval - now) + (lacking - 1) * interval

    def _bucket_of(self, burst: int, limit: int, window: float) -> AsyncLimiter:
        if self._bucket is None or self._rate != (limit, window):
            # Imported with the first request: it reads its package's metadata, a third of this package's import time.
            from aiolimiter import AsyncLimiter as Bucket  # noqa: PLC0415

            # A new one, since aiolimiter's drip keeps the rate it was made with.
            self._bucket, self._rate = Bucket(burst, window * burst / limit), (limit, window)
        return self._bucket
