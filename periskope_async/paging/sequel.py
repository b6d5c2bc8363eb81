"""What comes after the main pass: a peek behind the end, the head of the list, and further passes (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.paging.again import Again
from periskope_async.paging.ask import Phase
from periskope_async.paging.catch_up import HeadCatchUp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.paging.ask import Answered
    from periskope_async.paging.evidence import Evidence
    from periskope_async.paging.plan import Plan

__all__ = ["Sequel"]


class Sequel:
    """Decides on the next phase, where one has ended."""

    def __init__(self, evidence: Evidence, plan: Plan) -> None:
        self.head: HeadCatchUp | None = None
        """The reading of the head, while it goes on."""
        self._again = Again()
        self._evidence = evidence
        self._plan = plan
        self._has_peeked = False

    @property
    def may_peek_ahead(self) -> bool:
        """Whether it is of use to peek behind the end as soon as the last page is out."""
        return self._may_peek and self._rests_on_count

    def was_peeked(self) -> None:
        """Note that what lies behind the end is known, or cannot be."""
        self._has_peeked, self._plan.is_to_peek = True, False
        self._plan.out[:] = [ask for ask in self._plan.out if ask.phase is not Phase.PEEK]

    def caught_up(self, answer: Answered, fresh: Sequence[int]) -> bool:
        """Take a page of the head, and which of its rows are new; tell whether it was the last."""
        head = self.head
        if head is None:
            return True
        head.met([answer.time_of(index) for index in range(len(answer.keys))], fresh=fresh, date=answer.cut_after)
        if head.is_over:
            self._evidence.is_head_unclear = head.is_stuck
            self._evidence.doubt = self._evidence.doubt or head.doubt
        return head.is_over

    def after(self, phase: Phase, *, missing: int) -> Phase | None:
        """Begin what follows on a phase, None where nothing does.

        ``missing`` is how many rows fewer were met than the server counts.
        """
        plan, evidence = self._plan, self._evidence
        if phase is Phase.MAIN:
            if self._may_peek and self._rests_on_count and evidence.lacks_right_count:
                return Phase.PEEK
            if evidence.is_head_to_be_read():
                self.head = HeadCatchUp(
                    since=evidence.passed_head,
                    newest=evidence.newest,
                    timeless=evidence.timeless,
                    most=plan.most_rows,
                    largest=evidence.largest,
                    least=evidence.end.rows_to_show_it,
                    end=plan.cursor,
                    is_reversed=not evidence.order.is_newest_first,
                )
                return Phase.HEAD
        self.head = None
        if plan.base > 0 or not self._again.is_worth_it(evidence, plan, missing=missing):
            return None
        evidence.begins_again()
        plan.turn_round()
        return Phase.AGAIN

    @property
    def _may_peek(self) -> bool:
        count = self._evidence.count
        return not (self._has_peeked or self._evidence.is_unprovable) and count.is_total and count.beyond(0) > 0

    @property
    def _rests_on_count(self) -> bool:
        """Whether a proof would rest on the count alone: the head is not read, which would show where the end is."""
        return self._plan.base > 0 or not self._evidence.order.is_newest_first
