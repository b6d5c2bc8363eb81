"""Catching up at the head: what woke up during the walk has jumped behind the reader (pure).

In the newest-first orders, whatever moved since a moment lies above everything that is older than that moment. So one
sweep reads from the top until a page ends with a row older than the walk's start, by the server's own clock; what it
meets unplaced, it places. A sweep of several pages may be dodged by a row that wakes up between two of them, so sweeps
follow, each down to where the one before began, until one fits into a single answer and meets nothing new.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HeadCatchUp"]

# A first look: enough for a list at rest, and cheap. Later sweeps ask for whole pages.
_FIRST_LIMIT = 100
_MOST_SWEEPS = 12
# Date has whole seconds, and a row's own time may be another machine's.
_CLOCK_SLACK_SECONDS = 2.0


class HeadCatchUp:
    """The sweeps over the head of the list: whatever has moved since ``since``.

    Rows that have no time stand first in a descending order, and none of them can have woken up: what did lies right
    behind them. ``timeless`` is how many there were.
    """

    def __init__(self, *, page_size: int, since: float | None, timeless: int = 0) -> None:
        self.is_over = False
        self.is_proven = False
        """Whether nothing can have been missed, once over."""
        self.offset = max(0, timeless - 1)
        self.limit = min(page_size, _FIRST_LIMIT)
        self._page_size = page_size
        self._since = since
        self._sweeps = 1
        self._step_back = 0
        # Of the present sweep: when it began, its pages, its new rows, and where the rows without a time end.
        self._began: float | None = None
        self._pages = self._found = 0
        self._timeless = self.offset

    def met(self, times: Sequence[float | None], *, fresh: Sequence[int], date: float | None) -> None:
        """Take a page's sort times (None where a row has none), and the server's time of answering.

        ``fresh`` are the places of the rows in it that were new.
        """
        self._found += len(fresh)
        if self._pages == 0:
            self._began = date
            if self.offset > 0 and (not times or times[0] is not None):
                # The rows without a time have become fewer, and the head begins further up.
                self._step_back = max(2 * self._step_back, self.limit)
                self.offset = max(0, self.offset - self._step_back)
                return
        elif 0 in fresh:
            # It does not join the page before: rows above have left, and others slipped through between the two.
            self._begin_again()
            return
        # Where it repeats a row at the most, the list had ended with the page before.
        is_end = self._pages > 0 and len(times) <= 1
        if not is_end:
            self._pages += 1
            if self.offset <= self._timeless + 1:
                timeless = sum(1 for _ in takewhile(lambda time: time is None, times))
                self._timeless = max(self._timeless, self.offset + timeless)
        if times and not is_end and not self._is_old(times[-1]):
            # Overlap by one: a row that came in above meanwhile must not open a gap.
            self.offset += max(1, len(times) - 1)
            self.limit = self._page_size
        elif self._pages <= 1 and self._found == 0:
            self.is_over = self.is_proven = True
        else:
            self._since = self._began
            self._found = 0
            self._begin_again()

    def _begin_again(self) -> None:
        self.is_over = self._sweeps >= _MOST_SWEEPS
        self._sweeps += 1
        self.offset, self.limit = max(0, self._timeless - 1), self._page_size
        self._timeless = self.offset
        self._began = None
        self._pages = self._step_back = 0

    def _is_old(self, time: float | None) -> bool:
        return time is not None and self._since is not None and time < self._since - _CLOCK_SLACK_SECONDS
