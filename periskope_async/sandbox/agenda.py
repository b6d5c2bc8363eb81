"""Future events of the sandbox's world: messages leave the queue, are delivered, are read."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Agenda"]


class Agenda:
    """Deeds with a time in Unix seconds. Use it from one thread at a time."""

    def __init__(self) -> None:
        self._deeds: list[tuple[float, int, Callable[[float], object]]] = []
        # Deeds of the same time are done in the order of their addition.
        self._numbers = count()
        self.doing_at: float | None = None
        """The time of the current deed, or None. It may lie in the past if nobody asked meanwhile."""

    @property
    def next_at(self) -> float | None:
        """When the next deed is due, or None."""
        return self._deeds[0][0] if self._deeds else None

    def add(self, at: float, deed: Callable[[float], object]) -> None:
        """Call ``deed(at)`` when its time has come."""
        heapq.heappush(self._deeds, (at, next(self._numbers), deed))

    def run(self, now: float) -> None:
        """Do all due deeds, also those added meanwhile for before ``now``."""
        while self._deeds and self._deeds[0][0] <= now:
            self.doing_at, _, deed = heapq.heappop(self._deeds)
            try:
                deed(self.doing_at)
            finally:
                self.doing_at = None
