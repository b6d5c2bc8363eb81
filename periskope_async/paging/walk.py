"""The offset walk as a pure state machine: given what was asked and what came back, what to place and what to ask next.

An offset is a place in a list that moves while it is read, so pages overlap by a few rows:

- A page that begins with a known row joins what was placed: nothing was passed by. Where rows above have left, it does
  not, and the walk steps back until a page joins.
- Each row is placed once. Rows that come in above only push known rows onto the page.
- After the first pass comes a look at the head (:mod:`periskope_async.paging.head`): what woke up has jumped there.
- Rows of equal sort key may stand in another order at each request. While fewer rows were met than the server counts,
  further passes look for the rest.

Whether that was all is told by :mod:`periskope_async.paging.verdict`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from periskope_async.paging.page import Ask, Consistency, OffsetCheck, Phase, pick
from periskope_async.paging.report import WalkReport
from periskope_async.paging.resume import CutSearch
from periskope_async.paging.sequel import Sequel
from periskope_async.paging.verdict import Verdict
from periskope_async.wire.order import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.paging.page import Page
    from periskope_async.paging.resume import Place

__all__ = ["Cursor", "Walk"]

_CHATS = Order()
_NO_BOUND = 1 << 62
# Rows that a page shares with the one before, in a list at rest.
_OVERLAP = 3
# Steps back in a row that find no new row, before the order is taken for one that does not hold still.
_MAX_STEPS_IN_VAIN = 3
# So often on one page does a new row stand right before a known one of equal sort time: such rows change places.
_MIN_TURNS = 3
_MAX_DOUBLINGS = 8
# Pages to fill the gap before one that waits, before all that is out is dropped.
_MAX_GAPS = 2
# Where rows come in as fast as they are read, the end is out of reach. So many pages of a pass may hold none from
# before the walk, and beside them as many as reading the list so often takes.
_MIN_PAGES_IN_VAIN = 64
_MAX_READINGS = 4


class Walk:
    """The state of one walk.

    :attr:`out` holds the pages that are asked for and not placed, oldest first. :meth:`next_ask` adds to them,
    :meth:`place` takes the answer to the oldest. A page that has gone from :attr:`out` is not wanted any more. One that
    is still there after it was given waits: it is to be given again, once those before it were placed.
    """

    def __init__(
        self,
        *,
        page_size: int,
        offset: int = 0,
        max_items: int | None = None,
        consistency: Consistency = "exact",
        order: Order = _CHATS,
        resume: Place | None = None,
    ) -> None:
        self.report = WalkReport()
        self.phase = Phase.FIRST
        self.out: list[Ask] = []
        self._joint = _Joint(order)
        # A token that was taken before the first row names no row to look for.
        self._cut = CutSearch(resume, order=order) if resume is not None and resume.tail else None
        base = offset if resume is None or self._cut is not None else max(offset, resume.offset)
        self._cursor = Cursor(base, page_size=page_size, most_rows=order.max_limit, overlaps=consistency == "exact")
        if self._cut is not None:
            self._restart(self._cut.offset - self._cursor.overlap)
            self._cursor.end = max(base, self._cut.offset)
        self._max_items = max_items
        self._consistency: Consistency = consistency
        self._seen: set[int] = set()
        self._offsets = OffsetCheck(base)
        self._verdict = Verdict(self.report, order=order, offset=base, is_resumed=self._cut is not None)
        self._sequel = Sequel(self.report, self._verdict, self._cursor, order)
        if max_items == 0:
            self._finish(complete=False, why="max_items is 0")

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be asked or placed."""
        return self.phase is Phase.OVER

    def next_ask(self, depth: int) -> Ask | None:
        """Ask for the next page. None while ``depth`` pages are out, or no more is worth asking."""
        if self.is_over or len(self.out) >= depth or (self.out and not self._may_look_ahead()):
            return None
        head = self._sequel.head
        ask = self._cursor.next_ask(self.phase, self.out, self._wanted()) if head is None else head.next_ask()
        if ask is not None:
            self.out.append(ask)
        return ask

    def ask_again(self) -> None:
        """Forget the pages that are out, because they were cancelled or failed. They are asked for anew."""
        if self.out:
            self._restart(self.out[0].offset)

    def ask_for_less(self, ask: Ask, *, is_refused: bool) -> bool:
        """Do with fewer rows a page, since one was refused or did not come. False where that would not help."""
        can = self._cursor.ask_for_less(ask, is_refused=is_refused)
        if can and self._sequel.head is not None:
            self._sequel.head.ask_for_less(self._cursor.most_rows)
        return can

    def place(self, ask: Ask, page: Page[Any]) -> Sequence[int]:
        """Take the answer to the oldest ask; give the indexes of its rows to hand over, in order.

        Raises PaginationError where the server ignores the offset, or the cut to resume from cannot be found.
        """
        if ask not in self._joint.waiting:
            self._record(ask, page)
        start = 0
        if self._cut is not None:
            # Rows that the token names were handed over before the cut, wherever they are met now.
            was_found = self._cut.is_found
            start = self._cut.find(page, self._seen)
            if not self._cut.is_found:
                self._restart(self._cut.next_offset(ask, page, base=self._cursor.base, overlap=self._cursor.overlap))
                return []
            if not was_found:
                self._cursor.end = ask.offset + start
                self._seen.update(page.keys[:start])
        if ask.phase is Phase.FIRST and ask.offset + start < self._cursor.end and not self._joins(ask, page):
            return []
        fresh = self._new_rows(ask, page, start)[: self._wanted()]
        self.out.pop(0)
        self._joint.waiting.pop(ask, None)
        if self._consistency != "none":
            self._seen.update(pick(fresh, page.keys))
            self._verdict.record_new(page, fresh)
        self.report.rows_placed += len(fresh)
        self.report.caught_up += 0 if ask.phase is Phase.FIRST else len(fresh)
        if self._wanted() <= 0:
            self._finish(complete=False, why=f"stopped at max_items={self._max_items}")
        elif self._is_last(ask, page, fresh):
            self._end_phase()
        return fresh

    # -- what a page says ------------------------------------------------------------------------------------------

    def _record(self, ask: Ask, page: Page[Any]) -> None:
        report = self.report
        report.pages += 1
        report.rows_received += len(page.keys)
        self._offsets.check(ask, page)
        self._verdict.record_answer(ask.offset, page)
        if page.count is not None:
            report.count_at_start = page.count if report.pages == 1 else report.count_at_start
            report.count_at_end = self._verdict.total.latest

    def _joins(self, ask: Ask, page: Page[Any]) -> bool:
        """Whether a page goes on where the last one ended; else step back."""
        cursor, joint = self._cursor, self._joint
        if ask.offset <= cursor.base or not cursor.overlap or joint.is_unsteady or joint.holds(page, self._seen):
            return True
        step = joint.step_back(page, self._seen, overlap=cursor.overlap, rows=cursor.given)
        if joint.is_unsteady:
            return True
        self.report.steps_back += 1
        cursor.overlap_more(2 * max(cursor.margin, _OVERLAP) + 1)
        tries = joint.waiting.get(ask, 0)
        if step <= cursor.most_rows // 2 and tries < _MAX_GAPS:
            # One page is to join what was placed with this one, which waits behind it, as those that are out do.
            # It reaches a page's length into this one, since rows may sink meanwhile; and where they have sunk by more,
            # as far as one answer can.
            joint.waiting[ask] = tries + 1
            limit = cursor.most_rows if tries else min(cursor.limit + step, cursor.most_rows)
            self.out.insert(0, Ask(Phase.FIRST, max(cursor.base, ask.offset - step), limit))
        else:
            self._restart(ask.offset - step)
        return False

    def _new_rows(self, ask: Ask, page: Page[Any], start: int) -> Sequence[int]:
        """Find the rows to hand over, and learn from the others."""
        keys, seen, cursor = page.keys, self._seen, self._cursor
        if self._consistency == "none":
            self._offsets.watch(ask, page, has_news=keys != self._offsets.last)
            # Without memory all rows are given, but for those that a token names.
            rest = range(start, len(keys))
            return [index for index in rest if keys[index] not in seen] if seen else rest
        known_first = start
        while known_first < len(keys) and keys[known_first] in seen:
            known_first += 1
        fresh = _fresh(keys, known_first, seen)
        if ask.phase is Phase.HEAD:
            return fresh
        self._offsets.watch(ask, page, has_news=bool(fresh))
        if ask.phase is Phase.FIRST:
            expected = max(0, min(cursor.end - ask.offset, len(keys)))
            self.report.duplicates += max(0, len(keys) - len(fresh) - expected)
            if known_first and ask not in self._joint.waiting:
                self.report.inserted += max(0, known_first - expected)
                self.report.removed += max(0, expected - known_first)
                cursor.overlap_more(2 * (expected - known_first) + 1)
            self._joint.record(page, has_news=bool(fresh))
            self._sequel.top.record(ask.offset, page)
        return fresh

    # -- where to go next ------------------------------------------------------------------------------------------

    def _is_last(self, ask: Ask, page: Page[Any], fresh: Sequence[int]) -> bool:
        """Go on behind a page; tell whether it was the last of its phase."""
        if self._sequel.head is not None:
            self._sequel.head.record(page, fresh)
            return self._sequel.head.is_over
        cursor, verdict, total = self._cursor, self._verdict, self._verdict.total
        rows, before = len(page.keys), cursor.end
        end = ask.offset + rows
        is_short, was_short = cursor.record(ask, rows)
        is_told = is_short and page.count == end and (total.is_known or self._consistency != "exact")
        # The first page from an offset on may be cut short, just where a count that is too low ends.
        is_told = is_told and (cursor.pages > 1 or verdict.doubt is None)
        verdict.is_end_shown = is_told or not rows
        verdict.is_one_answer = total.is_known and ask.offset == 0 and page.count == rows
        # Without a count, the limit may have fallen to what pages share: then the next page is no shorter.
        is_guessed = is_short and was_short and not fresh and end <= before and not total.is_known
        known = self.report.rows_placed - verdict.told_newcomers
        if verdict.pages_in_vain > _MIN_PAGES_IN_VAIN + _MAX_READINGS * cursor.pages_of(known):
            verdict.doubt = verdict.doubt or f"the end of the list was not met in {cursor.pages} pages"
            return True
        if not rows or page.is_all or is_told or is_guessed:
            return True
        if is_short:
            # The server gives fewer rows than asked for. What is out would leave gaps.
            cursor.given = rows
            self._restart(end - cursor.overlap)
        elif not self.out:
            cursor.next_offset = end - cursor.overlap
        return False

    def _end_phase(self) -> None:
        self.out.clear()
        if self._consistency != "exact":
            doubt = self._verdict.doubt
            self._finish(complete=None, why=doubt or f'consistency="{self._consistency}" does not look for what moved')
            return
        self.phase = self._sequel.after(self.phase, is_unsteady=self._joint.is_unsteady)
        if self.is_over:
            complete, why = self._verdict.judge()
            self._finish(complete=complete, why=why)

    def _finish(self, *, complete: bool | None, why: str) -> None:
        self.phase = Phase.OVER
        self.out.clear()
        self.report.complete, self.report.why = complete, why

    def _restart(self, offset: int) -> None:
        """Drop what is out, and begin the next page there."""
        self.out.clear()
        self._joint.waiting.clear()
        self._cursor.next_offset = max(self._cursor.base, offset)

    def _may_look_ahead(self) -> bool:
        if self.phase is Phase.HEAD:
            return False
        last, total = self.out[-1], self._verdict.total
        if self._cursor.pages and total.is_known:
            # A last page that will be full has another one behind it, to show the end.
            return last.offset + min(last.limit, self._cursor.given) <= total.latest
        # Nobody knows where the end is: twice as far with each full page.
        return len(self.out) < 1 << min(max(0, self._cursor.full_pages - 1), _MAX_DOUBLINGS)

    def _wanted(self) -> int:
        return _NO_BOUND if self._max_items is None else self._max_items - self.report.rows_placed


class Cursor:
    """Where the next page begins, how many rows it asks for, and how many of them the page before has."""

    def __init__(self, base: int, *, page_size: int, most_rows: int, overlaps: bool) -> None:
        self.base = base
        self.end = base
        """One past the last row that was placed."""
        self.next_offset = base
        self.given = page_size
        """Rows of a full page: fewer than asked for where the server gives no more."""
        self.limit = page_size
        self.most_rows = max(page_size, most_rows)
        """Never to be asked for more than that."""
        self.margin = _OVERLAP if overlaps else 0
        """Rows to overlap by, where pages are long enough; 0 for never."""
        self.pages = 0
        """Pages of this pass that were placed."""
        self.full_pages = 0
        """The latest of them that were full, in a row."""
        self.is_reversed = False
        self._accepted = page_size
        self._largest = 0

    @property
    def overlap(self) -> int:
        """Rows that a page shares with the one before: a few, and at most a quarter of a page."""
        if not self.margin or self.given == 1:
            return 0
        least = min(_OVERLAP, max(1, self.given // 10))
        return least if self.margin <= _OVERLAP else max(least, min(self.margin, self.given // 4))

    def overlap_more(self, rows: int) -> None:
        """Overlap by so many rows from now on, and by one less with each page."""
        self.margin = max(_OVERLAP, self.margin - 1, rows)

    def next_ask(self, phase: Phase, out: Sequence[Ask], wanted: int) -> Ask | None:
        """Give the page behind those that are out; None where no more rows are wanted."""
        limit = self.limit
        if phase is Phase.FIRST:
            last = out[-1] if out else None
            reach = self.end if last is None else max(self.end, last.offset + min(last.limit, self.given))
            # In a further pass nearly all rows are known: how many are wanted says nothing of how many to ask for.
            wanted -= reach - self.end
            if wanted <= 0:
                return None
            limit = min(limit, wanted + max(0, reach - self.next_offset))
        ask = Ask(phase, self.next_offset, limit, is_reversed=self.is_reversed)
        self.next_offset += max(1, min(limit, self.given) - self.overlap)
        return ask

    def record(self, ask: Ask, rows: int) -> tuple[bool, bool]:
        """Take a page that was placed; tell whether it is short, and whether the one before was."""
        is_short, was_short = rows < min(ask.limit, self.given), self.pages > 0 and not self.full_pages
        self.pages += 1
        self.end = max(self.end, ask.offset + rows)
        self.given = max(self.given, min(rows, self.limit))
        self._largest = max(self._largest, min(rows, self.limit))
        self.full_pages = 0 if is_short else self.full_pages + 1
        return is_short, was_short

    def pages_of(self, rows: int) -> int:
        """Give how many pages so many rows take, where each is as long as the longest one."""
        return rows // max(1, self._largest - self.overlap)

    def ask_for_less(self, ask: Ask, *, is_refused: bool) -> bool:
        """Ask for half of it where so many were refused; where they did not come, for what the caller asked for."""
        if ask.limit <= (1 if is_refused else self._accepted):
            return False
        accepted = self._accepted if self._accepted < ask.limit else 1
        self.most_rows = max(ask.limit // 2, accepted) if is_refused else accepted
        self.limit = min(self.limit, self.most_rows)
        self.given = min(self.given, self.limit)
        return True

    def begin_again(self, *, is_reversed: bool) -> None:
        """Begin a further pass in the largest pages: what one answer holds does not change places within it."""
        self.limit = self.given = self.most_rows
        self.end = self.next_offset = self.base
        self.pages = self.full_pages = self._largest = 0
        self.margin = _OVERLAP
        self.is_reversed = is_reversed


class _Joint:
    """Whether a page joins what was placed, and how far to step back where it does not."""

    def __init__(self, order: Order) -> None:
        self.is_unsteady = False
        """Whether rows change places: pages need not join then, and further passes find what was passed by."""
        self._are_times_needed = not order.is_newest_first and order.has_sort_time
        self.waiting: dict[Ask, int] = {}
        """Pages that came, and how often each has waited for one before it."""
        self._last: dict[int, float | None] = {}
        """The rows of the last page, with their sort times where these are needed."""
        self._step = self._steps_in_vain = 0

    def holds(self, page: Page[Any], seen: set[int]) -> bool:
        """Whether the page begins with a known row.

        Oldest first a known row may have woken up and jumped ahead: there it must stand where it stood.
        """
        for index, key in enumerate(page.keys):
            if key not in seen:
                return False
            if not self._are_times_needed or self._last.get(key, math.nan) == page.sort_time(index):
                return True
        return False

    def record(self, page: Page[Any], *, has_news: bool) -> None:
        """Take a page that was placed."""
        self._step = 0
        self._steps_in_vain = 0 if has_news else self._steps_in_vain
        if self._are_times_needed:
            # A page that joins begins near the end of this one.
            first = len(page.keys) * 3 // 4
            self._last = {key: page.sort_time(index) for index, key in enumerate(page.keys[first:], first)}

    def step_back(self, page: Page[Any], seen: set[int], *, overlap: int, rows: int) -> int:
        """Take a page that does not join; give how many rows further up to ask."""
        self._steps_in_vain += 1
        self._step = max(4 * self._step, 2 * overlap, rows // 4)
        min_turns = max(_MIN_TURNS, len(page.keys) // 20)
        self.is_unsteady = self._steps_in_vain > _MAX_STEPS_IN_VAIN or _turns(page, seen) >= min_turns
        return self._step


def _fresh(keys: Sequence[int], start: int, seen: set[int]) -> Sequence[int]:
    """Give the indexes from ``start`` on of rows that are not known; a row that stands there twice is new once."""
    rest = keys[start:]
    if len(set(rest)) == len(rest) and seen.isdisjoint(rest):
        # The usual page, told in a few passes of C.
        return range(start, len(keys))
    first = {key: index for index, key in reversed(list(enumerate(rest, start)))}
    return sorted(index for key, index in first.items() if key not in seen)


def _turns(page: Page[Any], seen: set[int]) -> int:
    """Count how often a new row stands right before a known one of equal sort time."""
    keys, time_of = page.keys, page.sort_time
    return sum(
        keys[index] in seen and keys[index - 1] not in seen and time_of(index) == time_of(index - 1)
        for index in range(1, len(keys))
    )
