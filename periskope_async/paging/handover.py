"""How far a walk has handed its rows over, and so where it would be cut now (pure)."""

from __future__ import annotations

from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.paging.resume import Place, mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from periskope_async.paging.page import Page

__all__ = ["Handover"]

T = TypeVar("T")

_TAIL_ROWS = 5
_CAUGHT_UP_ROWS = 20
# What tells a row, and its sort time.
_Named: TypeAlias = "tuple[tuple[tuple[str | None, ...], float | None], ...]"


class _Reached(Struct, frozen=True):
    """How far a walk has handed its rows over."""

    offset: int
    delivered: int
    named: _Named = ()
    """The last rows of the main pass."""
    caught_up: _Named = ()
    """The last rows that were caught up."""


class Handover:
    """Where a walk would be cut now, kept at no cost a row."""

    __slots__ = ("_begun", "_is_newest_first", "_page", "_rows", "_settled", "_taken")

    def __init__(self, begun: Place, *, is_newest_first: bool) -> None:
        self._begun = begun
        self._is_newest_first = is_newest_first
        self._settled = _Reached(self._begun.offset, self._begun.delivered)
        self._page: Page[Any] | None = None
        self._rows: Iterator[Any] = iter(())
        self._taken = 0

    def turn_to(self, page: Page[Any], *, is_handed_over: bool = False) -> None:
        """Begin a page: its rows are to be taken in batches, or were handed over all at once."""
        self._page = page
        self._taken = len(page.items) if is_handed_over else 0

    def take(self, batch: Sequence[T]) -> Iterator[T]:
        """Begin the page's next rows; give them, to be handed over one by one."""
        self._taken += len(batch)
        self._rows = rows = iter(batch)
        return rows

    def settle(self) -> None:
        """Note how far the page was handed over, and let go of it: its memory serves the next one."""
        self._settled = self._reached()
        self._page, self._rows = None, iter(())

    def place(self) -> Place:
        """Where the last row that was handed over lay."""
        begun, now = self._begun, self._reached()
        marks = tuple(mark(identity, time) for identity, time in now.named)
        caught_up = tuple(mark(identity, time) for identity, time in now.caught_up)
        return Place(
            begun.query,
            now.offset,
            now.delivered,
            (*begun.tail, *marks)[-_TAIL_ROWS:],
            now.named[-1][1] if now.named else begun.time,
            (*begun.caught_up, *caught_up)[-_CAUGHT_UP_ROWS:],
        )

    def _reached(self) -> _Reached:
        before, page = self._settled, self._page
        done = self._taken - length_hint(self._rows)
        if page is None or not done:
            return before
        kept = _TAIL_ROWS if page.ends is not None else _CAUGHT_UP_ROWS
        rows = tuple((page.identity(index), page.sort_time(index)) for index in range(max(0, done - kept), done))
        delivered = before.delivered + done
        if page.ends is not None:
            return _Reached(page.ends[done - 1], delivered, (*before.named, *rows)[-kept:], before.caught_up)
        if self._is_newest_first:
            # It was caught up behind the reader: to go on from there would be to go back.
            return replace(before, delivered=delivered)
        # It stands at the end, where a resumed walk would meet it again.
        return replace(before, delivered=delivered, caught_up=(*before.caught_up, *rows)[-kept:])
