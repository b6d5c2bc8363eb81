"""Rows decoded on delivery, a part of a page at a time (pure).

A few rows fit into the processor's nearest cache, and the next ones take their place there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LateRows", "Parts", "next_batch"]

T = TypeVar("T")


class Parts(Generic[T]):
    """The parts of a page, each decoded on access.

    ``ends`` holds for each part the number of rows up to its end; each has at least one. ``decode`` gives the rows.
    """

    __slots__ = ("_decode", "_decoded", "_ends", "_parts")

    def __init__(self, parts: Sequence[bytes], ends: Sequence[int], decode: Callable[[bytes], Sequence[T]]) -> None:
        self._parts, self._ends, self._decode = parts, ends, decode
        self._decoded: dict[int, Sequence[T]] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def holding(self, row: int) -> int:
        """Give the number of a row's part."""
        return bisect_right(self._ends, row)

    def span(self, part: int) -> tuple[int, int]:
        """Give the index of a part's first row, and the one behind its last."""
        return self._ends[part - 1] if part else 0, self._ends[part]

    def rows_of(self, part: int) -> Sequence[T]:
        """Give a part's rows, and keep them."""
        rows = self._decoded.get(part)
        if rows is None:
            rows = self._decoded[part] = self._decode(self._parts[part])
        return rows

    def let_go_before(self, part: int) -> None:
        """Drop the rows of the parts before this one."""
        for earlier in [number for number in self._decoded if number < part]:
            del self._decoded[earlier]


class LateRows(Sequence[T]):
    """Some of a page's rows, by default all; ``chosen`` holds their indexes in the page, in order.

    Access may be in any order.
    """

    __slots__ = ("_chosen", "_parts")

    def __init__(self, parts: Parts[T], chosen: Sequence[int] | None = None) -> None:
        self._parts = parts
        self._chosen = range(parts.span(len(parts) - 1)[1] if parts else 0) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> LateRows[T]: ...

    def __getitem__(self, index: int | slice) -> T | LateRows[T]:
        if isinstance(index, slice):
            return LateRows(self._parts, self._chosen[index])
        row = self._chosen[index]
        part = self._parts.holding(row)
        return self._parts.rows_of(part)[row - self._parts.span(part)[0]]

    def pick(self, indexes: Sequence[int]) -> LateRows[T]:
        """Give the rows of these sorted indexes."""
        return LateRows(self._parts, [self._chosen[index] for index in indexes])

    def cut(self) -> tuple[Sequence[T], LateRows[T]]:
        """Give the rows of the first part, and the rest; drop the parts before."""
        parts, chosen = self._parts, self._chosen
        part = parts.holding(chosen[0])
        # The caller has dropped the rows before by now, and these take their place.
        parts.let_go_before(part)
        start, stop = parts.span(part)
        here = bisect_left(chosen, stop)
        rows = parts.rows_of(part)
        batch = rows if here == stop - start else [rows[row - start] for row in chosen[:here]]
        return batch, LateRows(parts, chosen[here:])


def next_batch(rows: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Give the next rows to deliver together, and the rest: one part of late rows, all of others."""
    return rows.cut() if isinstance(rows, LateRows) else (rows, ())
