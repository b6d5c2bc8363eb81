"""The offset walk as a pure state machine: it takes answers, chooses the rows to place and the next page to ask for.

A list moves while the walk reads it, so an offset may point to another row by then. Pages overlap by a few rows:

- A page joins the placed rows if it begins with a known row: no row was skipped. It does not join if rows above have
  left. The walk then steps back until a page joins.
- Each row is placed once. New rows above only push known rows onto the page.
- A look at the head follows the first pass (:mod:`periskope_async.paging.head`): changed rows have moved there.
- Rows of equal sort key may change places at each request. Further passes look for the rest until the met rows are as
  many as the server counts.

:mod:`periskope_async.paging.verdict` decides whether the walk is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.compact_keys import MANY_KEYS, CompactKeys
from periskope_async.paging.cursor import Cursor, Joint
from periskope_async.paging.page import Ask, Consistency, OffsetCheck, Phase, pick
from periskope_async.paging.report import WalkReport
from periskope_async.paging.resume import CutSearch
from periskope_async.paging.verdict import Sequel, Verdict
from periskope_async.wire.order import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.paging.page import Page
    from periskope_async.paging.resume import Place

__all__ = ["Walk"]

_CHATS = Order()
_LIST_WHOLE = "the server gave the same rows for the next offset: it seems to give this list whole, in one answer"
_NO_BOUND = 1 << 62
_MAX_DOUBLINGS = 8
# Max pages to fill the gap before a waiting page. The walk drops all pages in flight after them.
_MAX_GAPS = 2
# The end is out of reach if rows come in as fast as the walk reads them. A pass may have this many pages without a row
# from before the walk, plus the pages for this many readings of the list.
_MIN_PAGES_IN_VAIN = 64
_MAX_READINGS = 4


class Walk:
    """The state of one walk.

    :attr:`out` holds the pages in flight, oldest first. :meth:`next_ask` adds to them, and :meth:`place` takes the
    answer to the oldest. A page gone from :attr:`out` is not wanted any more. A page still there after :meth:`place`
    waits: give it again once the pages before it are placed.
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
        self._joint = Joint(order)
        # A token taken before the first row names no row to look for.
        self._search = CutSearch(resume, order=order) if resume is not None and resume.tail else None
        base = offset if resume is None or self._search is not None else max(offset, resume.offset)
        self._cursor = Cursor(base, page_size=page_size, most_rows=order.max_limit, overlaps=consistency == "exact")
        if self._search is not None:
            self._restart(self._search.offset - self._cursor.overlap)
            self._cursor.end = max(base, self._search.offset)
        self._max_items = max_items
        self._consistency: Consistency = consistency
        self._seen: set[int] | CompactKeys = set()
        self._offsets = OffsetCheck(base)
        self._verdict = Verdict(self.report, order=order, offset=base, is_resumed=self._search is not None)
        self._sequel = Sequel(self.report, self._verdict, self._cursor, order)
        if max_items == 0:
            self._finish(complete=None, why="max_items is 0")

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be asked or placed."""
        return self.phase is Phase.OVER

    def next_ask(self, depth: int) -> Ask | None:
        """Ask for the next page. None while ``depth`` pages are in flight, or no more is worth asking."""
        if self.is_over or len(self.out) >= depth or (self.out and not self._may_look_ahead()):
            return None
        head = self._sequel.head
        ask = self._cursor.next_ask(self.phase, self.out, self._wanted()) if head is None else head.next_ask()
        if ask is not None:
            self.out.append(ask)
        return ask

    def ask_again(self) -> None:
        """Forget the pages in flight, because they were cancelled or failed. The walk asks for them anew."""
        if self.out:
            self._restart(self.out[0].offset)

    def ask_for_less(self, ask: Ask, *, is_refused: bool) -> bool:
        """Do with fewer rows a page after a refusal or failure. False if that would not help."""
        return self._cursor.ask_for_less(ask, is_refused=is_refused)

    def place(self, ask: Ask, page: Page[Any]) -> Sequence[int]:
        """Take the answer to the oldest ask; give the indexes of its rows to deliver, in order.

        Raises PaginationError if the server ignores the offset, or the cut to resume from cannot be found.
        """
        if ask not in self._joint.waiting:
            self._record(ask, page)
        start = 0
        if self._search is not None:
            # The token's rows were delivered before the cut, even if they stand elsewhere now.
            was_found = self._search.is_found
            start = self._search.find(page, self._seen)
            if not self._search.is_found:
                self._restart(self._search.next_offset(ask, page, base=self._cursor.base, overlap=self._cursor.overlap))
                return []
            if not was_found:
                self._cursor.end = ask.offset + start
                self._seen.update(page.keys[:start])
        if self.is_over or not self._join(ask, page, start):
            return []
        fresh = self._new_rows(ask, page, start)[: self._wanted()]
        self.out.pop(0)
        self._joint.waiting.pop(ask, None)
        if self._consistency != "none":
            self._seen.update(pick(fresh, page.keys))
            if isinstance(self._seen, set) and len(self._seen) >= MANY_KEYS:
                self._seen = CompactKeys(self._seen)
            self._verdict.record_new(page, fresh)
        self.report.rows_placed += len(fresh)
        self.report.caught_up += 0 if ask.phase is Phase.FIRST else len(fresh)
        if self._wanted() <= 0:
            total, met = self._verdict.total, self._cursor.base + self.report.rows_placed
            is_more = self._search is None and total.is_known and total.latest > met
            self._finish(complete=False if is_more else None, why=f"stopped at max_items={self._max_items}")
        elif self._advance(ask, page, fresh):
            self._end_phase()
        return fresh

    # -- reading a page --------------------------------------------------------------------------------------------

    def _record(self, ask: Ask, page: Page[Any]) -> None:
        report = self.report
        report.pages += 1
        report.rows_received += len(page.keys)
        self._offsets.check(ask, page)
        self._verdict.record_answer(ask.offset, page)
        if page.count is not None:
            report.count_at_start = page.count if report.pages == 1 else report.count_at_start
            report.count_at_end = self._verdict.total.latest
        if self._offsets.is_list_whole:
            self._finish(complete=None, why=_LIST_WHOLE)

    def _join(self, ask: Ask, page: Page[Any], start: int) -> bool:
        """Tell whether a page, from ``start`` on, joins the placed rows. Step back if it does not."""
        cursor, joint = self._cursor, self._joint
        is_behind = ask.phase is Phase.FIRST and cursor.base < ask.offset and ask.offset + start < cursor.end
        if not (is_behind and cursor.overlap) or joint.is_unsteady or joint.holds(page, self._seen):
            return True
        step = joint.step_back(page, self._seen, overlap=cursor.overlap, rows=cursor.given)
        if joint.is_unsteady:
            return True
        self.report.steps_back += 1
        cursor.overlap_more(2 * cursor.margin)
        tries = joint.waiting.get(ask, 0)
        if page.keys and step <= cursor.most_rows // 2 and tries < _MAX_GAPS:
            # One more page shall fill the gap before this one, which waits with the others in flight. It overlaps this
            # one by a page's length, since rows may sink meanwhile, and is as long as can be if they sink by more.
            joint.waiting[ask] = tries + 1
            limit = cursor.most_rows if tries else min(cursor.limit + step, cursor.most_rows)
            self.out.insert(0, Ask(Phase.FIRST, max(cursor.base, ask.offset - step), limit))
        else:
            self._restart(ask.offset - step)
        return False

    def _new_rows(self, ask: Ask, page: Page[Any], start: int) -> Sequence[int]:
        """Find the rows to deliver, and learn from the others."""
        keys, seen, cursor = page.keys, self._seen, self._cursor
        if self._consistency == "none":
            self._offsets.watch(ask, page, has_news=keys != self._offsets.last)
            # This mode keeps no memory, so all rows are given, except a token's.
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
                cursor.overlap_more(expected - known_first)
            self._joint.record(page, has_news=bool(fresh))
            if not self._sequel.top.is_known:
                self._sequel.top.record(ask.offset, page)
        return fresh

    # -- choosing the next page ------------------------------------------------------------------------------------

    def _advance(self, ask: Ask, page: Page[Any], fresh: Sequence[int]) -> bool:
        """Advance past a page; tell whether it was the last of its phase."""
        if self._sequel.head is not None:
            self._sequel.head.record(page, fresh)
            return self._sequel.head.is_over
        cursor, verdict, total = self._cursor, self._verdict, self._verdict.total
        rows, before, end = len(page.keys), cursor.end, ask.offset + len(page.keys)
        is_short, was_short = cursor.record(ask, rows)
        is_trusted = total.is_known or self._consistency != "exact"
        # The first page after an offset may be cut short, right at the end of a count too low.
        is_end_told = is_short and page.count == end and is_trusted and (cursor.pages > 1 or verdict.doubt is None)
        verdict.is_end_shown = is_end_told or not rows
        verdict.is_one_answer = total.is_known and ask.offset == 0 and page.count == rows
        # The limit may have fallen to the overlap if there is no count: then the next page is no shorter.
        is_end_guessed = is_short and was_short and not fresh and end <= before and not total.is_known
        known = self.report.rows_placed - verdict.told_newcomers
        if verdict.pages_in_vain > _MIN_PAGES_IN_VAIN + _MAX_READINGS * cursor.pages_of(known):
            verdict.doubt = verdict.doubt or f"the end of the list was not met in {cursor.pages} pages"
            return True
        if not rows or page.is_all or is_end_told or is_end_guessed:
            return True
        if is_short:
            # The server gives fewer rows than asked for. The pages in flight would leave gaps.
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
        """Drop the pages in flight, and begin the next page at ``offset``."""
        self.out.clear()
        self._joint.waiting.clear()
        self._cursor.next_offset = max(self._cursor.base, offset)

    def _may_look_ahead(self) -> bool:
        if self.phase is Phase.HEAD:
            return False
        last, total = self.out[-1], self._verdict.total
        if self._cursor.pages and total.is_known:
            # A full last page needs another one behind it, to show the end.
            return last.offset + min(last.limit, self._cursor.given) <= total.latest
        # The end is unknown: look twice as far ahead with each full page.
        return len(self.out) < 1 << min(max(0, self._cursor.full_pages - 1), _MAX_DOUBLINGS)

    def _wanted(self) -> int:
        return _NO_BOUND if self._max_items is None else self._max_items - self.report.rows_placed


def _fresh(keys: Sequence[int], start: int, seen: set[int] | CompactKeys) -> Sequence[int]:
    """Give the indexes of unknown rows from ``start`` on; a row with two places there is new once."""
    rest = keys[start:]
    if len(set(rest)) == len(rest) and seen.isdisjoint(rest):
        # The usual page, recognized in a few passes of C.
        return range(start, len(keys))
    first = {key: index for index, key in reversed(list(enumerate(rest, start)))}
    return sorted(index for key, index in first.items() if key not in seen)
