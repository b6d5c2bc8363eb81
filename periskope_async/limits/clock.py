"""Another machine's clock beside ours, told by the round trips to it (pure)."""

from __future__ import annotations

import math
from collections import deque

from msgspec import Struct

__all__ = ["RemoteClock"]

_TRIPS_REMEMBERED = 32
# Two clocks drift apart by some 50 microseconds a second, so an old trip tells little.
_SECONDS_REMEMBERED = 60.0
# NTP corrects a clock by half a millisecond a second at most. A larger change is a step.
_DRIFT = 1e-3
_LEAST_STEP_SECONDS = 0.05
# A share of a round trip: the two ways seldom differ by more.
_LOPSIDED = 0.25
_MICROSECONDS = 1e6


class _Trip(Struct, order=True):
    seconds: float
    ahead: float
    """Seconds by which the other clock is ahead of ours, as this trip shows it."""
    told_at: float


class RemoteClock:
    """Turns moments of the loop's clock (seconds) into those of the other one (microseconds), and back.

    The other clock was read in the middle of a round trip, give or take the difference of the two ways. The quickest
    trip of the last minute tells most.
    """

    def __init__(self) -> None:
        self._trips: deque[_Trip] = deque(maxlen=_TRIPS_REMEMBERED)
        self._ahead = 0.0
        self.error = 0.0
        """Seconds by which a moment may be wrong."""

    def observe(self, *, asked_at: float, told: int, told_at: float) -> bool:
        """Take the other clock's time in a round trip. Give whether it was set, or is another one, since the last.

        Steps below 0.05 s, and those hidden by a slow trip, are not noticed.
        """
        trip = _Trip(told_at - asked_at, told / _MICROSECONDS - (asked_at + told_at) / 2, told_at)
        is_stepped = bool(self._trips) and _lie_apart(self._trips[-1], trip)
        if is_stepped:
            self._trips.clear()
        while self._trips and self._trips[0].told_at < told_at - _SECONDS_REMEMBERED:
            self._trips.popleft()
        self._trips.append(trip)
        quickest = min(self._trips)
        self._ahead = quickest.ahead
        self.error = quickest.seconds * _LOPSIDED
        return is_stepped

    def theirs(self, moment: float) -> int:
        """Give a moment by the other clock, rounded up."""
        return math.ceil((moment + self._ahead) * _MICROSECONDS)

    def ours(self, moment: int) -> float:
        """Give a moment by the loop's clock."""
        return moment / _MICROSECONDS - self._ahead


def _lie_apart(one: _Trip, two: _Trip) -> bool:
    """Whether two trips differ by more than the ways and a drift can explain."""
    unsure = (one.seconds + two.seconds) / 2 + _DRIFT * (two.told_at - one.told_at)
    return abs(two.ahead - one.ahead) > unsure + _LEAST_STEP_SECONDS
