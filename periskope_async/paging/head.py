"""Catching up at the head: a row may change during a newest-first walk and move above the reader (pure).

A look reads from the top down to the first row unmoved since the look before began. A look of one answer shows one
moment of the list, and ends the search. A row may slip past a look of several answers, so another look follows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING

from periskope_async.paging.page import Ask, Phase, watermark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from periskope_async.paging.cursor import Cursor
    from periskope_async.paging.page import Page
    from periskope_async.wire.order import Order

__all__ = ["Head", "Top"]

_MIN_ROWS = 100
_MAX_PAGES = 40
# Rows to begin a look above the head's last position: rows without a time may have become fewer.
_MIN_MARGIN = 20


class Top:
    """Facts about the head, learned on the first pass.

    Rows without a time stand first in a newest-first order, and last in the other. A changed row gets a time, and
    moves right behind them, or before.
    """

    def __init__(self, order: Order) -> None:
        self.timeless = 0
        self.newest = -math.inf
        """The sort time of the newest row, if one was read."""
        self.since = -math.inf
        """Older rows have not moved since the newest row was read."""
        self.is_known = False
        """Whether further pages tell no more."""
        self._is_newest_first = order.is_newest_first
        self._date: float | None = None
        self._end_of_timed = 0

    def record(self, offset: int, page: Page[Any]) -> None:
        """Take a page of the first pass."""
        rows, time_of = len(page.keys), page.sort_time
        if offset == 0:
            self._date = page.cut_after
        if self._is_newest_first:
            timeless = _timeless(page)
            self.timeless = offset + timeless
            newest = time_of(timeless) if timeless < rows else None
        else:
            timed = bisect_left(range(rows), 1, key=lambda index: time_of(index) is None)
            newest = time_of(timed - 1) if timed else None
            self._end_of_timed = offset + timed if timed else self._end_of_timed
            self.timeless = offset + rows - self._end_of_timed
        self.newest = self.newest if newest is None else newest
        self.is_known = self._is_newest_first and newest is not None
        self.since = watermark(newest if self._is_newest_first else None, self._date)


class Head:
    """The looks at the head. They read newest first in every walk. About ``moved`` rows have moved there."""

    def __init__(self, top: Top, cursor: Cursor, *, moved: int, is_reversed: bool) -> None:
        self.is_over = False
        self._newest, self._since, self._timeless = top.newest, top.since, top.timeless
        self._cursor = cursor
        self._is_reversed = is_reversed
        self._asked = 0
        # Each of them may have been one without a time.
        self._margin = max(_MIN_MARGIN, moved)
        self._begin(max(_MIN_ROWS, moved + _MIN_MARGIN))

    def next_ask(self) -> Ask:
        """Give the page to ask for."""
        return Ask(Phase.HEAD, self._offset, min(self._limit, self._cursor.most_rows), is_reversed=self._is_reversed)

    def record(self, page: Page[Any], fresh: Sequence[int]) -> None:
        """Take a page, and the indexes of its new rows."""
        rows, timeless = len(page.keys), _timeless(page)
        self._asked += 1
        self.is_over = self._asked >= _MAX_PAGES
        if not self._pages and self._offset and not timeless:
            # There are fewer rows without a time now: the head begins further up.
            self._margin *= 4
            self._begin(self._limit)
        elif self._pages and 0 in fresh:
            # The page does not join the one before: rows above have left, and others slipped through.
            self._begin(self._limit)
        elif self._pages and rows <= 1:
            # The list ended with the page before.
            self._end_look()
        else:
            if timeless or not self._offset:
                self._timeless = self._offset + timeless
            if not self._pages:
                self._began = watermark(page.sort_time(timeless) if timeless < rows else None, page.cut_after)
            self._pages.append(rows)
            if not rows or self._is_reached_by(page.sort_time(rows - 1), has_news=bool(fresh)):
                self._end_look()
            else:
                # An overlap of one row shows whether the pages join.
                self._offset += max(1, rows - 1)
                self._limit *= 2

    def _begin(self, rows: int) -> None:
        self._offset = max(0, self._timeless - self._margin)
        self._limit = rows + self._timeless - self._offset
        self._began = -math.inf
        self._pages: list[int] = []
        """The number of rows of each page of this look so far."""

    def _end_look(self) -> None:
        if len(self._pages) <= 1:
            self.is_over = True
        else:
            self._since = self._began
            self._begin(max(_MIN_ROWS, sum(self._pages) + _MIN_MARGIN))

    def _is_reached_by(self, time: float | None, *, has_news: bool) -> bool:
        """Whether all rows behind one of this sort time are unmoved, or known.

        Times do not always tell: a whole list may carry one sort time, and answers may have no ``Date``. The look
        then ends at a page of known rows, if it reaches the newest row of the first pass.
        """
        return time is not None and (time < self._since or (time <= self._newest and not has_news))


def _timeless(page: Page[Any]) -> int:
    """Count the rows without a sort time before the newest one. Reads few of them."""
    rows, time_of = len(page.keys), page.sort_time
    if not rows or time_of(0) is not None:
        return 0
    return bisect_left(range(rows), 1, key=lambda index: time_of(index) is not None)
