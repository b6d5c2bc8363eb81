"""Whether the ``Date`` of the answers is the time of their counting (pure).

A limiter in the server stamps an answer when it counts the request. A proxy stamps it when it passes the answer on, and
by its own clock. Over many answers the difference between the server's clock and ours is one number. Each ``Date``
bounds it twice: as stamped between sending and counting, and as stamped right before the answer came. The bounds of the
wrong stamp soon contradict each other if answers are slow.
"""

from __future__ import annotations

import math

__all__ = ["DateStamp"]


class DateStamp:
    """The kind of ``Date`` in the answers so far."""

    def __init__(self) -> None:
        self._at_count = _Bounds()
        self._at_answer = _Bounds()

    @property
    def is_of_count(self) -> bool:
        """Whether answers are stamped when their requests are counted, and nothing else fits."""
        return self._at_answer.is_refuted and not self._at_count.is_refuted

    def observe(self, date: float, *, sent_at: float, counted_by: float, received_at: float, slack: float) -> None:
        """Take an answer's ``Date``; ``slack`` is how long its way back may have taken longer than another's."""
        self._at_count.narrow(date - counted_by, date + 1 - sent_at)
        self._at_answer.narrow(date - received_at, date + 1 - received_at + slack)
        if self._at_count.is_refuted and self._at_answer.is_refuted:
            # The server's clock was set, or there are several.
            self._at_count, self._at_answer = _Bounds(), _Bounds()


class _Bounds:
    """The bounds of the server clock's lead over ours, if all input is true."""

    def __init__(self) -> None:
        self._low, self._high = -math.inf, math.inf

    @property
    def is_refuted(self) -> bool:
        return self._low >= self._high

    def narrow(self, low: float, high: float) -> None:
        self._low = max(self._low, low)
        self._high = min(self._high, high)
