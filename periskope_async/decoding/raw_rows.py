"""Rows as they were sent, held as JSON lines (pure).

Whoever writes lines takes them as they are: no row of them becomes an object of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RawRows"]


class RawRows(Sequence[bytes]):
    """Rows in blocks of lines. ``ends`` holds for each block how many rows it and those before it hold."""

    __slots__ = ("_ends", "blocks")

    def __init__(self, blocks: Sequence[bytes], ends: Sequence[int]) -> None:
        self.blocks = blocks
        """All rows in order as JSON lines, in a few blocks. Each line ends in a line break, and has no other."""
        self._ends = ends

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[bytes]:
        # The iterator of a list tells how many rows are left, and a resume token is made of that.
        return iter([row for lines in self.blocks for row in lines[:-1].split(b"\n")])

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return self._run(start, max(start, stop)) if step == 1 else [*self][index]
        row = range(len(self))[index]
        number = bisect_right(self._ends, row)
        lines, start = self.blocks[number], self._start_of(number, row)
        return lines[start : lines.index(b"\n", start)]

    def _run(self, start: int, stop: int) -> RawRows:
        blocks: list[bytes] = []
        ends: list[int] = []
        first = 0
        for number, (lines, end) in enumerate(zip(self.blocks, self._ends, strict=True)):
            begin, until = max(first, start), min(end, stop)
            if begin < until:
                blocks.append(lines[self._start_of(number, begin) : self._start_of(number, until)])
                ends.append(until - start)
            first = end
        return RawRows(blocks, ends)

    def _start_of(self, number: int, row: int) -> int:
        """Find where a row of a block begins, or the one behind the block's last; from the nearer end of the block."""
        lines, end = self.blocks[number], self._ends[number]
        first = self._ends[number - 1] if number else 0
        if row - first <= end - row:
            at = 0
            for _ in range(row - first):
                at = lines.index(b"\n", at) + 1
            return at
        at = len(lines)
        for _ in range(end - row):
            at = lines.rindex(b"\n", 0, at - 1) + 1
        return at
