"""Catching up at the head: what woke up during the walk has jumped behind the reader (pure).

In the newest-first orders, whatever moved since a moment stands above every row that is older than that moment, and
above every row that is older than the one which stood on top then. So a sweep reads from the top down to such a row,
and places what it meets unplaced. One answer is one moment of the list: a sweep that fits into it has met all that
moved since the sweep before. One of several pages may be dodged by a row that wakes up between two of them, so another
follows, down to where that one began, and asks for more rows at once.

Times do not always tell what has moved: a whole list may carry one sort time, and answers may have no Date, or an old
one. A sweep stops in doubt where it has met known rows only, and has come down to the newest row of the main pass: it
would go on through rows that stand still.
"""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING

from periskope_async.paging.ask import Ask, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HeadCatchUp", "watermark"]

# A first look: enough for a list at rest, and cheap.
_LEAST_ROWS = 100
_MOST_LOOKS = 40
# So far above the place where it began the head is looked for, and further: rows without a time become fewer.
_LEAST_MARGIN = 20
# Rows may carry whole seconds, and the times of several machines.
_ROWS_SLACK_SECONDS = 1.0
# Date has whole seconds too, and is the time of yet another machine.
_DATE_SLACK_SECONDS = 2.0

_KEPT_CHANGING = "the head of the list kept changing while it was read"
_MAY_BE_CUT = "the list seemed to end where the server may give no more rows at once"


def watermark(newest: float | None, date: float | None) -> float:
    """Give a sort time that a row is older than only if it has not moved since.

    ``newest`` is the sort time of the row that stood on top then, ``date`` what the server's clock said.
    """
    return max(
        -math.inf if newest is None else newest - _ROWS_SLACK_SECONDS,
        -math.inf if date is None else date - _DATE_SLACK_SECONDS,
    )


class HeadCatchUp:
    """The sweeps over the head of the list, down to a row that is older than ``since``.

    Rows that have no time stand first in a descending order, and none of them can have woken up: what did lies right
    behind them. ``timeless`` is how many there were, ``largest`` how many rows the server has given at once: fewer than
    that are the end of the list, and as many may be all that it ever gives. The first look holds ``least`` rows, where
    as many stand before ``end``. ``newest`` is the time of the newest row that the main pass read. ``is_reversed``
    tells that the walk is oldest first.
    """

    def __init__(
        self,
        *,
        since: float,
        newest: float,
        timeless: int,
        most: int,
        largest: int,
        least: int,
        end: int,
        is_reversed: bool,
    ) -> None:
        self.is_over = False
        self.doubt: str | None = None
        """Why something may have been missed, once over."""
        self.is_stuck = False
        """Whether it ended among rows of which times do not tell whether they moved."""
        self._newest = newest
        self._is_reversed = is_reversed
        self._limit = min(most, max(_LEAST_ROWS, least))
        self._most = most
        self._largest = largest
        self._since = since
        self._timeless = timeless
        self._margin = _LEAST_MARGIN
        self._looks = 0
        # Of the present sweep: what is older has not moved since, its pages of the head, and its rows.
        self._began = -math.inf
        self._pages = self._rows = self._rows_before = 0
        self._offset = max(0, min(timeless - self._margin, end - least))

    def next_ask(self) -> Ask:
        """Give the page to ask for."""
        return Ask(Phase.HEAD, self._offset, self._limit, is_reversed=self._is_reversed)

    def clamp(self, limit: int) -> None:
        """Never ask for more than so many rows: the server refused to give them, or such a page did not come."""
        self._most = limit
        self._limit = min(self._limit, limit)

    def met(self, times: Sequence[float | None], *, fresh: Sequence[int], date: float | None) -> None:
        """Take a page's sort times (None where a row has none), and the server's time of answering.

        ``fresh`` are the places of the rows in it that were new.
        """
        self._looks += 1
        if self._looks >= _MOST_LOOKS:
            self.is_over, self.doubt = True, _KEPT_CHANGING
        if self._pages == 0 and self._offset > 0 and (not times or times[0] is not None):
            # The rows without a time have become fewer, and the head begins further up.
            self._margin *= 4
            self._offset = max(0, self._offset - self._margin)
            return
        if self._pages > 0 and 0 in fresh:
            # It does not join the page before: rows above have left, and others slipped through between the two.
            self._begin()
            return
        timeless = sum(1 for _ in takewhile(lambda time: time is None, times))
        if timeless or self._offset == 0:
            self._timeless = self._offset + timeless
        # Where it repeats a row at the most, the list had ended with the page before.
        is_end = self._rows > 0 and len(times) <= 1
        if not is_end:
            if self._pages == 0:
                self._began = watermark(times[timeless] if timeless < len(times) else None, date)
            # A page of rows without a time is none of the head.
            self._pages += timeless < len(times)
            self._rows += len(times)
            self._rows_before = len(times)
        is_to_go_on = bool(times) and not is_end and not self._is_reached_by(times[-1])
        if is_to_go_on and not fresh and times[-1] is not None and times[-1] <= self._newest:
            self.is_over = self.is_stuck = True
        elif is_to_go_on:
            # Overlap by one: a row that came in above meanwhile must not open a gap.
            self._offset += max(1, len(times) - 1)
            self._limit = min(self._most, 2 * self._limit)
        elif self._pages <= 1:
            # That the list had ended is told by a later answer; the page itself tells it by being short. (And where no
            # row has a time, none has woken up until that later answer.)
            is_cut = is_end and self._pages > 0 and self._rows_before >= self._largest
            self.is_over, self.doubt = True, _MAY_BE_CUT if is_cut else None
        else:
            self._since = self._began
            self._limit = min(self._most, max(_LEAST_ROWS, self._rows + self._margin))
            self._margin = max(_LEAST_MARGIN, self._margin // 4)
            self._begin()

    def _begin(self) -> None:
        self._offset = max(0, self._timeless - self._margin)
        self._began = -math.inf
        self._pages = self._rows = 0

    def _is_reached_by(self, time: float | None) -> bool:
        return time is not None and time < self._since
