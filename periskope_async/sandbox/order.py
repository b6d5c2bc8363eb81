"""A long list of places, some of them empty: the n-th filled one is found without walking the list."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Places"]


class Places:
    """Ascending ranks (a ``range``, or an ``array`` of filtered ones), less those taken out.

    Memory goes with the number of ranks taken out, not with the length.
    """

    def __init__(self, ranks: Sequence[int], *, without: Iterable[int] = ()) -> None:
        self._ranks = ranks
        self._holes: list[int] = []
        for rank in without:
            self.take_out(rank)

    def take_out(self, rank: int) -> None:
        """Empty the place of ``rank``. An unknown or empty one changes nothing."""
        position = bisect_left(self._ranks, rank)
        if position < len(self._ranks) and self._ranks[position] == rank:
            hole = bisect_left(self._holes, position)
            if hole == len(self._holes) or self._holes[hole] != position:
                insort(self._holes, position)

    def slice(self, start: int, stop: int) -> Iterator[int]:
        """Give the filled ranks from the ``start``-th to before the ``stop``-th, clipped to the list's length."""
        stop = min(stop, len(self))
        if start >= stop:
            return
        # There are holes[k] - k filled places before hole number k: skip the holes with up to `start` of them.
        low, high = 0, len(self._holes)
        while low < high:
            middle = (low + high) // 2
            if self._holes[middle] - middle <= start:
                low = middle + 1
            else:
                high = middle
        position, hole = start + low, low
        for _ in range(stop - start):
            while hole < len(self._holes) and self._holes[hole] == position:
                position, hole = position + 1, hole + 1
            yield self._ranks[position]
            position += 1

    def __len__(self) -> int:
        return len(self._ranks) - len(self._holes)
