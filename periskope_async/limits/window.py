"""How long the server's window is, told from headers that round it (pure).

The window's end is rounded up to a whole second and ``Date`` down, so every answer shows a difference of less than
``W + 2`` seconds: each of them bounds the window ``W`` from below. A window's first request also bounds it from above:
its end lies a whole ``W`` ahead, so ``W`` is at most the difference plus the time that the answer took. In between,
whole seconds are the likely ones, and a window of ``W`` whole seconds shows ``W + 1`` on every first request whose
answer met no tick of the server's clock. Both recorded answers show 2: the window is 1 second long.
"""

from __future__ import annotations

import math

__all__ = ["WindowEstimate"]

# So many answers in a row that contradict what was learnt mean that the server's window has changed.
_CONTRADICTIONS_TO_RELEARN = 3
# The likely length is believed once the chance that a tick of the server's clock has feigned it is this small.
_MOST_DOUBT = 0.01


class WindowEstimate:
    """The window's length: what the headers make likely, else the assumption while it fits them.

    Too long is slow and too short is refused, so doubt goes to the longer side.
    """

    def __init__(self, assumed: float) -> None:
        self.seconds = assumed
        self._above = -math.inf
        self._below = math.inf
        self._most = -math.inf  # the largest difference on a first request, less what rounding adds to a whole window
        self._doubt = 1.0
        self._contradictions = 0

    @property
    def is_sure(self) -> bool:
        """Whether headers leave no other likely length."""
        return self._doubt <= _MOST_DOUBT and self.seconds == self._most

    def observe(self, difference: float, *, is_first: bool, rounded_by: float = 2.0, elapsed: float) -> None:
        """Learn from an answer that came ``elapsed`` seconds after its request was sent.

        ``difference`` is reset minus Date, ``rounded_by`` how much too long it may be; ``is_first`` tells that the
        request was the first of its window.
        """
        if difference <= 0:
            return
        above = difference - rounded_by
        if not is_first and above <= self._above:
            # As nearly every answer: it tells nothing new, but that nothing has changed.
            self._contradictions = 0
            return
        below = difference + elapsed if is_first else math.inf
        if max(above, self._above) >= min(below, self._below):
            self._contradictions += 1
            if self._contradictions < _CONTRADICTIONS_TO_RELEARN:
                return
            self._above, self._below, self._most, self._doubt = -math.inf, math.inf, -math.inf, 1.0
        self._contradictions = 0
        self._above = max(self._above, above)
        self._below = min(self._below, below)
        if is_first:
            self._learn_likely(difference - (rounded_by - 1), min(1.0, elapsed))
        self._choose()

    def _learn_likely(self, length: float, chance_of_tick: float) -> None:
        if length > self._most:
            self._most, self._doubt = length, chance_of_tick
        elif length == self._most:
            self._doubt *= chance_of_tick

    def _choose(self) -> None:
        if self._most > 0 and self._doubt <= _MOST_DOUBT:
            self.seconds = self._most
        elif not self._above < self.seconds < self._below:
            self.seconds = self._longest_fit()

    def _longest_fit(self) -> float:
        if math.isinf(self._below):
            return max(self.seconds, math.floor(self._above) + 2.0)
        whole = math.floor(self._below)
        return float(whole) if whole >= 1 and whole > self._above else self._below
