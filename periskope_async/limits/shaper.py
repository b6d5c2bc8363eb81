"""How many requests may go at once after a rest: aiolimiter's bucket spreads the budget's requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.errors import ConfigError
from periskope_async.typed import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiolimiter import AsyncLimiter

__all__ = ["Shaper"]


class Shaper:
    """Spreads requests so that no more than ``burst`` go at once; None lets the whole limit go."""

    def __init__(self, burst: int | None) -> None:
        if burst is not None and not is_whole(burst, least=1):
            raise ConfigError(
                f"burst is {burst!r}; give a whole number from 1 up, or None for the whole limit", parameter="burst"
            )
        self.burst = burst
        self._bucket: AsyncLimiter | None = None
        self._shape: tuple[float, float] | None = None

    async def wait(self, limit: int, window: float, *, tell: Callable[[float], None]) -> None:
        """Wait for the bucket. ``tell`` is told the approximate seconds if there is a wait."""
        if self.burst is None:
            return
        burst = min(self.burst, limit)
        shape = (burst, window * burst / limit)
        if self._bucket is None or self._shape != shape:
            # Imported with the first request: it reads its package's metadata, a third of this package's import time.
            from aiolimiter import AsyncLimiter as Bucket  # noqa: PLC0415

            # A new one, since aiolimiter's drip keeps the rate it was made with.
            self._bucket, self._shape = Bucket(*shape), shape
        if burst < limit and not self._bucket.has_capacity(1):
            tell(window / limit)
        # Always one unit: aiolimiter starves larger ones.
        await self._bucket.acquire(1)
