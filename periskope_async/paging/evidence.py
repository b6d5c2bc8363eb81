"""What speaks for and against having met every row: the verdict that a report gives (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from periskope_async.paging.catch_up import watermark

if TYPE_CHECKING:
    from periskope_async.paging.ask import Answered, Ask
    from periskope_async.paging.report import WalkReport

__all__ = ["Evidence"]


class Evidence:
    """What was seen of a walk's surroundings that its pages alone do not tell."""

    def __init__(self, *, is_newest_first: bool, base: int = 0) -> None:
        self._base = base
        self._is_newest_first = is_newest_first
        self._is_timeless = is_newest_first
        self._counts: set[int | None] = set()
        self.doubt: str | None = None
        """Why it cannot be known whether the walk is complete."""
        self.are_shuffled = False
        """Whether rows of equal sort key were seen to change places."""
        self.may_be_shuffled = False
        """Whether known rows of equal sort key stood where nobody can tell what brought them."""
        self.is_head_read = False
        """Whether the head was looked at again, after the end."""
        self._first_date: float | None = None
        self.timeless = 0
        """How many rows without a sort time stand at the top of the newest-first order."""
        self.largest = 0
        """The rows of the largest page."""
        self.began = -math.inf
        """What has moved since the walk began is no older than this, by its sort time."""

    def was_told(self, count: int | None) -> None:
        """Take an answer's count."""
        if len(self._counts) < 2:  # noqa: PLR2004 - two different ones say it all
            self._counts.add(count)

    def look_at(self, ask: Ask, answer: Answered) -> None:
        """Take a page's size, and look for rows without a sort time, at that end of the list where they stand."""
        rows = len(answer.keys)
        self.largest = max(self.largest, rows)
        if self._first_date is None:
            self._first_date = answer.date
        if self._is_timeless:
            timeless = next((index for index in range(rows) if answer.time_of(index) is not None), rows)
            self.timeless = ask.offset + timeless
            self._is_timeless = timeless == rows
            newest = None if self._is_timeless else answer.time_of(timeless)
            self.began = max(self.began, watermark(newest, self._first_date))
        elif not self._is_newest_first:
            self.began = watermark(None, self._first_date)
            # Oldest first, they stand at the end.
            timed = next((index for index in range(rows, 0, -1) if answer.time_of(index - 1) is not None), 0)
            self.timeless = self.timeless + rows - timed if timed == 0 else rows - timed

    def verdict(self, report: WalkReport, *, missing: int, is_count_proven: bool) -> tuple[bool | None, str]:
        """Judge a walk that has met its end: whether it is complete, and why.

        ``missing`` is how many rows fewer were met than the server counts.
        """
        if self.doubt is not None:
            return None, self.doubt
        if missing > 0:
            return False, f"{missing} rows fewer were met than the server counts"
        if not (self.is_head_read or report.pages == 1 or self.is_at_rest(report)):
            return None, "a row that wakes up may jump over pages that were read already, where they are not read again"
        if not (self.are_shuffled or self.may_be_shuffled):
            return True, "every page joined the one before, and the end was reached"
        if self._is_newest_first and is_count_proven and self._went(report) == 0:
            return True, "rows of equal sort key changed places, and as many were met as the server counts"
        return None, "rows of equal sort key may have changed places while others left; some may have been passed by"

    def is_at_rest(self, report: WalkReport) -> bool:
        """Whether nothing at all was seen to move: the count was always the same, and is what was met."""
        return self._counts == {self._base + report.rows_placed} and not (
            report.inserted or report.removed or report.duplicates
        )

    def _went(self, report: WalkReport) -> int | None:
        """Count the rows that left during the walk; None where that cannot be told.

        Those that came are at the head, where they were met: but for rows without a sort time, which come anywhere.
        """
        start, end = report.count_at_start, report.count_at_end
        if start is None or end is None or not self.is_head_read or self.timeless or report.steps_back:
            return None
        return start + report.caught_up - end
