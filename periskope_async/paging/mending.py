"""What to do about a page that does not join what was placed: rows may lie in between (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.paging.ask import Ask
    from periskope_async.paging.plan import Plan

__all__ = ["Mending"]

# Steps back in a row that found no new row: whatever moves there, nothing was pulled up.
_MOST_FUTILE = 8


class Mending:
    """Asks for what lies before such a page, and keeps that page for later.

    A row in between may wake up before the gap is filled: then it is found with all others that did, after the end.
    Where a page in between will not do, the walk goes back and reads everything from there again.
    """

    def __init__(self) -> None:
        self.held: Ask | None = None
        """The page that waits for the gap before it to be filled."""
        self._step = self._futile = 0
        self._older: list[Ask] = []

    @property
    def is_in_vain(self) -> bool:
        """Whether stepping back has found nothing for long."""
        return self._futile >= _MOST_FUTILE

    def drop(self) -> None:
        """Forget the pages that were out: they are asked for anew, and cut later."""
        self.held = None
        self._older = []

    def was_cut_before_gap(self, ask: Ask) -> bool:
        """Whether a page was out already when the last gap was asked for, and so is likely to be older."""
        return any(ask is other for other in self._older)

    def was_placed(self, ask: Ask, *, rows: int) -> None:
        """Take note of a page that was placed, and how many new rows it held."""
        self._step = 0
        self.held = None if ask is self.held else self.held
        self._futile = 0 if rows else self._futile

    def gap_before(self, ask: Ask, plan: Plan) -> Ask | None:
        """Give the page to fill the gap with; None where the plan has gone back instead."""
        self._futile += 1
        plan.rose(plan.overlap)
        # A page of half the rows costs no more of the limit than one of a few.
        self._step = max(4 * self._step, plan.given // 2, 1)
        if ask is self.held or self._step > plan.most_rows // 2:
            plan.go_on_from(ask.offset - self._step)
            self._older = []
            return None
        if ask.is_gap:
            # What was asked for did not reach far enough: the page behind it waits on.
            plan.out.remove(ask)
            ask = plan.out[0]
        self.held = ask
        self._older = list(plan.out)
        return plan.gap_before(ask, step=self._step)
