"""What somebody else spends on the same key, told from what the server counts beyond our own requests (pure)."""

from __future__ import annotations

import math

__all__ = ["ForeignUse"]

# Of what others are expected to do, what is still expected a window later in which less of it was seen. An answer shows
# only what came before it, so most of it goes unseen; and what has ended must not be waited for much longer.
_MEMORY = 0.9
# Of what more was seen than was expected, after the first time: one window's peak is not every window's.
_STEP = 0.5


class ForeignUse:
    """What others spend in a window.

    What they were seen to spend in the present one is gone from its budget. What they did lately they are expected to
    do again: that much is left to them, so that neither they nor we are refused.
    """

    def __init__(self) -> None:
        self.is_quiet = True
        """Whether nobody else was seen lately. Every request asks this first."""
        self._spent = 0
        self._expected = 0.0
        self._until = -math.inf

    def seen(self, count: int, now: float, window: float) -> None:
        """Take what an answer showed; it can only add to what is known of this window."""
        self.missed(count, now, window)
        self._spent = max(self._spent, count)

    def missed(self, count: int, now: float, window: float) -> None:
        """Take what turned out, too late for its own window."""
        self._turn(now, window)
        self.is_quiet = False
        step = 1.0 if round(self._expected) == 0 else _STEP
        self._expected += max(0.0, step * (count - self._expected))

    def spent(self, now: float, window: float) -> int:
        """Give what is gone from this window's budget."""
        self._turn(now, window)
        return self._spent

    def expected(self, now: float, window: float) -> int:
        """Give what to leave them of this window, what they have spent of it included."""
        self._turn(now, window)
        return round(self._expected)

    def next_change(self) -> float:
        """Give the moment at which this window is over."""
        return self._until

    def _turn(self, now: float, window: float) -> None:
        """Let windows pass: they need not be the server's, only as long."""
        if now < self._until:
            return
        passed = 1 + (now - self._until) // window if self._until > -math.inf else 1
        # What was seen again is no less expected than before.
        self._expected = max(self._expected * _MEMORY**passed, min(self._expected, self._spent))
        self.is_quiet = round(self._expected) == 0
        self._spent = 0
        self._until = now + window
