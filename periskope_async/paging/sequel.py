"""The choice after a pass: a look at the head, a further pass, or the end (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.paging.head import Head, Top
from periskope_async.paging.page import Phase

if TYPE_CHECKING:
    from periskope_async.paging.cursor import Cursor
    from periskope_async.paging.report import WalkReport
    from periskope_async.paging.verdict import Verdict
    from periskope_async.wire.order import Order

__all__ = ["Sequel"]

# A pass misses a third of the missing rows if all rows change places at each request.
_MAX_PASSES = 24
_MAX_PASSES_IN_VAIN = 4
# Rows that may come before a single answer for the whole list.
_ROWS_TO_SPARE = 10


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
                self.head = Head(self.top, most_rows=cursor.most_rows, is_reversed=not order.is_newest_first)
                return Phase.HEAD
        # Any number of passes would find rows that come meanwhile.
        found, self._found = self._found, report.rows_placed - verdict.newcomers
        self._passes_in_vain = self._passes_in_vain + 1 if report.passes > 1 and self._found <= found else 0
        if not self._is_pass_worth_it(is_unsteady=is_unsteady):
            return Phase.OVER
        report.passes += 1
        is_reversed = order.is_reversible and not cursor.is_reversed
        verdict.pages_in_vain = 0
        cursor.begin_again(is_reversed=is_reversed)
        return Phase.AGAIN

    @property
    def _is_all_met(self) -> bool:
        """Whether the head can show nothing: no row is missing, and none moved in view."""
        verdict = self._verdict
        return verdict.is_quiet or (verdict.is_proven and not verdict.missing)

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
