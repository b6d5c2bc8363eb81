"""A timer for the earliest of several moments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Alarm"]


class Alarm:
    """Calls ``ring`` once, at the earliest moment set: it is set far more often than it changes."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        # Nobody asks it for its moment: uvloop gives a plain Handle for a call due within half a millisecond.
        self._timer: asyncio.Handle | None = None
        self._rings_at = math.inf

    @property
    def is_set(self) -> bool:
        """Whether it will ring."""
        return self._timer is not None

    def set(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        """Ring at a moment by the loop's clock, unless it rings earlier anyway."""
        if self._timer is None or self._rings_at > at:
            self.stop()
            self._timer, self._rings_at = loop.call_at(at, self._on_timer), at

    def stop(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self._ring()
