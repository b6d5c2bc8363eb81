"""What speaks for and against having met every row: the verdict that a report gives (pure)."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING

from periskope_async.paging.catch_up import watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set as AbstractSet

    from periskope_async.paging.ask import Answered, Ask
    from periskope_async.paging.report import WalkReport
    from periskope_async.paging.seam import Joint, Seam, Sorted

__all__ = ["Evidence"]

# Two tied rows that change places just when a row above them leaves show in no answer. Only where tied rows were met
# again where they had stood, often enough that chance has one in a million for it, does the server keep their order.
_BITS_OF_STEADY_TIES = 20.0
# In smaller pages hardly two neighbours are in sight.
_ROWS_TO_SEE_TIES = 4


class Evidence:
    """What was seen of a walk's surroundings that its pages alone do not tell."""

    def __init__(self, *, is_newest_first: bool, base: int = 0) -> None:
        self._base = base
        self._is_newest_first = is_newest_first
        self._is_timeless = is_newest_first
        self._least: float = math.inf
        self._most: float = -math.inf
        self._last: float = -math.inf
        self._is_counted, self._has_fallen, self._has_risen = True, False, False
        self.doubt: str | None = None
        """Why it cannot be known whether the walk is complete."""
        self.are_shuffled = False
        """Whether rows of equal sort key were seen to change places."""
        self.has_gaps = False
        """Whether pages were taken that did not join the ones before, since rows change places."""
        self.may_be_shuffled = False
        """Whether known rows of equal sort key stood where hardly anything else would have brought them."""
        self.has_slipped = False
        """Whether known rows of equal sort key stood where rows that come and go may have brought them, or a change of
        places."""
        self.is_head_read = False
        """Whether the head was looked at again, after the end."""
        self._has_tied_joint = self._has_lone_joint = self._has_ties = False
        self._steadiness = 0.0
        self._came = 0
        self._may_have_come = False
        """Whether rows without a sort time were met: when they came, nobody can tell, nor what came behind them."""
        self._first_date: float | None = None
        self.timeless = 0
        """How many rows without a sort time stand at the top of the newest-first order."""
        self.largest = 0
        """The rows of the largest page."""
        self.began = -math.inf
        """What has moved since the walk began is no older than this, by its sort time."""
        self.passed_head = -math.inf
        """What has moved since the walk read the newest row is no older than this. Where rows without a sort time stand
        before that one, the walk began earlier."""

    def was_told(self, count: int | None) -> None:
        """Take an answer's count."""
        if count is None:
            self._is_counted = False
        else:
            self._has_fallen |= count < self._last
            self._has_risen |= count > self._last > -math.inf
            self._last = count
            self._least, self._most = min(self._least, count), max(self._most, count)

    def look_at(self, ask: Ask, answer: Answered) -> None:
        """Take a page's size, and look for rows without a sort time, at that end of the list where they stand."""
        rows = len(answer.keys)
        is_first = self.largest == 0
        self.largest = max(self.largest, rows)
        if self._first_date is None:
            self._first_date = answer.date
        if self._is_timeless:
            timeless = _timeless(answer, range(rows))
            self.timeless = ask.offset + timeless
            self._is_timeless = timeless == rows
            newest = None if self._is_timeless else answer.time_of(timeless)
            self.passed_head = watermark(newest, self._first_date)
            if is_first:
                self.began = self.passed_head
        elif not self._is_newest_first:
            self.began = self.passed_head = watermark(None, self._first_date)
            # Oldest first, they stand at the end.
            timed = next((index for index in range(rows, 0, -1) if answer.time_of(index - 1) is not None), 0)
            self.timeless = self.timeless + rows - timed if timed == 0 else rows - timed

    def was_adrift(self, answer: Answered, seam: Seam, known: AbstractSet[int], *, is_in_vain: bool) -> bool:
        """Take a page that does not join the one before, and tell whether rows that change places are to blame.

        Then to step back finds nothing that a second pass does not, and the page is taken as it is.
        """
        self.are_shuffled |= is_in_vain or seam.is_shuffled_by(
            answer.keys, known, answer.time_of, since=self.began, most_left=self.most_left
        )
        self.has_gaps |= self.are_shuffled
        return self.are_shuffled

    def was_joined(
        self,
        ask: Ask,
        told: Sorted,
        joint: Joint,
        time_of: Callable[[int], float | None],
        *,
        expected: int,
        is_older: bool,
    ) -> None:
        """Take how a page joined the one before; ``expected`` is how many known rows it would begin with at rest.

        One that ``is_older`` than the page before it shows rows that have left since, among those that are known.
        """
        has_changed_places = told.has_changed_places(time_of, since=self.began)
        self.may_be_shuffled |= joint.is_guessed or (has_changed_places and not is_older)
        self.has_slipped |= has_changed_places or told.has_slipped(time_of, expected=expected)
        self._steadiness += joint.steadiness
        self._has_ties |= joint.shows_ties
        # Nothing can hide above the first of all rows.
        if ask.offset > self._base:
            self._has_tied_joint |= joint.is_tied
            self._has_lone_joint |= joint.is_lone

    def met(self, ask: Ask, answer: Answered, fresh: Sequence[int], *, is_first: bool) -> None:
        """Take a page's new rows, and count those that may have come since the first page, by their sort time."""
        if is_first:
            return
        is_newest_first = self._is_newest_first != ask.is_reversed
        rows = fresh if is_newest_first else fresh[::-1]
        timeless = _timeless(answer, rows)
        self._may_have_come |= timeless > 0
        for index in rows[timeless:]:
            time = answer.time_of(index)
            if time is None or time < self.began:
                break
            self._came += 1

    def is_head_to_be_read(self, report: WalkReport, *, was_one_page: bool) -> bool:
        """Decide at the end whether rows may have jumped to where the head shows them; from an offset on, it does not.

        Newest first, what was read in one answer needs no second look: it is as if that had been taken. Oldest first,
        what wakes up goes to the end, and leaves a trace where it was.
        """
        if self._base > 0 or report.pages == 1 or self.doubt is not None:
            return False
        is_wanted = not (was_one_page if self._is_newest_first else self.is_at_rest(report))
        self.is_head_read = is_wanted or self._is_newest_first
        return is_wanted

    def is_any_old(self, answer: Answered, rows: Sequence[int], *, or_untimed: bool) -> bool:
        """Whether any of these rows was there before the walk, by its sort time; ``or_untimed`` if it has none."""
        times = map(answer.time_of, rows)
        return any(or_untimed if time is None else time < self.began for time in times)

    def verdict(self, report: WalkReport, *, missing: int, is_count_proven: bool) -> tuple[bool | None, str]:
        """Judge a walk that has met its end: whether it is complete, and why.

        ``missing`` is how many rows fewer were met than the server counts.
        """
        if self.doubt is not None:
            return None, self.doubt
        if missing > 0:
            return False, f"{missing} rows fewer were met than the server counts"
        unclear = self._what_is_unclear(report, is_count_proven=is_count_proven)
        if unclear is None:
            return True, "every page joined the one before, and the end was reached"
        if is_count_proven and self._is_start_met(report):
            return True, "as many rows were met as were counted at first, and none came since, whatever changed places"
        return None, unclear

    def _what_is_unclear(self, report: WalkReport, *, is_count_proven: bool) -> str | None:
        is_at_rest = self.is_at_rest(report)
        if not (self.is_head_read or report.pages == 1 or is_at_rest):
            return "a row that wakes up may jump over pages that were read already, where they are not read again"
        # A single row that changes places among its ties goes unseen where pages join. The count shows that it is
        # missing as long as none left: where it never fell, and is what was met in the end.
        has_left = self._has_fallen or self._last != self._base + report.rows_placed
        is_told = self._are_ties_steady and is_count_proven and self._is_counted and not has_left
        if self.are_shuffled or self.may_be_shuffled or (self.has_slipped and not is_told):
            return "rows of equal sort key may have changed places while others left; some may have been passed by"
        # A single row may be tied for all that is known, where nothing else would tell.
        is_blind = not is_count_proven or self.largest < _ROWS_TO_SEE_TIES
        may_hide_rows = self._has_tied_joint or (self._has_lone_joint and (self._has_ties or is_blind))
        if may_hide_rows and not is_told and not is_at_rest:
            return "rows of equal sort key may have changed places unseen: no count that never fell tells that none did"
        return None

    @property
    def most_left(self) -> int | None:
        """How many rows may have left between two pages, by the server's counts; None where it gives none."""
        return int(self._most - self._least) if self._is_counted and self._most >= self._least else None

    @property
    def is_shuffle_likely(self) -> bool:
        """Whether something was seen that rows which change places would bring about, and nothing speaks against it."""
        return self.are_shuffled or self.may_be_shuffled or (self.has_slipped and not self._are_ties_steady)

    @property
    def _are_ties_steady(self) -> bool:
        return self._steadiness >= _BITS_OF_STEADY_TIES

    def is_at_rest(self, report: WalkReport) -> bool:
        """Whether nothing at all was seen to move: the count was always the same, and is what was met."""
        is_as_counted = self.most_left == 0 and self._most == self._base + report.rows_placed
        return is_as_counted and not (report.inserted or report.removed or report.duplicates or self._came)

    def _is_start_met(self, report: WalkReport) -> bool:
        """Whether as many rows were met as the first answer counted, and nothing is known to have come since.

        A count that rises proves nothing: who comes may have an old sort time, or none, and stand in for a row that was
        passed by.
        """
        has_come = self._has_risen or self._came or self._may_have_come or self.timeless
        start = report.count_at_start
        return start is not None and self._is_counted and not has_come and self._base + report.rows_placed >= start


def _timeless(answer: Answered, rows: Sequence[int]) -> int:
    """Count the rows without a sort time that stand before the newest one, with a look at few of them."""
    if not rows or answer.time_of(rows[0]) is not None:
        return 0
    return bisect_left(rows, 1, key=lambda index: answer.time_of(index) is not None)
