"""Another machine's clock beside ours, told by the round trips to it (pure)."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["RemoteClock"]

_TRIPS_REMEMBERED = 32
# Of a round trip: the two ways seldom differ by more.
_LOPSIDED = 0.25
_MICROSECONDS = 1e6


class RemoteClock:
    """Turns moments of the loop's clock (seconds) into those of the other one (microseconds), and back.

    The other clock was read in the middle of a round trip, give or take what the two ways differ by. The quickest trip
    of the latest tells most.
    """

    def __init__(self) -> None:
        self._trips: deque[tuple[float, float]] = deque(maxlen=_TRIPS_REMEMBERED)
        self._ahead = 0.0
        self.error = 0.0
        """Seconds by which a moment may be wrong."""

    def observe(self, *, asked_at: float, told: int, told_at: float) -> None:
        """Take what the other clock said in a round trip."""
        trip = told_at - asked_at
        self._trips.append((trip, told / _MICROSECONDS - (asked_at + told_at) / 2))
        quickest, self._ahead = min(self._trips)
        self.error = quickest * _LOPSIDED

    def theirs(self, moment: float) -> int:
        """Give a moment by the other clock, rounded up."""
        return math.ceil((moment + self._ahead) * _MICROSECONDS)

    def ours(self, moment: int) -> float:
        """Give a moment by the loop's clock."""
        return moment / _MICROSECONDS - self._ahead
