"""The walk over a list that moves while it is read (pure): from what was asked and what came, to what to place and ask.

An offset is a place in a list, not a row. What wakes up or comes in above the reader pushes rows down (they are met
twice); what goes away above pulls rows up (they are skipped). So each page overlaps the one before by a **seam** of
rows that are known. The rows from a known one to the end of its page are contiguous, whatever moved: as long as a page
begins with a known row, nothing was skipped. Where it does not, the walk steps back, doubling, until it does.

Two things can escape that. A row that wakes up jumps behind the reader in the newest-first orders: after the end the
walk catches up at the head (:mod:`periskope_async.paging.catch_up`). And rows of equal sort key (most chats share one
``created_at``) may change places between two pages: where fewer rows were met than the server counts, the walk goes
over the list again in the opposite order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.errors import PaginationError
from periskope_async.paging.ask import Answered, Ask, Consistency, Phase
from periskope_async.paging.catch_up import HeadCatchUp
from periskope_async.paging.count import Count
from periskope_async.paging.evidence import Evidence
from periskope_async.paging.offset_watch import OffsetWatch
from periskope_async.paging.report import WalkReport
from periskope_async.paging.seam import Seam, Sorted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Walk"]

_SEAM = 3
_NO_BOUND = 1 << 62


class Walk:
    """The state of one walk.

    :meth:`next_ask` gives pages to ask for, ahead of what was answered; :meth:`place` takes the answers in the order of
    the asks, and gives the indexes of the rows to deliver. When :attr:`must_restart` is set after a call, asks that are
    still out were made under a wrong assumption and are to be dropped.
    """

    def __init__(
        self,
        *,
        page_size: int,
        offset: int = 0,
        max_items: int | None = None,
        consistency: Consistency = "exact",
        is_newest_first: bool = True,
        resume_at: int | None = None,
        passes: int = 1,
    ) -> None:
        self.report = WalkReport()
        self.page_size = page_size
        self.must_restart = False
        self.is_resuming = resume_at is not None
        """Whether the cut that the walk goes on from has not been met yet."""
        self._is_searching = False
        self._base = offset
        self._max_items = max_items
        self._consistency: Consistency = consistency
        self._is_newest_first = is_newest_first
        self._passes_left = passes
        self._phase: Phase | None = Phase.MAIN
        self._cursor = offset if resume_at is None else max(offset, resume_at)  # one past the last row placed
        self._given = page_size  # rows of a full page: fewer than asked for where the server clamps the limit
        self._next_offset = max(offset, self._cursor - self._overlap())
        self._asked: list[Ask] = []
        self._count = Count()
        self._watch = OffsetWatch()
        self._seen: set[int] = set()
        self._seam = Seam(is_newest_first=is_newest_first)
        self._last_page: Sequence[int] = ()
        self._step_back = 0
        self._head: HeadCatchUp | None = None
        self._evidence = Evidence(is_newest_first=is_newest_first)
        if self.is_resuming:
            self._evidence.doubt = "it was resumed: what was read before the cut is not known any more"
        if max_items == 0:
            self._finish(complete=False, why="max_items is 0")

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be asked or placed."""
        return self._phase is None

    def next_ask(self, depth: int) -> Ask | None:
        """Give the next page to ask for, or None while ``depth`` pages are out or no more is worth asking."""
        most = 1 if self._watch.is_suspicious else min(depth, self._count.look_ahead)
        if self._phase is None or len(self._asked) >= most:
            return None
        if self._head is not None:
            if self._asked:
                return None
            ask = Ask(Phase.HEAD, self._head.offset, self._head.limit)
        else:
            reach = self._reach()
            wanted = self._wanted() - (reach - self._cursor)
            if wanted <= 0 or (self._asked and self._count.is_passed_by(reach)):
                return None
            known_ahead = max(0, reach - self._next_offset)
            ask = Ask(self._phase, self._next_offset, min(self.page_size, wanted + known_ahead))
            self._next_offset += max(1, min(ask.limit, self._given) - self._overlap())
        self._evidence.has_read_at_once |= bool(self._asked)
        self._asked.append(ask)
        return ask

    def drop_asked(self) -> None:
        """Forget the pages that are out, after a restart or because they were cancelled; they are asked anew."""
        if self._asked:
            self._next_offset = self._asked[0].offset
            self._asked.clear()
        self.must_restart = False

    def halve_page(self, ask: Ask) -> bool:
        """Ask for half from now on, since the server refused ``limit``. False where half of it is nothing."""
        if self._head is not None:
            self._head.clamp(ask.limit // 2)
        else:
            self.page_size = self._given = max(1, ask.limit // 2)
        return ask.limit > 1

    def place(self, ask: Ask, answer: Answered) -> list[int]:
        """Take the answer to the oldest ask out; give the indexes of its rows to deliver, in order.

        Raises PaginationError where the server ignores the offset, or the cut to resume from cannot be found.
        """
        self._asked.remove(ask)
        self._book(answer)
        self._watch.check(ask, answer)
        if ask.phase is Phase.MAIN and self._is_adrift(ask, answer) and not self._has_changed_places(answer):
            self._go_back(ask)
            return []
        fresh = self._fresh(ask, answer)
        if ask.offset > self._base and self._overlap() == 0 and (fresh or self.page_size == 1):
            self._evidence.doubt = "pages of one row cannot overlap, so what moved between them went unseen"
        del fresh[self._wanted() :]
        if self._consistency != "none":
            self._seen.update(answer.keys[index] for index in fresh)
        self.report.rows_placed += len(fresh)
        if ask.is_behind:
            self.report.caught_up += len(fresh)
        if self._wanted() <= 0:
            self._finish(complete=False, why=f"stopped at max_items={self._max_items}")
        elif self._head is not None:
            self._catch_up(self._head, answer, fresh)
        else:
            self._advance(ask, answer, has_fresh=bool(fresh))
        return fresh

    # -- what a page says ------------------------------------------------------------------------------------------

    def _book(self, answer: Answered) -> None:
        report = self.report
        report.pages += 1
        report.rows_received += len(answer.keys)
        if answer.count is not None:
            if report.pages == 1:
                report.count_at_start = answer.count
            report.count_at_end = answer.count
        self._count.was_told(answer.count)
        self._evidence.was_told(answer.count)

    def _is_adrift(self, ask: Ask, answer: Answered) -> bool:
        """Whether rows may lie between this page and what was placed: its first row is not a known one."""
        if ask.offset <= self._base or self._is_searching:
            return False
        if self.is_resuming:
            return answer.resumed_after is None
        if self._overlap() == 0 or ask.offset >= self._cursor:
            return False
        # An empty page where known rows lay a moment ago says as much: the list has shrunk under the reader.
        return not self._seam.joins(answer.keys, self._seen, answer.time_of)

    def _go_back(self, ask: Ask) -> None:
        self.report.steps_back += 1
        self._step_back = max(2 * self._step_back, 2 * self._overlap(), 1)
        self._next_offset = max(self._base, ask.offset - self._step_back)
        self._asked.clear()
        self.must_restart = True

    def _fresh(self, ask: Ask, answer: Answered) -> list[int]:
        keys, start = answer.keys, 0
        if self.is_resuming:
            if answer.resumed_after is None:
                return self._search_on(ask, keys)
            # All up to here was delivered before the cut.
            start = answer.resumed_after + 1
            self.is_resuming = self._is_searching = False
            self._seen.update(keys[:start])
        if self._consistency == "none":
            # Without memory, only an answer that repeats the one before can be told from a new one.
            repeats = len(keys) == ask.limit and ask.offset > self._base and list(keys) == list(self._last_page)
            self._watch.count_barren(ask, is_barren=repeats)
            self._last_page = keys
            return list(range(start, len(keys)))
        told = self._seam.sort(keys[start:] if start else keys, self._seen)
        fresh = [index + start for index in told.fresh] if start else told.fresh
        if ask.phase is Phase.MAIN and not start:
            self._judge_seam(ask, answer, told)
        return fresh

    def _search_on(self, ask: Ask, keys: Sequence[int]) -> list[int]:
        """Pass over rows until the cut is met: it is nowhere above, so it has sunk."""
        self._is_searching = True
        if len(keys) < ask.limit:
            raise PaginationError("the list has changed too much to resume: no row of the token is in it any more")
        return []

    def _has_changed_places(self, answer: Answered) -> bool:
        """Whether a page that begins with a new row shows rows that changed places: then nothing was pulled up.

        Once rows are seen to change places, to step back finds nothing that going over the list again does not.
        """
        if not self._evidence.are_shuffled:
            told = self._seam.sort(answer.keys, self._seen)
            self._evidence.are_shuffled = told.has_changed_places(answer.time_of)
        return self._evidence.are_shuffled

    def _judge_seam(self, ask: Ask, answer: Answered, told: Sorted) -> None:
        """Compare the rows that this page shares with what was placed, and account for what moved."""
        rows = len(answer.keys)
        known = rows - len(told.fresh)
        expected = max(0, min(self._cursor - ask.offset, rows))
        self.report.duplicates += max(0, known - expected)
        self._watch.count_barren(ask, is_barren=known == rows == ask.limit)
        if told.known_first:
            self.report.inserted += max(0, told.known_first - expected)
            self.report.removed += max(0, expected - told.known_first)
        if told.has_changed_places(answer.time_of, expected=expected):
            self._evidence.may_be_shuffled = True
        self._seam.extend(answer.keys, answer.time_of)
        self._evidence.look_at(ask, answer)

    # -- where to go next ------------------------------------------------------------------------------------------

    def _advance(self, ask: Ask, answer: Answered, *, has_fresh: bool) -> None:
        keys = answer.keys
        end = ask.offset + len(keys)
        is_short = len(keys) < min(ask.limit, self._given)
        nothing_beyond = not has_fresh and end <= self._cursor
        self._step_back = 0
        self._cursor = max(self._cursor, end) if keys else self._cursor
        self._count.was_reached(end, has_rows=bool(keys), is_full=not is_short)
        # A first page that is short of its own count proves no end: a server that clamps the limit and counts the page
        # looks the same. The exact walk asks once more then.
        is_told = self._count.is_passed_by(end) and (self._consistency != "exact" or self._count.is_proven)
        if not keys or answer.is_all or (is_short and (is_told or nothing_beyond)):
            self._end_phase(ask.phase)
        elif is_short:
            # The server may give fewer rows than asked for: what is out beyond this page would leave gaps.
            self._given = len(keys)
            self._go_on_from(end)
        elif not self._asked or self._watch.is_suspicious:
            self._go_on_from(end)

    def _go_on_from(self, end: int) -> None:
        self._next_offset = max(self._base, end - self._overlap())
        self.must_restart = bool(self._asked)
        self._asked.clear()

    def _catch_up(self, head: HeadCatchUp, answer: Answered, fresh: Sequence[int]) -> None:
        times = [answer.time_of(index) for index in range(len(answer.keys))]
        head.met(times, fresh=fresh, date=answer.date)
        if head.is_over:
            self._head = None
            if not head.is_proven:
                self._evidence.doubt = "the list moves faster at its head than it can be caught up"
            self._end_phase(Phase.HEAD)

    def _end_phase(self, phase: Phase) -> None:
        """Decide what is left to look for, now that the end of the list was met."""
        self._asked.clear()
        self.must_restart = True
        missing = self._count.beyond(self._base + len(self._seen))
        if self._consistency != "exact":
            self._finish(complete=None, why=f'consistency="{self._consistency}" does not look for what moved')
        elif self._is_head_to_be_read(phase):
            self._phase = Phase.HEAD
            self._evidence.is_head_read = True
            self._head = HeadCatchUp(since=self._evidence.began, timeless=self._evidence.timeless)
        elif missing > 0 and self._passes_left > 0 and self._evidence.doubt is None:
            self._passes_left -= 1
            self.report.passes += 1
            self._phase, self._next_offset, self._cursor = Phase.AGAIN, self._base, self._base
        else:
            complete, why = self._evidence.verdict(
                self.report,
                missing=missing,
                is_count_proven=self._count.is_proven,
            )
            self._finish(complete=complete, why=why)

    def _is_head_to_be_read(self, phase: Phase) -> bool:
        """Whether rows may have jumped behind the reader; one answer that holds all of them needs no second look."""
        is_exposed = self._is_newest_first and self._base == 0 and self.report.pages > 1
        return phase is Phase.MAIN and is_exposed and self._evidence.doubt is None

    def _finish(self, *, complete: bool | None, why: str) -> None:
        self._phase = None
        self._asked.clear()
        self.must_restart = True
        self.report.complete, self.report.why = complete, why

    def _wanted(self) -> int:
        return _NO_BOUND if self._max_items is None else self._max_items - self.report.rows_placed

    def _reach(self) -> int:
        """One past the last row that has been placed or asked for."""
        asked = self._asked[-1:]
        return max(self._cursor, *(last.offset + min(last.limit, self._given) for last in asked), 0)

    def _overlap(self) -> int:
        """Rows that a page shares with the one before: a few, and never so many that small pages get nowhere."""
        if self._consistency != "exact" or self._given == 1:
            return 0
        return min(_SEAM, max(1, self._given // 10))
