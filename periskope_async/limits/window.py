"""How long the server's window is, told from headers that round it (pure).

The window's end is rounded up to a whole second and ``Date`` down, so the first request of a window ``W`` seconds
long shows a difference between ``W`` and ``W + 2``: each such answer leaves an open interval ``(difference - 2,
difference)`` for ``W``, and the interval common to all of them narrows. Where only one end was rounded, the interval
is ``(difference - 1, difference]``. Both recorded answers show a difference of 2,
and the only whole number in (0, 2) is 1.
"""

from __future__ import annotations

import math

__all__ = ["WindowEstimate"]

# An answer this slow may carry a Date from the next second, so its difference bounds the window from below only.
_PROMPT_SECONDS = 0.5
# So many first requests in a row that contradict what was learnt mean that the server's window has changed.
_CONTRADICTIONS_TO_RELEARN = 3


class WindowEstimate:
    """The window's length: the assumption while it fits the headers, else the longest whole second that does.

    Too long is slow and too short is refused, so doubt goes to the longer side.
    """

    def __init__(self, assumed: float) -> None:
        self.seconds = assumed
        self._above = -math.inf
        self._below = math.inf
        self._contradictions = 0

    def observe_first(self, difference: float, *, rounded_by: float = 2.0, elapsed: float) -> None:
        """Learn from a window's first request.

        ``difference`` is reset minus Date, ``rounded_by`` how much too long it may be, ``elapsed`` the answer's time.
        """
        if difference <= 0:
            return
        above = difference - rounded_by
        below = difference if rounded_by > 1 else math.nextafter(difference, math.inf)
        if elapsed >= _PROMPT_SECONDS:
            below = math.inf
        if max(above, self._above) >= min(below, self._below):
            self._contradictions += 1
            if self._contradictions < _CONTRADICTIONS_TO_RELEARN:
                return
            self._above, self._below = -math.inf, math.inf
        self._contradictions = 0
        self._above = max(self._above, above)
        self._below = min(self._below, below)
        if not self._above < self.seconds < self._below:
            self.seconds = self._longest_fit()

    def _longest_fit(self) -> float:
        if math.isinf(self._below):
            return max(1.0, math.floor(self._above) + 2.0)
        whole = math.ceil(self._below) - 1
        return float(whole) if whole >= 1 and whole > self._above else self._below
