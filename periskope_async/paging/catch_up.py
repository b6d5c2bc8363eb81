"""Catching up at the head: what woke up during the walk has jumped behind the reader (pure).

In the newest-first orders, whatever moved since a moment lies above everything that is older than that moment. So one
sweep reads from the top until a page ends with a row older than the walk's start, by the server's own clock; what it
meets unplaced, it places. A sweep of several pages may be dodged by a row that wakes up between two of them, so sweeps
follow, each down to where the one before began, until one fits into a single answer and meets nothing new.
"""

from __future__ import annotations

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
    """The sweeps over the head of the list."""

    def __init__(self, *, page_size: int, since: float | None) -> None:
        self.is_over = False
        self.is_proven = False
        """Whether nothing can have been missed, once over."""
        self.offset = 0
        self.limit = min(page_size, _FIRST_LIMIT)
        self._page_size = page_size
        self._since = since
        self._sweeps = 1
        # Of the present sweep: when it began, its pages, its new rows, and the rows without a time at the very top.
        self._began: float | None = None
        self._pages = self._found = self._timeless = 0

    def met(self, times: Sequence[float | None], *, fresh: int, limit: int, date: float | None) -> None:
        """Take a page's sort times (None where a row has none), and the server's time of answering.

        ``fresh`` is how many of its rows were new, ``limit`` how many were asked for.
        """
        if self._pages == 0:
            self._began = date
            if self.offset > 0 and times and times[0] is not None:
                # The rows without a time, which this sweep began behind, have become fewer.
                self._begin(at=0)
                return
        self._pages += 1
        self._found += fresh
        for index, time in enumerate(times):
            if time is not None:
                break
            self._timeless = max(self._timeless, self.offset + index + 1)
        if len(times) >= limit and not self._is_old(times[-1]):
            # Overlap by one: a row that came in above meanwhile must not open a gap.
            self.offset += max(1, len(times) - 1)
            self.limit = self._page_size
        elif self._pages == 1 and self._found == 0:
            self.is_over = self.is_proven = True
        elif self._sweeps >= _MOST_SWEEPS:
            self.is_over = True
        else:
            self._since = self._began
            # Rows that have no time stand first in a descending order, and none of them can have woken up: what did
            # lies right behind them.
            self._begin(at=max(0, self._timeless - 1))

    def _begin(self, *, at: int) -> None:
        self._sweeps += 1
        self.offset, self.limit = at, self._page_size
        self._began = None
        self._pages = self._found = self._timeless = 0

    def _is_old(self, time: float | None) -> bool:
        return time is not None and self._since is not None and time < self._since - _CLOCK_SLACK_SECONDS
