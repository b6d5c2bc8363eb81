"""Decides what follows a pass of a walk, and in the end whether the walk is complete (pure).

True needs the count of a list whose end was shown: the met rows, less possible newcomers, are as many as the first
answer counted. Rows that do not say when they came must not have moved. One answer that holds all it counts does, too.
False: fewer rows were met than are counted, and the count has not grown. All else is None: it is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.paging.head import Head, Top
from periskope_async.paging.page import Phase, watermark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from periskope_async.paging.cursor import Cursor
    from periskope_async.paging.page import Page
    from periskope_async.paging.report import WalkReport
    from periskope_async.wire.order import Order

__all__ = ["Sequel", "Total", "Verdict"]

_RESUMED = "it was resumed: what was read before the cut is not known any more"
_NOT_COUNTED = "not every answer told how many rows the list has, so nothing tells whether all were met"
_COUNTED_FEWER = "the server counted fewer rows than it gave, so its count is not the number of all rows"
_FROM_OFFSET = "rows may stand before the offset, where it did not read"
# In Unix seconds, within the years of a datetime: only a row without a time of change may have changed then.
_FAR_FUTURE = 250_000_000_000.0
# A pass misses a third of the missing rows if all rows change places at each request.
_MAX_PASSES = 24
_MAX_PASSES_IN_VAIN = 4
# Rows that may come before a single answer for the whole list.
_ROWS_TO_SPARE = 10


class Total:
    """The server's count. It is documented as the number of all rows, and trusted until a page contradicts it."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.latest = 0
        self.largest = 0
        self.is_steady = True
        """Whether all answers had the same count."""
        self.is_seen = False
        """Whether one count exceeded the rows of its page: it is not the page's own number then."""
        self.doubt: str | None = None
        """Why the count is of no use, if so."""

    def record(self, offset: int, page: Page[Any]) -> None:
        """Take an answer's count."""
        rows = len(page.keys)
        # An empty answer may not count. Some servers count the rows of the answer, and give 0 for an empty one.
        count = page.count if rows else page.count or 0
        if self.first is not None and not (rows or count):
            return
        if count is None:
            self.doubt = self.doubt or _NOT_COUNTED
            return
        self.is_steady &= self.first in {None, count}
        self.first = count if self.first is None else self.first
        self.latest, self.largest = count, max(self.largest, count)
        self.is_seen |= count > rows
        if rows and offset + rows > count:
            self.doubt = self.doubt or _COUNTED_FEWER

    @property
    def is_usable(self) -> bool:
        """Whether every answer had a count, and no page contradicted it."""
        return self.doubt is None and self.first is not None

    @property
    def is_known(self) -> bool:
        """Whether it tells the end of the list: it is usable, and no page's own number."""
        return self.is_usable and self.is_seen


class Verdict:
    """The evidence for and against a complete walk."""

    def __init__(self, report: WalkReport, *, order: Order, offset: int, is_resumed: bool) -> None:
        self.total = Total()
        self.newcomers = 0
        """Met rows with a possible arrival since the first answer."""
        self.told_newcomers = 0
        """The newcomers with a time of arrival or change."""
        self.pages_in_vain = 0
        """Pages of the latest pass without a new row, or with told newcomers only."""
        self.is_end_shown = False
        """Whether the last page of the latest pass ended at the end of the list."""
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
        """Take a page's new rows, and count possible newcomers since the first answer.

        A sort time proves nothing: it may be as old as any. But a row's ``updated_at`` is set when it comes.
        """
        date, came, told = self._first_date, 0, 0
        if fresh and self._report.pages > 1 and self._says_updated_at:
            came = len(fresh) if date is None else page.changed_since(fresh, watermark(None, date))
        if came and date is not None:
            # Rows without a time of change may have come since any time.
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
        """Whether the walk has proof of every row present at the first answer."""
        if not (self.may_be_proven and self.is_end_shown):
            return False
        return self.is_one_answer or (self._are_all_counted_met if self._says_updated_at else self.is_quiet)

    @property
    def is_quiet(self) -> bool:
        """Whether the met rows are as many as each answer counted, and none moved in view."""
        report, total = self._report, self.total
        has_moved = report.duplicates or report.inserted or report.removed or report.steps_back or report.caught_up
        return self.may_be_proven and total.is_steady and total.latest == report.rows_placed and not has_moved

    @property
    def missing(self) -> int:
        """The server's count less the met rows; 0 if that is not known."""
        return max(0, self.total.latest - self._report.rows_placed) if self.may_be_proven else 0

    def judge(self) -> tuple[bool | None, str]:
        """Tell whether the walk, now ended, is complete, and why."""
        total, missing, first = self.total, self.missing, self.total.first or 0
        if self.is_proven:
            all_met = "every row that was counted at first was met"
            return True, "one answer held the whole list" if self.is_one_answer else all_met
        if (doubt := self.doubt or total.doubt) is not None:
            return None, doubt
        less = f"{missing} rows fewer were met than the server counts"
        if missing and total.largest <= first:
            return False, less
        may_be_new = f"{self.newcomers} of the rows may have come after the first answer"
        fell = f"the count fell from {first} to {total.latest}"
        no_times = "rows came, left or changed places while the list was read, and they do not say when they came"
        no_date = "the first answer had no readable Date, so nothing tells which of the rows may have come after it"
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
        # The first count was wrong if the count has grown by more than the newcomers.
        met = self._report.rows_placed
        return met - self.newcomers == self.total.first and self.total.largest <= met


class Sequel:
    """Chooses what follows a pass: the head, a further pass, or the end."""

    def __init__(self, report: WalkReport, verdict: Verdict, cursor: Cursor, order: Order) -> None:
        self.head: Head | None = None
        """The look at the head, while it goes on."""
        self.top = Top(order)
        self._report = report
        self._verdict = verdict
        self._cursor = cursor
        self._order = order
        self._found = 0
        """Rows placed before the last pass, less possible newcomers."""
        self._passes_in_vain = 0
        self._max_pages = 0

    def after(self, phase: Phase, *, is_unsteady: bool) -> Phase:
        """Begin the next phase."""
        cursor, verdict, report, order = self._cursor, self._verdict, self._report, self._order
        self.head = None
        if phase is Phase.FIRST:
            self._max_pages = 64 + 4 * report.pages
            if verdict.doubt is None and order.has_sort_time and report.pages > 1 and not self._is_all_met:
                self.head = Head(self.top, cursor, moved=report.inserted, is_reversed=not order.is_newest_first)
                return Phase.HEAD
        # Any number of passes would find rows that come meanwhile.
        found, self._found = self._found, report.rows_placed - verdict.newcomers
        self._passes_in_vain = self._passes_in_vain + 1 if report.passes > 1 and self._found <= found else 0
        if not self._is_pass_worth_it(is_unsteady=is_unsteady):
            return Phase.OVER
        report.passes += 1
        verdict.pages_in_vain = 0
        cursor.begin_again(is_reversed=order.is_reversible and not cursor.is_reversed)
        return Phase.AGAIN

    @property
    def _is_all_met(self) -> bool:
        """Whether the head can show nothing: no row is missing, and none moved in view."""
        return self._verdict.is_quiet or (self._verdict.is_proven and not self._verdict.missing)

    def _is_pass_worth_it(self, *, is_unsteady: bool) -> bool:
        """Whether one more pass may find a missing row, or show that none is missing."""
        cursor, verdict, report = self._cursor, self._verdict, self._report
        further = report.passes - 1
        if cursor.base or verdict.doubt is not None or (further and verdict.is_one_answer):
            return False
        is_shuffled = is_unsteady or report.duplicates > report.inserted
        if self._passes_in_vain >= (_MAX_PASSES_IN_VAIN if is_shuffled else 1):
            return False
        if further >= _MAX_PASSES or report.pages > self._max_pages:
            return False
        return bool(verdict.missing) or (is_unsteady and not self._passes_in_vain) or self._would_tell

    @property
    def _would_tell(self) -> bool:
        """Whether one more answer may hold all rows, and it is unknown if the walk has met them."""
        cursor, verdict, report = self._cursor, self._verdict, self._report
        # A server's short answer shows its own max.
        most_rows = cursor.most_rows if cursor.given >= cursor.limit else cursor.given
        fits = report.rows_placed + _ROWS_TO_SPARE <= most_rows
        return report.passes == 1 and fits and verdict.total.is_known and not verdict.is_proven
