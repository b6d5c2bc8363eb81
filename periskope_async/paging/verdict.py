"""Whether a walk has met every row, and why (pure).

One thing proves it: as many rows were met as the first answer counted, less those that may have come since. The rows
that were there at first are then all among them. Everything else leaves it unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.paging.page import watermark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from periskope_async.paging.page import Page
    from periskope_async.paging.report import WalkReport
    from periskope_async.wire.order import Order

__all__ = ["Total", "Verdict"]

_RESUMED = "it was resumed: what was read before the cut is not known any more"
_FROM_OFFSET = "rows may stand before the offset, where it did not read"
# In Unix seconds, and of a year that a datetime holds: only a row that does not say when it changed may have then.
_FAR_FUTURE = 250_000_000_000.0


class Total:
    """The server's count. It is documented as the number of all rows, and taken for that until a page contradicts."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.latest = 0
        self.largest = 0
        self.is_steady = True
        """Whether all answers told the same."""
        self.is_seen = False
        """Whether it was seen to count more rows than its page held: it is not the page's own number then."""
        self.doubt: str | None = None
        """Why it is of no use, if so."""

    def record(self, offset: int, page: Page[Any]) -> None:
        """Take an answer's count."""
        count, rows = page.count, len(page.keys)
        if self.first is not None and not (rows or count):
            # Some servers count the rows that they give, and tell 0 where they give none.
            return
        if count is None:
            self.doubt = (
                self.doubt or "the server did not count the rows in every answer, so nothing tells whether all were met"
            )
            return
        self.is_steady &= self.first in {None, count}
        self.first = count if self.first is None else self.first
        self.latest, self.largest = count, max(self.largest, count)
        self.is_seen |= count > rows
        if rows and offset + rows > count:
            self.doubt = (
                self.doubt or "the server counted fewer rows than it gave, so its count is not the number of all rows"
            )

    @property
    def is_usable(self) -> bool:
        """Whether every answer had a count, and no page contradicted it."""
        return self.doubt is None and self.first is not None

    @property
    def is_known(self) -> bool:
        """Whether it tells where the list ends: it is usable, and was seen to be no page's own number."""
        return self.is_usable and self.is_seen


class Verdict:
    """What was seen that speaks for or against having met every row."""

    def __init__(self, report: WalkReport, *, order: Order, offset: int, is_resumed: bool) -> None:
        self.total = Total()
        self.newcomers = 0
        """Rows met that may have come since the first answer."""
        self.told_newcomers = 0
        """Those of them that say when they came or were changed."""
        self.pages_in_vain = 0
        """Pages of the latest pass that held no new row, or only such."""
        self.is_end_shown = False
        """Whether the last page of the latest pass ended where the list does."""
        self.is_one_answer = False
        """Whether one answer held as many rows as it counted."""
        self.doubt = _RESUMED if is_resumed else _FROM_OFFSET if offset else None
        """Why no count can prove anything, if so."""
        self._report = report
        self._says_updated_at = order.says_updated_at
        self._first_date: float | None = None

    def record_answer(self, offset: int, page: Page[Any]) -> None:
        """Take an answer's count and date."""
        self.total.record(offset, page)
        if self._report.pages == 1:
            self._first_date = page.cut_after

    def record_new(self, page: Page[Any], fresh: Sequence[int]) -> None:
        """Take a page's new rows, and count those that may have come since the first answer.

        A sort time does not tell: it may be as old as any. But a row's ``updated_at`` is set when it comes.
        """
        date, came, told = self._first_date, 0, 0
        if fresh and self._report.pages > 1 and self._says_updated_at:
            came = len(fresh) if date is None else page.changed_since(fresh, watermark(None, date))
        if came and date is not None:
            # Rows that do not tell when they were changed may have come since any time.
            told = came - page.changed_since(fresh, _FAR_FUTURE)
        self.newcomers += came
        self.told_newcomers += told
        self.pages_in_vain += told == len(fresh)

    @property
    def may_be_proven(self) -> bool:
        """Whether a count can still prove the walk complete."""
        return self.doubt is None and self.total.is_usable

    @property
    def is_proven(self) -> bool:
        """Whether every row was met that was there at first."""
        if not (self.may_be_proven and self.is_end_shown):
            return False
        return self.is_one_answer or (self._are_all_counted_met if self._says_updated_at else self.is_quiet)

    @property
    def is_quiet(self) -> bool:
        """Whether as many rows were met as each answer counted, and none was seen to move."""
        report, total = self._report, self.total
        has_moved = report.duplicates or report.inserted or report.removed or report.steps_back or report.caught_up
        return self.may_be_proven and total.is_steady and total.latest == report.rows_placed and not has_moved

    @property
    def missing(self) -> int:
        """How many rows fewer were met than the server counts; 0 where that is not known."""
        return max(0, self.total.latest - self._report.rows_placed) if self.may_be_proven else 0

    def judge(self) -> tuple[bool | None, str]:
        """Tell whether the walk is complete, and why. It has ended."""
        total, missing, first = self.total, self.missing, self.total.first or 0
        if self.is_proven:
            all_met = "every row that was counted at first was met"
            return True, "one answer held the whole list" if self.is_one_answer else all_met
        if (doubt := self.doubt or total.doubt) is not None:
            return None, doubt
        less = f"{missing} rows fewer were met than the server counts"
        has_grown = total.largest > first
        if missing and not has_grown:
            return False, less
        may_be_new = f"{self.newcomers} of the rows may have come after the first answer"
        fell = f"the count fell from {first} to {total.latest}"
        no_times = "rows came, left or changed places while the list was read, and they do not say when they came"
        no_date = "the first answer had no Date, so nothing tells which of the rows may have come after it"
        reasons = (
            (missing, f"{less}; they may have come meanwhile"),
            (not self.is_end_shown, "nothing showed that the last page was not cut short"),
            (not self._says_updated_at, no_times),
            (self.newcomers and self._first_date is None, no_date),
            (self.newcomers, f"{may_be_new}: their updated_at is no older than its Date, or is not told"),
            (total.latest < first, f"{fell}: a row that left before it was read cannot be told from one passed by"),
            (True, "the server's counts do not agree with the rows that it gave"),
        )
        return None, next(why for is_so, why in reasons if is_so)

    @property
    def _are_all_counted_met(self) -> bool:
        # A count that has grown by more than came was wrong at first.
        met = self._report.rows_placed
        return met - self.newcomers == self.total.first and self.total.largest <= met
