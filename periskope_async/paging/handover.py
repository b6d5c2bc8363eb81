"""How far a walk has delivered its rows, and so its cut: the place to resume from (pure)."""

from __future__ import annotations

from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from periskope_async.paging.resume import mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from periskope_async.paging.page import Page
    from periskope_async.paging.resume import Place

__all__ = ["Handover"]

T = TypeVar("T")

_TAIL_ROWS = 5
_CAUGHT_UP_ROWS = 20


class Handover:
    """The current cut of a walk, kept at no cost a row."""

    __slots__ = ("_is_newest_first", "_page", "_rows", "_settled", "_taken")

    def __init__(self, begun: Place, *, is_newest_first: bool) -> None:
        self._settled = begun
        self._is_newest_first = is_newest_first
        self._page: Page[Any] | None = None
        self._rows: Iterator[Any] = iter(())
        self._taken = 0

    def turn_to(self, page: Page[Any], *, is_handed_over: bool = False) -> None:
        """Begin a page: its rows are taken in batches, or were delivered all at once."""
        self._page = page
        self._taken = len(page.items) if is_handed_over else 0

    def take(self, batch: Sequence[T]) -> Iterator[T]:
        """Begin the page's next rows; give them, to deliver one by one."""
        self._taken += len(batch)
        self._rows = rows = iter(batch)
        return rows

    def settle(self) -> None:
        """Note how far the page was delivered, and drop it: its memory serves the next one."""
        self._settled = self.cut()
        self._page, self._rows = None, iter(())

    def cut(self) -> Place:
        """Give the place of the last delivered row."""
        before, page = self._settled, self._page
        done = self._taken - length_hint(self._rows)
        if page is None or not done:
            return before
        delivered = before.delivered + done
        if page.indexes is None and self._is_newest_first:
            # The page was caught up behind the reader. A walk resumed there would go back.
            return replace(before, delivered=delivered)
        kept = _CAUGHT_UP_ROWS if page.indexes is None else _TAIL_ROWS
        marks = [mark(page.identity(index), page.sort_time(index)) for index in range(max(0, done - kept), done)]
        if page.indexes is None:
            # The page stands at the end. A resumed walk would meet it again.
            return replace(before, delivered=delivered, caught_up=(*before.caught_up, *marks)[-kept:])
        return replace(
            before,
            offset=page.offset + page.indexes[done - 1] + 1,
            delivered=delivered,
            tail=(*before.tail, *marks)[-kept:],
            time=page.sort_time(done - 1),
        )
