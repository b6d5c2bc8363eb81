"""When a pass over the list has met its end, and when it never will; and what shows that it was the end (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from periskope_async.paging.ask import Phase
from periskope_async.paging.plan import LEAST_OVERLAP, least_overlap

if TYPE_CHECKING:
    from periskope_async.paging.ask import Ask

__all__ = ["EndProof", "Ending"]

# Where rows come in as fast as they are read, and no count tells where the end is, a walk would go on for ever. So many
# pages in a row that met no row from before the walk, and got no further than half a page.
_MOST_PAGES_IN_VAIN = 32
# The same of pages that met some: rows may come in with an old sort time, but the server may also give fewer rows from
# now on; so often the list as it is known may be read in such pages.
_LEAST_SMALL_PAGES = 256
_MOST_TIMES_READ = 4
# And of pages of whatever length that met none, beside so many readings: in a list that stands still each row that is
# known is met again once at the most, and those that pages share twice.
_MOST_LARGE_PAGES = 64


class Ending:
    """What the last pages of a pass say of its end."""

    def __init__(self) -> None:
        self._full = self._pages_in_vain = self._rows_in_vain = self._small_pages = 0
        self._short: int | None = None

    def gets_on(self, gained: int) -> bool:
        """Whether a page that went so many rows beyond those before it went on by more than half of what one can."""
        return gained > (self._full - least_overlap(self._full)) // 2

    def judge(self, rows: int, *, is_short: bool, shows_nothing: bool, is_cut: bool, few: int | None) -> bool | None:
        """Tell whether a page of so many rows, which may show nothing new, met the end; None leaves that in doubt.

        A server may give fewer rows from now on, and so few that all of them are known. Then the next page, of another
        place, is of the same length: of two lengths, only the longer one can be what the server gives. (It may have
        given few before, and give fewer now: where the count says that the page ``is_cut``, the later one must be the
        longer.) Where nothing is to be proven, a page of so ``few`` rows will do.
        """
        before, self._short = self._short, rows if is_short else None
        if few is not None:
            return is_short and shows_nothing and rows <= max(LEAST_OVERLAP, few)
        if not shows_nothing:
            return False
        if before is None:
            return None if is_short else False
        if is_short and rows < before:
            return None if is_cut else True
        return rows > before

    def stepped_back(self) -> None:
        """Note that a page did not join what was placed, so that what lies before it is to be read."""
        self._pages_in_vain += 1

    def was_placed(self, *, rows: int, gained: int, has_old: bool, is_gap: bool) -> None:
        """Take a page of so many rows. ``has_old`` tells whether new ones among them were there before the walk."""
        self._pages_in_vain = 0 if has_old else self._pages_in_vain
        self._rows_in_vain = 0 if has_old else self._rows_in_vain + rows
        if is_gap or not gained:
            return
        if self.gets_on(gained):
            self._small_pages = 0
        else:
            self._small_pages += 1
            self._pages_in_vain += not has_old
        self._full = max(self._full, rows)

    def is_out_of_reach(self, *, known: int) -> bool:
        """Whether the list moves as fast as it is read; ``known`` is how many of its rows are known."""
        readings = _MOST_TIMES_READ * known
        return (
            self._pages_in_vain >= _MOST_PAGES_IN_VAIN
            or (self._small_pages - _LEAST_SMALL_PAGES) * self._full > readings
            or self._rows_in_vain > readings + _MOST_LARGE_PAGES * self._full
        )


class EndProof:
    """Whether the page that ended the main pass was short for want of rows.

    A server that gives fewer rows from now on cuts pages short anywhere, and where a count is too low, or none tells,
    that looks like the end. A later answer of more rows shows that it was: a limit is thought to fall, not to rise.
    """

    def __init__(self) -> None:
        self.is_shown = False
        self._rows: float = math.inf
        """The least rows of a page that may have met the end, since it lies where it does."""

    @property
    def rows_to_show_it(self) -> int:
        """How many rows an answer must hold to show it."""
        return int(self._rows) + 1 if self._rows < math.inf else 1

    def was_told(self, ask: Ask, rows: int) -> None:
        """Take how many rows an answer holds: of another pass than the main one, it was asked for later."""
        self.is_shown |= ask.phase is not Phase.MAIN and rows > self._rows

    def reached(self, ask: Ask, rows: int, *, gained: int, cursor: int) -> None:
        """Take how many rows a page that was placed holds, how many of them lie beyond those before, and their end."""
        if ask.phase is not Phase.MAIN:
            return
        if gained:
            self._rows, self.is_shown = math.inf, False
        # One that lies no further on was asked for later too: those that were out then lie further on.
        self.is_shown |= rows > self._rows or (rows == 0 and ask.offset <= cursor)
        if rows < ask.limit:
            self._rows = min(self._rows, rows)
