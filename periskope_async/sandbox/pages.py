"""Cuts a page out of the list, in either order, and writes it in the server's form."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from random import Random

    from periskope_async.sandbox.roster import Roster
    from periskope_async.sandbox.validation import Filters, ListQuery, SortBy

__all__ = ["Count", "Pages", "Ties"]

Count = Literal["total", "page"]
Ties = Literal["stable", "shuffled"]

_ROWS_KEPT = 20_000  # About 40 MB of encoded rows.


class Pages:
    """Pages of a roster.

    ``count`` is the meaning of the page's count: the documented total, or the number of rows on the page.
    ``ties="shuffled"`` gives chats of equal sort key in another order for every request, as a database may do.
    """

    def __init__(self, roster: Roster, *, count: Count = "total", ties: Ties = "stable", rng: Random) -> None:
        self._roster = roster
        self._count: Count = count
        self._ties: Ties = ties
        self._rng = rng
        self._rows: OrderedDict[int, bytes] = OrderedDict()

    def forget(self, index: int) -> None:
        """Drop the written row of a changed chat."""
        self._rows.pop(index, None)

    def indexes(self, sort_by: SortBy, filters: Filters, *, descending: bool, start: int, stop: int) -> list[int]:
        """Give the chats at the places from ``start`` to before ``stop``. Ascending reverses descending."""
        segments = self._roster.segments(sort_by, filters)
        total = sum(len(segment.chats) for segment in segments)
        stop = min(stop, total)
        if not descending:
            start, stop = total - stop, total - min(start, total)
        found: list[int] = []
        begins = 0
        for segment in segments:
            length = len(segment.chats)
            low, high = max(start - begins, 0), min(stop - begins, length)
            if low < high:
                if segment.tied and self._ties == "shuffled":
                    step, shift = self._scramble(length)
                    for place in range(low, high):
                        at = (place * step + shift) % length
                        found.extend(self._roster.stretch(segment, at, at + 1))
                else:
                    found.extend(self._roster.stretch(segment, low, high))
            begins += length
        return found if descending else found[::-1]

    def total(self, query: ListQuery) -> int:
        """Count the chats within the filters."""
        return sum(len(segment.chats) for segment in self._roster.segments(query.sort_by, query.filters))

    def page(self, query: ListQuery) -> bytes:
        """Write the answer: ``{"chats":[...],"count":...,"from":...,"to":...}``, places counted from 1.

        An empty page's places are not documented: here ``from`` is the requested place and ``to`` the one before it.
        """
        start = query.offset
        indexes = self.indexes(
            query.sort_by, query.filters, descending=query.descending, start=start, stop=start + query.limit
        )
        count = len(indexes) if self._count == "page" else self.total(query)
        tail = f'],"count":{count},"from":{start + 1},"to":{start + len(indexes)}}}'
        return b'{"chats":[' + b",".join(map(self.row, indexes)) + tail.encode()

    def whole_chat(self, index: int) -> bytes:
        """Write the answer for one chat, members and label names included."""
        return msgspec.json.encode(self._roster.whole(index))

    def row(self, index: int) -> bytes:
        """Write one row of the list, or give the kept one."""
        row = self._rows.get(index)
        if row is None:
            row = self._rows[index] = msgspec.json.encode(self._roster.row(index))
            if len(self._rows) > _ROWS_KEPT:
                self._rows.popitem(last=False)
        return row

    def _scramble(self, length: int) -> tuple[int, int]:
        """Draw an order of so many places; each place can be computed alone."""
        step = self._rng.randrange(1, length + 1)
        while math.gcd(step, length) > 1:
            step = self._rng.randrange(1, length + 1)
        return step, self._rng.randrange(length)
