"""Where a resumed walk goes on: looking for the row behind which it was cut (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.errors import PaginationError

if TYPE_CHECKING:
    from periskope_async.paging.ask import Answered, Ask
    from periskope_async.paging.plan import Plan
    from periskope_async.wire.order import Order

__all__ = ["CutSearch"]


class CutSearch:
    """The way from the place where the cut lay to where it lies now.

    ``time`` is the sort time of the last row that was delivered, None where it had none or it is not known.
    """

    def __init__(self, *, time: float | None, order: Order) -> None:
        self._time = time
        self._is_newest_first = order.is_newest_first
        self._is_going_on = False
        self._step = 0

    def next_offset(self, ask: Ask, answer: Answered, plan: Plan) -> int:
        """Where to look next, since a page does not show the cut. Raises PaginationError where it is nowhere."""
        rows = len(answer.keys)
        if rows == 0 and (self._is_going_on or ask.offset <= plan.base):
            raise PaginationError(
                "the list has changed too much to resume: none of the rows that the token names is where it stood; "
                "begin anew, without resume"
            )
        if not self._is_going_on and ask.offset > plan.base and not self._is_before(answer):
            # Rows above have left; or it has sunk, which the first page of all will show.
            self._step = max(2 * self._step, 2 * plan.overlap, 1)
            return ask.offset - self._step
        self._is_going_on = True
        return ask.offset + max(1, rows - plan.overlap)

    def _is_before(self, answer: Answered) -> bool:
        """Whether by their sort times all rows of a page stand before the cut."""
        last = answer.time_of(len(answer.keys) - 1) if answer.keys else None
        if last is None or self._time is None:
            return False
        return last > self._time if self._is_newest_first else last < self._time
