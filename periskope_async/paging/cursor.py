"""The position of a walk: the offset of its next page, and whether a page joins the one before (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from periskope_async.paging.page import Ask, Phase

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from typing import Any

    from periskope_async.paging.page import Page
    from periskope_async.wire.order import Order

__all__ = ["Cursor", "Joint"]

# Rows shared by neighboring pages, in a list at rest.
_OVERLAP = 3
# Max consecutive steps back without a new row. More show an unstable order.
_MAX_STEPS_IN_VAIN = 3
# Min new rows on one page, each right before a known row of equal sort time: rows change places then.
_MIN_TURNS = 3


class Cursor:
    """The offset and limit of the next page, and its overlap with the page before."""

    def __init__(self, base: int, *, page_size: int, most_rows: int, overlaps: bool) -> None:
        self.base = base
        self.end = base
        """One past the last placed row."""
        self.next_offset = base
        self.given = page_size
        """Rows of a full page: fewer than asked for if the server gives no more."""
        self.limit = page_size
        self.most_rows = max(page_size, most_rows)
        """Max limit of a request."""
        self.margin = _OVERLAP if overlaps else 0
        """Rows to overlap by if pages are long enough; 0 for never."""
        self.pages = 0
        """Placed pages of this pass."""
        self.full_pages = 0
        """Full pages in a row, up to the latest page."""
        self.is_reversed = False
        self._page_size = page_size
        self._longest = 0

    @property
    def overlap(self) -> int:
        """Rows shared with the page before: a few, at most a quarter of a page."""
        if not self.margin or self.given == 1:
            return 0
        least = min(_OVERLAP, max(1, self.given // 10))
        return least if self.margin <= _OVERLAP else max(least, min(self.margin, self.given // 4))

    def overlap_more(self, rows: int) -> None:
        """Overlap by ``rows`` more than at rest. Each page takes one off."""
        self.margin = max(_OVERLAP, self.margin - 1, rows + _OVERLAP)

    def next_ask(self, phase: Phase, out: Sequence[Ask], wanted: int) -> Ask | None:
        """Give the page behind those in flight; None if no more rows are wanted."""
        limit = self.limit
        if phase is Phase.FIRST:
            last = out[-1] if out else None
            reach = self.end if last is None else max(self.end, last.offset + min(last.limit, self.given))
            # A further pass knows nearly all rows. Its wanted rows then say nothing of the limit to ask for.
            wanted -= reach - self.end
            if wanted <= 0:
                return None
            limit = min(limit, wanted + max(0, reach - self.next_offset))
        ask = Ask(phase, self.next_offset, limit, is_reversed=self.is_reversed)
        self.next_offset += max(1, min(limit, self.given) - self.overlap)
        return ask

    def record(self, ask: Ask, rows: int) -> tuple[bool, bool]:
        """Take a placed page; tell whether it is short, and whether the one before was."""
        is_short, was_short = rows < min(ask.limit, self.given), self.pages > 0 and not self.full_pages
        self.pages += 1
        self.end = max(self.end, ask.offset + rows)
        self.given = max(self.given, min(rows, self.limit))
        self._longest = max(self._longest, min(rows, self.limit))
        self.full_pages = 0 if is_short else self.full_pages + 1
        return is_short, was_short

    def pages_of(self, rows: int) -> int:
        """Give the number of pages for ``rows`` rows, if each is as long as the longest one."""
        return rows // max(1, self._longest - self.overlap)

    def ask_for_less(self, ask: Ask, *, is_refused: bool) -> bool:
        """Ask for half of the rows after a refusal, and for the caller's page size after a failure."""
        if ask.limit <= (1 if is_refused else self._page_size):
            return False
        accepted = self._page_size if self._page_size < ask.limit else 1
        self.most_rows = max(ask.limit // 2, accepted) if is_refused else accepted
        self.limit = min(self.limit, self.most_rows)
        self.given = min(self.given, self.limit)
        return True

    def begin_again(self, *, is_reversed: bool) -> None:
        """Begin a further pass in the largest pages: rows do not change places within one answer."""
        self.limit = self.given = self.most_rows
        self.end = self.next_offset = self.base
        self.pages = self.full_pages = self._longest = 0
        self.margin = _OVERLAP
        self.is_reversed = is_reversed


class Joint:
    """Whether a page joins the placed rows, and how far to step back otherwise."""

    def __init__(self, order: Order) -> None:
        self.is_unsteady = False
        """Whether rows change places: pages need not join then, and further passes find the skipped rows."""
        self._are_times_needed = not order.is_newest_first and order.has_sort_time
        self.waiting: dict[Ask, int] = {}
        """Received pages, and how often each has waited for one before it."""
        self._last: dict[int, float | None] = {}
        """The rows of the last page with their sort times, if these are needed."""
        self._step = self._steps_in_vain = 0

    def holds(self, page: Page[Any], seen: Container[int]) -> bool:
        """Whether the page begins with a known row.

        A known row may have moved ahead in a list read oldest first. Its sort time must be the same there.
        """
        for index, key in enumerate(page.keys):
            if key not in seen:
                return False
            if not self._are_times_needed or self._last.get(key, math.nan) == page.sort_time(index):
                return True
        return False

    def record(self, page: Page[Any], *, has_news: bool) -> None:
        """Take a placed page."""
        self._step = 0
        self._steps_in_vain = 0 if has_news else self._steps_in_vain
        if self._are_times_needed:
            # A joining page begins near the end of this one.
            first = len(page.keys) * 3 // 4
            self._last = {key: page.sort_time(index) for index, key in enumerate(page.keys[first:], first)}

    def step_back(self, page: Page[Any], seen: Container[int], *, overlap: int, rows: int) -> int:
        """Take a page without a join; give how many rows further up to ask."""
        self._steps_in_vain += 1
        self._step = max(4 * self._step, 2 * overlap, rows // 4)
        min_turns = max(_MIN_TURNS, len(page.keys) // 20)
        self.is_unsteady = self._steps_in_vain > _MAX_STEPS_IN_VAIN or _turns(page, seen) >= min_turns
        return self._step


def _turns(page: Page[Any], seen: Container[int]) -> int:
    """Count the new rows right before a known one of equal sort time."""
    keys, time_of = page.keys, page.sort_time
    return sum(
        keys[index] in seen and keys[index - 1] not in seen and time_of(index) == time_of(index - 1)
        for index in range(1, len(keys))
    )
