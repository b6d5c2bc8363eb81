"""The offset walk as a pure state machine: given what was asked and what came back, what to place and what to ask next.

A page is asked a few rows before the place that was reached, so that it shows rows that are known already: the seam.
Where the known rows stand where they stood, nothing moved. Where they have sunk, rows came in above. Where they are
gone, rows above have left, or another page was cut at another moment: a small page before it is asked for, so that
nothing is passed over. Each row is placed once.

An offset alone cannot do more than that. A row that wakes up jumps behind the reader in the newest-first orders: after
the end the walk catches up at the head. Rows of equal sort key (most chats share one ``created_at``) may change places
between two pages: while fewer rows were met than the server counts, or to make sure, the walk goes over the list again.
And the end itself may be none (:mod:`periskope_async.paging.sequel`, and :mod:`periskope_async.paging.evidence`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.paging.ask import Answered, Ask, Consistency, Phase, pick
from periskope_async.paging.count import Count
from periskope_async.paging.cut import CutSearch
from periskope_async.paging.ending import Ending
from periskope_async.paging.evidence import Evidence
from periskope_async.paging.mending import Mending
from periskope_async.paging.offset_watch import OffsetWatch
from periskope_async.paging.plan import Plan
from periskope_async.paging.report import WalkReport
from periskope_async.paging.seam import Seam, Sorted
from periskope_async.paging.sequel import Sequel
from periskope_async.wire.order import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Walk"]

_NO_BOUND = 1 << 62
_NEWEST_FIRST = Order()


class Walk:
    """The state of one walk.

    :meth:`next_ask` gives pages to ask for, ahead of what was answered; :meth:`place` takes the answers in the order of
    the asks, and gives the indexes of the rows to deliver. After each call of it:

    - where :attr:`gap` is set, that page is to be asked for and placed first of all; and where the page just given
      still :meth:`is_out`, it is to be given again behind it;
    - where :attr:`must_restart` is set, asks that are still out were made under a wrong assumption and are to be
      dropped.
    """

    def __init__(
        self,
        *,
        page_size: int,
        offset: int = 0,
        max_items: int | None = None,
        consistency: Consistency = "exact",
        order: Order = _NEWEST_FIRST,
        resume_at: int | None = None,
        resume_time: float | None = None,
    ) -> None:
        self.report = WalkReport()
        self.gap: Ask | None = None
        self.must_restart = False
        self._search = CutSearch(time=resume_time, order=order) if resume_at is not None else None
        self._max_items = max_items
        self._consistency: Consistency = consistency
        self._phase: Phase | None = Phase.MAIN
        self._plan = Plan(
            page_size=page_size,
            base=offset,
            cursor=offset if resume_at is None else max(offset, resume_at),
            is_overlapping=consistency == "exact",
        )
        self._count = Count()
        self._watch = OffsetWatch()
        self._seen: set[int] = set()
        self._seam = Seam(is_newest_first=order.is_newest_first)
        self._mending = Mending()
        self._ending = Ending()
        self._evidence = Evidence(self.report, self._count, order=order, base=offset, is_resumed=resume_at is not None)
        self._sequel = Sequel(self._evidence, self._plan)
        if max_items == 0:
            self._finish(complete=False, why="max_items is 0")

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be asked or placed."""
        return self._phase is None

    def is_out(self, ask: Ask) -> bool:
        """Whether a page has not been placed for good."""
        return ask in self._plan.out

    def next_ask(self, depth: int) -> Ask | None:
        """Give the next page to ask for, or None while ``depth`` pages are out or no more is worth asking."""
        out = self._plan.out
        most = 1 if self._watch.is_suspicious else min(depth, self._count.look_ahead)
        if self._phase is None or len(out) >= most or (out and self._phase in {Phase.HEAD, Phase.PEEK}):
            return None
        if self._sequel.head is not None:
            out.append(self._sequel.head.next_ask())
            return out[-1]
        if self._phase is Phase.PEEK:
            return self._plan.peek(self._count)
        may_peek = self._phase is Phase.MAIN and self._consistency == "exact" and self._sequel.may_peek_ahead
        return self._plan.next_page(self._phase, wanted=self._wanted(), count=self._count, may_peek=may_peek)

    def drop_asked(self) -> None:
        """Forget the pages that are out, after a restart or because they were cancelled; they are asked anew."""
        self._plan.ask_again()
        self._mending.drop()
        self.gap = None
        self.must_restart = False

    def ask_for_less(self, ask: Ask, *, is_refused: bool) -> bool:
        """Do without a page that was refused or did not come, or with fewer rows a page. False where it cannot."""
        if ask.phase is Phase.PEEK:
            # A server may refuse to look there. Then nothing vouches for its count.
            self._was_peeked()
            self.must_restart = False
            return True
        most = self._plan.ask_for_less(ask.limit, is_refused=is_refused)
        if most is not None and self._sequel.head is not None:
            self._sequel.head.clamp(most)
        return most is not None

    def place(self, ask: Ask, answer: Answered) -> Sequence[int]:
        """Take the answer to the oldest ask out; give the indexes of its rows to deliver, in order.

        Raises PaginationError where the server ignores the offset, or the cut to resume from cannot be found.
        """
        self.gap = None
        if ask is not self._mending.held:
            self._book(ask, answer)
            self._watch.check(ask, answer)
        if ask.phase is Phase.PEEK:
            return self._was_peeked()
        # Rows that the token names were delivered before the cut, wherever they are met now.
        self._seen.update(map(answer.keys.__getitem__, answer.named))
        if self._search is not None and answer.resumed_after is None:
            self.must_restart = True
            self._plan.go_on_from(self._search.next_offset(ask, answer, self._plan))
            return []
        if (
            ask.phase is Phase.MAIN
            and self._is_adrift(ask, answer)
            and not self._evidence.was_adrift(answer, self._seam, self._seen, is_in_vain=self._mending.is_in_vain)
        ):
            self.report.steps_back += 1
            self._ending.stepped_back()
            if self._is_outrun():
                self._end_phase(Phase.MAIN)
            else:
                self.gap = self._mending.gap_before(ask, self._plan)
                self.must_restart = self.gap is None
            return []
        self._plan.out.remove(ask)
        fresh = self._fresh(ask, answer)[: self._wanted()]
        is_blind = self._plan.overlap == 0 and self._consistency == "exact"
        if is_blind and ask.offset > self._plan.base and (fresh or self._plan.page_size == 1):
            self._evidence.was_not_seen("pages of one row cannot overlap, so a move between them would go unseen")
        if self._consistency != "none":
            self._seen.update(pick(fresh, answer.keys))
            self._evidence.met(ask, answer, fresh)
        self.report.rows_placed += len(fresh)
        self._mending.was_placed(ask, rows=len(fresh))
        self.report.caught_up += len(fresh) if ask.is_behind else 0
        if self._wanted() <= 0:
            self._finish(complete=False, why=f"stopped at max_items={self._max_items}")
        else:
            self._advance(ask, answer, fresh)
        return fresh

    # -- what a page says ------------------------------------------------------------------------------------------

    def _book(self, ask: Ask, answer: Answered) -> None:
        report = self.report
        report.pages += 1
        report.rows_received += len(answer.keys)
        if ask.phase is Phase.PEEK and not (answer.keys or answer.count):
            # Some servers count the rows as they give them, and none where they give none.
            self._count.was_empty_at(ask.offset)
            return
        if answer.count is not None:
            report.count_at_start = answer.count if report.pages == 1 else report.count_at_start
            report.count_at_end = answer.count
        self._count.was_told(answer.count, rows=len(answer.keys), offset=ask.offset, asked=ask.limit)
        self._evidence.was_told(ask, answer)

    def _is_adrift(self, ask: Ask, answer: Answered) -> bool:
        """Whether rows may lie between this page and what was placed: its first row is not a known one."""
        plan = self._plan
        if self._search is not None or ask.offset <= plan.base or plan.overlap == 0 or ask.offset >= plan.cursor:
            return False
        # An empty page where known rows lay a moment ago says as much: the list has shrunk under the reader.
        return not self._seam.joins(answer.keys, self._seen, answer.time_of, since=self._evidence.began)

    def _fresh(self, ask: Ask, answer: Answered) -> Sequence[int]:
        """Find the rows to deliver, and learn from the others."""
        keys, start = answer.keys, 0
        if self._search is not None and answer.resumed_after is not None:
            # All up to the cut was delivered before it.
            start = answer.resumed_after + 1
            self._search = None
            self._seen.update(keys[:start])
        if self._consistency == "none":
            # Without memory, only an answer that repeats the one before can be told from a new one.
            self._watch.look_for_repeats(ask, keys, base=self._plan.base)
            rest = range(start, len(keys))
            return [index for index in rest if index not in answer.named] if answer.named else rest
        told = self._seam.sort(keys, self._seen)
        if ask.phase is Phase.MAIN:
            if start:
                self._seam.extend(keys, answer.time_of, overlap=self._plan.overlap)
            else:
                self._judge_seam(ask, answer, told)
        elif ask.phase is Phase.AGAIN:
            self._watch.look_for_repeats(ask, keys, base=self._plan.base)
        return told.fresh

    def _judge_seam(self, ask: Ask, answer: Answered, told: Sorted) -> None:
        """Compare the rows that this page shares with what was placed, and account for what moved."""
        rows = len(answer.keys)
        known = rows - len(told.fresh)
        expected = max(0, min(self._plan.cursor - ask.offset, rows))
        self.report.duplicates += max(0, known - expected)
        reaches_on = not ask.is_gap and ask.offset + rows > self._plan.cursor
        self._watch.count_barren(ask, is_barren=known == rows and reaches_on, is_full=rows == ask.limit)
        if told.known_first:
            self.report.inserted += max(0, told.known_first - expected)
            self.report.removed += max(0, expected - told.known_first)
            if not ask.is_gap:
                self._plan.rose(expected - told.known_first)
        joint = self._seam.joint(answer.keys, told, answer.time_of, since=self._evidence.began)
        is_older = self._mending.was_cut_before_gap(ask)
        self._evidence.was_joined(ask, answer, told, joint, expected=expected, is_older=is_older)
        self._seam.extend(answer.keys, answer.time_of, overlap=self._plan.overlap)
        self._evidence.look_at(ask, answer)

    # -- where to go next ------------------------------------------------------------------------------------------

    def _advance(self, ask: Ask, answer: Answered, fresh: Sequence[int]) -> None:
        if ask.phase is Phase.HEAD:
            if self._sequel.caught_up(answer, fresh):
                self._end_phase(Phase.HEAD)
            return
        plan, ending, rows = self._plan, self._ending, len(answer.keys)
        end = ask.offset + rows
        is_short = rows < min(ask.limit, plan.given)
        gained = plan.reached(end, rows=rows)
        # Without memory nothing is known of what was there: then rows are given for as long as they come.
        has_old = self._consistency == "none" or self._evidence.has_old(answer, fresh, gets_on=ending.gets_on(gained))
        ending.was_placed(rows=rows, gained=gained, has_old=has_old, is_gap=ask.is_gap)
        if ask.is_gap:
            if rows < ask.limit:
                self.must_restart = plan.go_on_behind(end)
            return
        self._evidence.end.reached(ask, rows, gained=gained, cursor=plan.cursor)
        self._count.was_reached(end, has_rows=rows > 0, is_full=not is_short)
        # A server that clamps the limit and counts the page looks the same: the exact walk asks once more.
        is_told = self._count.is_passed_by(end) and (self._consistency != "exact" or self._count.is_proven)
        # What is read after a cut is not proven, and nothing is known of what lies further back.
        is_to_prove = self._consistency == "exact" and not self._evidence.is_unprovable
        # From an offset on no further pass finds what a limit that fell has cut off.
        is_cut = plan.base > 0 and self._count.beyond(end) > 0
        few = None if is_to_prove else plan.overlap
        is_seen = ending.judge(rows, is_short=is_short, shows_nothing=not (fresh or gained), is_cut=is_cut, few=few)
        if not rows or answer.is_all or is_seen or (is_short and is_told) or self._is_outrun():
            self._end_phase(ask.phase)
        elif is_seen is None:
            self.must_restart = plan.go_on_behind(end, overlap=2 * rows)
        elif is_short and is_to_prove and self._count.may_be_one_page:
            self.must_restart, plan.is_to_peek = plan.go_on_behind(end), True
        elif is_short:
            # The end, or fewer rows than asked for, so that what is out would leave gaps: the next page tells.
            self.must_restart = plan.go_on_behind(end)
            plan.given = rows
        elif not plan.out or self._watch.is_suspicious:
            self.must_restart = plan.go_on_behind(end)

    def _is_outrun(self) -> bool:
        if is_outrun := self._ending.is_out_of_reach(known=len(self._seen)):
            self._evidence.was_not_seen("the list moves as fast as it is read: its end was out of reach")
        return is_outrun

    def _was_peeked(self) -> Sequence[int]:
        self._sequel.was_peeked()
        if self._phase is Phase.PEEK or self._count.was_one_page:
            self._end_phase(Phase.MAIN)
        return []

    def _end_phase(self, phase: Phase) -> None:
        """Decide what is left to look for, now that the end of the list was met."""
        plan, evidence = self._plan, self._evidence
        if [ask.phase for ask in plan.out] == [Phase.PEEK]:
            self._phase = Phase.PEEK
            return
        plan.out.clear()
        self.must_restart = True
        if self._consistency != "exact":
            why = f'consistency="{self._consistency}" does not look for what moved'
            self._finish(complete=None, why=evidence.doubt or why)
            return
        missing = self._count.beyond(plan.base + len(self._seen))
        self._phase = self._sequel.after(phase, missing=missing)
        if self._phase is Phase.AGAIN:
            self._ending = Ending()
        elif self._phase is None:
            complete, why = evidence.verdict(missing=missing)
            self._finish(complete=complete, why=why)

    def _finish(self, *, complete: bool | None, why: str) -> None:
        self._phase, self.must_restart = None, True
        self._plan.out.clear()
        self.report.complete, self.report.why = complete, why

    def _wanted(self) -> int:
        return _NO_BOUND if self._max_items is None else self._max_items - self.report.rows_placed
