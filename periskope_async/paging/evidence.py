"""What speaks for and against having met every row: the verdict that a report gives (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from periskope_async.paging.catch_up import watermark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.paging.ask import Answered, Ask
    from periskope_async.paging.report import WalkReport
    from periskope_async.paging.seam import Joint

__all__ = ["Evidence"]

# Two tied rows that change places just when a row above them leaves show in no answer. Only where so many tied rows
# were met again, each where it had stood, is it certain enough that the server keeps them in one order.
_ROWS_OF_STEADY_TIES = 8
# In smaller pages hardly two neighbours are in sight.
_ROWS_TO_SEE_TIES = 4


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
        self._has_tied_joint = self._has_lone_joint = self._has_ties = False
        self._steady = 0
        self._came = 0
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

    def was_joined(self, ask: Ask, joint: Joint) -> None:
        """Take how a page joined the one before; nothing can hide above the first of all."""
        if ask.offset > self._base:
            self._has_tied_joint |= joint.is_tied
            self._has_lone_joint |= joint.is_lone
        self._has_ties |= joint.shows_ties
        self._steady += joint.steady

    def met(self, ask: Ask, answer: Answered, fresh: Sequence[int], *, is_first: bool) -> None:
        """Take a page's new rows, and count those that may have come since the first page, by their sort time."""
        if is_first:
            return
        is_newest_first = self._is_newest_first != ask.is_reversed
        for index in fresh if is_newest_first else reversed(fresh):
            time = answer.time_of(index)
            if time is None or time < self.began:
                break
            self._came += 1

    def verdict(self, report: WalkReport, *, missing: int, is_count_proven: bool) -> tuple[bool | None, str]:
        """Judge a walk that has met its end: whether it is complete, and why.

        ``missing`` is how many rows fewer were met than the server counts.
        """
        if self.doubt is not None:
            return None, self.doubt
        unclear = self._what_is_unclear(report, is_count_proven=is_count_proven)
        if unclear is None and missing <= 0:
            return True, "every page joined the one before, and the end was reached"
        if is_count_proven and self._are_all_met(report):
            return True, "as many of the first rows were met as the server counted then, whatever changed places"
        if missing > 0:
            return False, f"{missing} rows fewer were met than the server counts"
        return None, unclear or ""

    def _what_is_unclear(self, report: WalkReport, *, is_count_proven: bool) -> str | None:
        is_at_rest = self.is_at_rest(report)
        if not (self.is_head_read or report.pages == 1 or is_at_rest):
            return "a row that wakes up may jump over pages that were read already, where they are not read again"
        if self.is_shuffle_likely:
            return "rows of equal sort key may have changed places while others left; some may have been passed by"
        # A single row may be tied for all that is known, where nothing else would tell.
        is_blind = not is_count_proven or self.largest < _ROWS_TO_SEE_TIES
        may_hide_rows = self._has_tied_joint or (self._has_lone_joint and (self._has_ties or is_blind))
        if may_hide_rows and self._steady < _ROWS_OF_STEADY_TIES and not is_at_rest:
            return "too few rows of equal sort key were met twice to tell that such rows keep their places"
        return None

    @property
    def is_shuffle_likely(self) -> bool:
        """Whether anything was seen that rows which change places would bring about."""
        return self.are_shuffled or self.may_be_shuffled

    def is_at_rest(self, report: WalkReport) -> bool:
        """Whether nothing at all was seen to move: the count was always the same, and is what was met."""
        return self._counts == {self._base + report.rows_placed} and not (
            report.inserted or report.removed or report.duplicates or self._came
        )

    def _are_all_met(self, report: WalkReport) -> bool:
        """Whether as many rows were met as the first answer counted, those aside that may have come since.

        Rows without a sort time may come anywhere, and nobody could tell.
        """
        start = report.count_at_start
        return start is not None and not self.timeless and self._base + report.rows_placed - self._came >= start
