"""What speaks for and against having met every row: the verdict that a report gives (pure)."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING

from periskope_async.paging.ask import Phase
from periskope_async.paging.catch_up import watermark
from periskope_async.paging.ending import EndProof

if TYPE_CHECKING:
    from collections.abc import Sequence, Set as AbstractSet

    from periskope_async.paging.ask import Answered, Ask
    from periskope_async.paging.count import Count
    from periskope_async.paging.report import WalkReport
    from periskope_async.paging.seam import Joint, Seam, Sorted
    from periskope_async.wire.order import Order

__all__ = ["Evidence"]

# In longer lists a further reading proves nothing: for that, each row that it meets is kept until its end.
_MOST_ROWS_MET_AGAIN = 200_000
# So surely must tied rows have kept their places, in bits, that one known to be missing is not looked for among them.
_BITS_OF_STEADY_TIES = 20.0

_STAND_BEFORE = "rows that stand before the offset are not read: some may have moved there, or changed places with some"
_CUT_SHORT = (
    "no later answer held more rows than the one that ended the list: a server that gives fewer rows from just there "
    "on would look the same"
)
_HEAD_UNCLEAR = (
    "neither their sort times nor the answers' Date tell which of the rows at the head moved while the list was read"
)
_JUMP_BACK = "a row that wakes up may jump over pages that were read already, where they are not read again"
_MOVE_ANYWHERE = (
    "a chat may move to where the list had been read, and not only to its head: where a message comes late, or the "
    "latest one is deleted"
)
_CHANGE_PLACES = (
    "rows of equal sort key may stand where pages join: one that changed places just when another left or came would "
    "have been passed by unseen"
)


class Evidence:
    """What was seen of a walk's surroundings that its pages alone do not tell."""

    def __init__(
        self, report: WalkReport, count: Count, *, order: Order, base: int = 0, is_resumed: bool = False
    ) -> None:
        self.report, self.count, self.order = report, count, order
        self._base = base
        self._is_timeless = order.is_newest_first
        self._least, self._most = math.inf, -math.inf
        self._is_counted = True
        self.is_unprovable = is_resumed
        """Whether nothing can prove the walk complete: it goes on from a cut, or its end was not seen, so that rows may
        lie beyond what a wrong count says."""
        self.doubt = "it was resumed: what was read before the cut is not known any more" if is_resumed else None
        """Why it cannot be known whether the walk is complete, unless the count or a single answer tells."""
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
        self.is_head_unclear = False
        """Whether times did not tell which of the rows there had moved."""
        self._may_hide_rows = False
        """Whether pages join by rows among which another of equal sort key may stand, out of sight."""
        self._may_stand_in = False
        """Whether rows from before the offset may have changed places with those behind it, unseen."""
        self._was_whole = False
        """Whether a single answer held as many rows as it counted."""
        self._steadiness = 0.0
        self.newcomers = 0
        """Rows met that may not have been there at first."""
        self._met_again: set[int] = set()
        """All rows of the present reading, where the list is read again."""
        self._newcomers_again = 0
        """Of these, how many may not have been there when it began; and how many rows there were then, and when."""
        self._counted_again: int | None = None
        self._date_again: float | None = None
        self._first_date: float | None = None
        self._first_time: float | None = None
        self.timeless = 0
        """How many rows without a sort time stand at the top of the newest-first order."""
        self._end_of_timed = base
        self.largest = 0
        """The rows of the largest page."""
        self.end = EndProof()
        self.began = -math.inf
        """What has moved since the walk began is no older than this, by its sort time."""
        self.newest = math.inf
        """The sort time of the newest row that the main pass read, while one is known."""
        self.passed_head = -math.inf
        """What has moved since the walk read the newest row is no older than this. Where rows without a sort time stand
        before that one, the walk began earlier."""

    def was_told(self, ask: Ask, answer: Answered) -> None:
        """Take an answer's count, and how many rows it holds."""
        count, rows = answer.count, len(answer.keys)
        self.end.was_told(ask, rows)
        if count is None:
            self._is_counted = False
        else:
            self._was_whole |= ask.offset == 0 and count == rows
            self._least, self._most = min(self._least, count), max(self._most, count)

    def look_at(self, ask: Ask, answer: Answered) -> None:
        """Take a page's size, and look for rows without a sort time, at that end of the list where they stand."""
        rows = len(answer.keys)
        is_first = self.largest == 0
        self.largest = max(self.largest, rows)
        if is_first:
            self._first_date = answer.cut_after
            self._first_time = answer.time_of(0) if rows else None
        if self._is_timeless:
            timeless = _timeless(answer, range(rows))
            self.timeless = ask.offset + timeless
            self._is_timeless = timeless == rows
            newest = None if self._is_timeless else answer.time_of(timeless)
            self.newest = math.inf if newest is None else newest
            self.passed_head = watermark(newest, self._first_date)
            if is_first:
                self.began = self.passed_head
        elif not self.order.is_newest_first:
            self.began = self.passed_head = watermark(None, self._first_date)
            # Oldest first, they stand at the end.
            timed = next((index for index in range(rows, 0, -1) if answer.time_of(index - 1) is not None), 0)
            if timed:
                self._end_of_timed = ask.offset + timed
                newest = answer.time_of(timed - 1)
                self.newest = self.newest if newest is None else newest
            self.timeless = ask.offset + rows - self._end_of_timed

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
        answer: Answered,
        told: Sorted,
        joint: Joint,
        *,
        expected: int,
        is_older: bool,
    ) -> None:
        """Take how a page joined the one before; ``expected`` is how many known rows it would begin with at rest.

        One that ``is_older`` than the page before it shows rows that have left since, among those that are known.
        """
        time_of = answer.time_of
        has_changed_places = told.has_changed_places(time_of, since=self.began)
        self.may_be_shuffled |= joint.is_guessed or (has_changed_places and not is_older)
        self.has_slipped |= has_changed_places or told.has_slipped(time_of, expected=expected)
        self._steadiness += joint.steadiness
        # Nothing can hide above the first of all rows.
        if ask.offset > self._base:
            self._may_hide_rows |= joint.may_hide_rows
            self._may_stand_in |= self._base > 0 and bool(answer.keys) and time_of(0) == self._first_time

    def met(self, ask: Ask, answer: Answered, fresh: Sequence[int]) -> None:
        """Take a page's new rows, and count those that may have come since the first page.

        By its sort time nobody can tell: it may be as old as any, or none. But who comes is written then.
        """
        may_have_come = _may_have_come(answer, fresh, self._first_date) if self.report.pages > 1 else 0
        self.newcomers += may_have_come
        # The pages before passed it by, though they joined.
        self._may_hide_rows |= ask.phase is Phase.AGAIN and may_have_come < len(fresh)
        if ask.phase is Phase.AGAIN and self.report.rows_placed <= _MOST_ROWS_MET_AGAIN:
            if not self._met_again:
                self._counted_again, self._date_again = answer.count, answer.cut_after
            else:
                # Those that are known too: one may have left before that reading, and come back during it.
                met_now = [index for index, key in enumerate(answer.keys) if key not in self._met_again]
                self._newcomers_again += _may_have_come(answer, met_now, self._date_again)
            self._met_again.update(answer.keys)

    def was_not_seen(self, why: str) -> None:
        """Note that the end, or what moved between two pages, was out of sight."""
        self.doubt, self.is_unprovable = why, True

    def begins_again(self) -> None:
        """Note that the list is read once more, from its first answer on."""
        self.report.passes += 1
        self._met_again, self._newcomers_again, self._counted_again = set(), 0, None

    @property
    def lacks_right_count(self) -> bool:
        """Whether a count that is not too low would prove the walk complete."""
        return self._proof() is None and self._proof_by_count() is not None

    def is_head_to_be_read(self) -> bool:
        """Decide at the end whether rows may have jumped to where the head shows them.

        What was read in one answer needs no second look: it is as if that had been taken. Oldest first, what wakes up
        goes to the end, and is met there unless that was read before. And from an offset on, the head does not show it.
        """
        is_one_answer = self.report.pages == 1 or self.count.was_one_page
        self.end.is_shown |= is_one_answer
        is_known = not self.order.is_newest_first and self._proof() is not None
        self.is_head_read = is_one_answer or (self._base == 0 and self.doubt is None and not is_known)
        return self.is_head_read and not is_one_answer

    def has_old(self, answer: Answered, rows: Sequence[int], *, gets_on: bool) -> bool:
        """Whether any of these rows was there before the walk, by its sort time; if it has none, where that gets on."""
        times = map(answer.time_of, rows)
        return any(gets_on if time is None else time < self.began for time in times)

    def verdict(self, *, missing: int) -> tuple[bool | None, str]:
        """Judge a walk that has met its end: whether it is complete, and why.

        ``missing`` is how many rows fewer were met than the server counts.
        """
        if (proof := self._proof()) is not None:
            return True, proof
        if missing > 0 and self.doubt is None:
            may_have_come = self.is_head_unclear or self._most > (self.report.count_at_start or 0)
            why = "; they may have come where the list had been read" if may_have_come else ""
            return None if may_have_come else False, f"{missing} rows fewer were met than the server counts{why}"
        unclear = self.what_is_unclear()
        return (True, "every page joined the one before, up to the end") if unclear is None else (None, unclear)

    def what_is_unclear(self) -> str | None:
        """Tell why a row may have been passed by, though nothing is known to be missing; None where none can have been.

        Where nothing proves it, pages must have joined by rows among which none can hide.
        """
        if self._proof() is not None:
            return None
        if self.doubt is not None:
            return self.doubt
        reasons = [
            (self._base > 0 and self.report.pages > 1, _STAND_BEFORE),
            (not self.is_head_read, _JUMP_BACK),
            (not self.end.is_shown, _CUT_SHORT),
            (self.is_head_unclear, _HEAD_UNCLEAR),
            (self.order.can_move_anywhere, _MOVE_ANYWHERE),
            (self.are_shuffled or self.may_be_shuffled or self.has_slipped or self._may_hide_rows, _CHANGE_PLACES),
        ]
        return next((why for applies, why in reasons if applies), None)

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

    def _proof(self) -> str | None:
        """Tell what proves that all rows were met that were there all along, whatever else has moved."""
        return self._proof_by_count() if self.end.is_shown or self.count.is_verified else None

    def _proof_by_count(self) -> str | None:
        """Tell what proves it if the count is not too low."""
        if self.is_unprovable or not self.count.is_total:
            return None
        if self._was_whole:
            return "one answer held the whole list"
        # More of them than were counted would prove the count wrong; and so does one that has grown by more than came.
        met = self._base + self.report.rows_placed - self.newcomers
        is_right = self._most <= met + self.newcomers
        if met == self.report.count_at_start and is_right and not self._may_have_sunk():
            return "every row that was counted at first was met"
        met = len(self._met_again) - self._newcomers_again
        if met == self._counted_again:
            return "the list was read again, and every row that was counted then was met"
        return None

    def _may_have_sunk(self) -> bool:
        """Whether rows from before the offset may have been met behind it: then they are no rows from there."""
        report = self.report
        has_moved = bool(report.inserted or report.removed or report.duplicates or report.steps_back or self.most_left)
        return self._base > 0 and (has_moved or self._may_stand_in or self.doubt is not None)


def _may_have_come(answer: Answered, rows: Sequence[int], date: float | None) -> int:
    """Count those of the rows that may not have been there at a moment by the server's clock."""
    if not rows or date is None:
        return len(rows)
    return answer.changed_since(rows, watermark(None, date))


def _timeless(answer: Answered, rows: Sequence[int]) -> int:
    """Count the rows without a sort time that stand before the newest one, with a look at few of them."""
    if not rows or answer.time_of(rows[0]) is not None:
        return 0
    return bisect_left(rows, 1, key=lambda index: answer.time_of(index) is not None)
