"""What headers say of the window's length (pure).

A window's first request shows a reset one window ahead, in whole seconds: a hint. A late ``Date`` makes it too short.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

__all__ = ["DOUBTFUL_SECONDS", "Hints", "Trust"]

DOUBTFUL_SECONDS = 3.0
"""Two different clocks may make a hint of so much, if nothing else has told of longer windows."""
# The hints of the latest windows only, so that a change is followed.
_KEPT = 4
# So many equal hints in a row are seldom of short windows that are no whole seconds.
_EQUAL = 3


class Trust(Enum):
    """What is known of the two times of a hint."""

    NOTHING = "nothing"
    ONE_CLOCK = "one clock"
    """They are of one clock and one moment."""
    TOLD = "told"
    """A policy names the length itself."""


class Hints:
    """The hints of the latest windows."""

    def __init__(self) -> None:
        self.shortest = self.longest = 0.0
        """The largest of the shortest lengths that they allow, and of the longest ones; 0 without a hint."""
        self.are_exact = False
        """Whether they are to be taken at their word."""
        self.are_quick = True
        """Whether all came with quick answers."""
        self._latest: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._trust = Trust.NOTHING

    def trust(self, trust: Trust) -> bool:
        """Take how far the hints can be trusted. Tells whether this is new."""
        is_new = trust is not self._trust
        if is_new:
            self._trust = trust
            self._reckon()
        return is_new

    def add(self, seconds: float, *, late_by: int) -> None:
        """Take a window's length, rounded down; it may be ``late_by`` seconds longer."""
        self._latest.append((seconds, seconds + late_by))
        self._reckon()

    def drop_latest(self) -> bool:
        """Drop the latest hint; False if there is none."""
        if not self._latest:
            return False
        self._latest.pop()
        self._reckon()
        return True

    def _reckon(self) -> None:
        hints, trust = self._latest, self._trust
        self.shortest = max((shortest for shortest, _ in hints), default=0.0)
        self.longest = max((longest for _, longest in hints), default=0.0)
        self.are_quick = all(shortest == longest for shortest, longest in hints)
        # A window of 1.5 s gives hints of 1 and 2.
        is_enough = trust is Trust.TOLD or len(hints) >= _EQUAL or self.shortest >= DOUBTFUL_SECONDS
        self.are_exact = trust is not Trust.NOTHING and is_enough and len({shortest for shortest, _ in hints}) == 1
