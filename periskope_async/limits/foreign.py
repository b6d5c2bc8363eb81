"""Foreign use: the server's count on the same key beyond our own requests (pure)."""

from __future__ import annotations

import math

from periskope_async.errors import ConfigError
from periskope_async.typed import is_number

__all__ = ["ForeignUse", "checked_reserve"]

# The share of the expected use to keep after a window with less of it. An answer shows only earlier use, so part of it
# goes unseen: if most of it was seen, it has hardly become less. Ended use must not be waited for much longer.
_MEMORY = 0.91
_MEMORY_OF_SEEN = 0.98
_MOST_OF_IT = 0.8
# A use below this share of a request is too rare to leave room for it.
_SELDOM = 0.3


def checked_reserve(reserve: float) -> float:
    """Refuse a share that leaves nothing to this program. Raises ConfigError."""
    if not (is_number(reserve) and 0 <= reserve < 1):
        raise ConfigError(
            f"reserve is {reserve!r:.100}; give the share to leave to others, a number from 0 to below 1",
            parameter="reserve",
        )
    return reserve


class ForeignUse:
    """The foreign use of a window.

    The use seen in the present window is gone from its budget. Others are expected to repeat their latest use, so it is
    left to them. ``reserve`` is their share of each window in any case.
    """

    def __init__(self, *, reserve: float = 0.0) -> None:
        self._share = 1 - checked_reserve(reserve)
        self.is_quiet = True
        """Whether nobody else was seen lately. Every request asks this first."""
        self._spent = 0
        self._expected = 0.0
        self._until = -math.inf

    def seen(self, count: int, now: float, window: float) -> None:
        """Take the use shown by an answer; it can only raise the known use of this window."""
        self.missed(count, now, window)
        self._spent = max(self._spent, count)

    def missed(self, count: int, now: float, window: float) -> None:
        """Take use found out too late for its own window."""
        self.pass_windows(now, window)
        self.is_quiet = False
        self._expected = max(self._expected, count)

    def pass_windows(self, now: float, window: float) -> None:
        """Let windows pass. They need not be the server's, only as long."""
        if now < self._until:
            return
        self._expected = self._expected_at(now, window)
        self.is_quiet = self._expected <= _SELDOM
        self._spent = 0
        self._until = now + window

    def spent(self, now: float) -> int:
        """Count the requests gone from this window's budget."""
        return self._spent if now < self._until else 0

    def expected(self, now: float, window: float) -> int:
        """Count the requests of this window to leave to others, with those spent already."""
        return math.ceil(self._expected_at(now, window) - _SELDOM)

    def leaves(self, limit: int, now: float, window: float) -> int:
        """Tell how much of a limit is ours. Others get their reserve or their usual use, never all of it."""
        fair = max(1, math.floor(limit * self._share))
        if self.is_quiet:
            return fair
        return min(fair, max(1, limit - self.expected(now, window)), limit - self.spent(now))

    def next_change(self) -> float:
        """Tell when this window is over."""
        return self._until

    def _expected_at(self, now: float, window: float) -> float:
        if now < self._until or self._until == -math.inf:
            return self._expected
        passed = 1 + (now - self._until) // window
        memory = _MEMORY_OF_SEEN if self._spent >= _MOST_OF_IT * self._expected else _MEMORY
        faded: float = self._expected * memory * _MEMORY ** (passed - 1)
        # Repeated use is no less expected than before.
        repeated: float = min(self._expected, self._spent) * _MEMORY ** (passed - 1)
        return max(faded, repeated)
