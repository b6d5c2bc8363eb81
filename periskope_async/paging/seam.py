"""What a page shares with the rows placed before it, and what that says of the list in between (pure)."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from itertools import chain, pairwise
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set as AbstractSet

    TimeOf: TypeAlias = Callable[[int], float | None]

__all__ = ["Joint", "Seam", "Sorted"]

# Known rows that sank deeper than this are not told from rows that changed places: a claim less, never one too many.
_PAGES_REMEMBERED = 4

# Of the known rows that a page begins with, those next to the new ones: a known and a new row may have swapped there.
_ROWS_NEAR = 6

# Newest first, so many rows more than the next page repeats keep their sort times: each takes a look at a row. Oldest
# first, rows that wake up are met again further on, so there all of a page do.
_ROWS_TIMED = 8

# Of new and known rows among each other; and those that each row which may have left accounts for, with room for rows
# that came in at the same time, so that the count did not show it.
_TURNS_OF_A_SHUFFLE = 3
_TURNS_OF_A_ROW = 2


class Sorted(Struct, frozen=True):
    """A page's rows, told apart by what was known before; as indexes into the page."""

    fresh: Sequence[int]
    known_first: int
    """How many known rows it begins with."""
    strays: list[int]
    """Known rows behind new ones: they were above, and now are below."""
    reordered: list[int]
    """Of the known rows that it begins with, those that did not stand behind the one before them."""
    has_forgotten: bool
    """Whether some of those were met too long ago to tell."""

    def has_changed_places(self, time_of: TimeOf, *, since: float) -> bool:
        """Whether rows of equal sort key stand in another order than before: only such rows change places.

        One that has moved ``since`` proves nothing, though it may be as old as its neighbours now.
        """
        # A known row behind a new one of equal key. (Of another key, it has woken up, or the new one has left since.)
        pairs = [(stray, self.fresh[bisect_left(self.fresh, stray) - 1]) for stray in self.strays]
        pairs += [(index, index - 1) for index in self.reordered]
        return any(_stands(time := time_of(row), since) and time == time_of(before) for row, before in pairs)

    def has_slipped(self, time_of: TimeOf, *, expected: int) -> bool:
        """Whether it begins with other known rows than a page at rest, and those are of equal sort key.

        That is no wonder where rows come and go; but if such rows change places, nobody can tell.
        """
        if self.known_first == expected and not self.has_forgotten:
            return False
        near = range(max(0, self.known_first - _ROWS_NEAR), self.known_first)
        return any(one == other for one, other in pairwise([time_of(index) for index in (*near, *self.fresh[:1])]))


class Joint(Struct, frozen=True):
    """What the known rows that a page begins with say of those that may lie hidden above them."""

    is_guessed: bool
    """Whether pages were taken to join by a row of which it is not known whether it has moved."""
    may_hide_rows: bool
    """Whether those that have not moved are of one sort key, or a single one: then another row of that key may have
    come to stand above them, out of sight. Of several keys, it would have had to change places with a row of
    another."""
    steadiness: float
    """How sure the known ones make it that tied rows keep their places, in bits: each one halves the chance that they
    stand where they stood though such rows change places at each request."""


class Seam:
    """The order of the rows that were placed last."""

    def __init__(self, *, is_newest_first: bool) -> None:
        self._is_newest_first = is_newest_first
        # Of the last page, as far from its end as the next one is likely to begin.
        self._times: dict[int, float | None] = {}
        self._has_guessed = False
        self._pages: deque[Sequence[int]] = deque(maxlen=_PAGES_REMEMBERED)

    def sort(self, keys: Sequence[int], known: AbstractSet[int]) -> Sorted:
        """Tell a page's rows apart."""
        known_first = 0
        while known_first < len(keys) and keys[known_first] in known:
            known_first += 1
        reordered, has_forgotten = self._compared(keys[:known_first])
        rest = keys[known_first:]
        if len(set(rest)) == len(rest) and known.isdisjoint(rest):
            # The usual page, told in a few passes of C: a third of what a walk takes beside decoding, else.
            return Sorted(range(known_first, len(keys)), known_first, [], reordered, has_forgotten)
        fresh, strays = _told_apart(keys, known_first, known)
        return Sorted(fresh, known_first, strays, reordered, has_forgotten)

    def joins(self, keys: Sequence[int], known: AbstractSet[int], time_of: TimeOf, *, since: float) -> bool:
        """Whether a page goes on where the last one ended: it begins with known rows, and one of them stood there too.

        A known row that has woken up meanwhile joins nothing: the two pages have met it at different places. (Pages may
        be cut in another order than they were asked for, so either may be the older one.) ``since`` is when the walk
        began: what is older has not moved.
        """
        if not self._pages or not keys:
            return bool(keys) and keys[0] in known
        last = set[int]()
        has_moved = has_untimed = False
        for index, key in enumerate(keys):
            if key not in known:
                self._has_guessed |= has_untimed
                return has_untimed
            time = time_of(index)
            if key in self._times:
                if self._times[key] == time:
                    return True
                has_moved = True
            else:
                # So far from the end times are not kept; one that is kept may follow.
                last = last or set(self._pages[-1])
                if key in last and _stands(time, since):
                    return True
                has_untimed |= key in last
        self._has_guessed |= has_untimed
        # Newest first, rows of older pages alone mean that the list has sunk by more than a page.
        return has_untimed or (self._is_newest_first and not has_moved)

    def is_shuffled_by(
        self, keys: Sequence[int], known: AbstractSet[int], time_of: TimeOf, *, since: float, most_left: int | None
    ) -> bool:
        """Whether rows of equal sort key are seen to change places.

        ``most_left`` is how many rows may have left between two pages, by the server's count.
        """
        return self._is_reordered(keys, time_of) or (
            most_left is not None
            and _turns(keys, known, time_of, since=since) >= _TURNS_OF_A_SHUFFLE + _TURNS_OF_A_ROW * most_left
        )

    def _is_reordered(self, keys: Sequence[int], time_of: TimeOf) -> bool:
        """Whether known rows of equal sort key stand in another order than before."""
        places = {key: place for place, key in enumerate(self._times)}
        met = [
            (places[key], self._times[key])
            for index, key in enumerate(keys)
            # One that moved since proves nothing either, though it may be as old as its neighbours now.
            if key in places and self._times[key] == time_of(index)
        ]
        return any(place > next_place and time == next_time for (place, time), (next_place, next_time) in pairwise(met))

    def joint(self, keys: Sequence[int], told: Sorted, time_of: TimeOf, *, since: float) -> Joint:
        """Judge how a page joins the last one."""
        first, rows = told.known_first, len(keys)
        begins_tied = rows > 1 and time_of(0) == time_of(1)
        is_tied = first > 1 and time_of(0) == time_of(first - 1)
        stands = bool(self._pages) and list(self._pages[-1][-first:]) == list(keys[:first])
        are_steady = stands and (is_tied or (first == 1 and begins_tied))
        # Any of the tied rows in sight might stand there, in any order.
        in_sight = rows if rows > 1 and time_of(0) == time_of(rows - 1) else max(first, 2)
        return Joint(
            is_guessed=self._has_guessed,
            may_hide_rows=first > 0 and not _are_of_several_keys(first, time_of, since),
            steadiness=_bits_of_order(in_sight, first) if are_steady else 0.0,
        )

    def extend(self, keys: Sequence[int], time_of: TimeOf, *, overlap: int = 0) -> None:
        """Remember a page, of which the next one is to show ``overlap`` rows."""
        if keys:
            self._pages.append(keys)
            kept = max(0, len(keys) - overlap - _ROWS_TIMED) if self._is_newest_first else 0
            self._times = {keys[index]: time_of(index) for index in range(kept, len(keys))}

    def _compared(self, first: Sequence[int]) -> tuple[list[int], bool]:
        if not first or not self._pages or list(self._pages[-1][-len(first) :]) == list(first):
            return [], False
        # Rows that went away leave the others in their order. Pages overlap, and were cut at several moments: the order
        # of any of them will do.
        rows = list(chain.from_iterable(self._pages))
        latest = {key: place for place, key in enumerate(rows)}
        earliest = {key: -place for place, key in enumerate(reversed(rows))}
        reordered = [
            index
            for index, (before, key) in enumerate(pairwise(first), 1)
            if before in latest and key in latest and latest[before] > latest[key] and earliest[before] > earliest[key]
        ]
        return reordered, not latest.keys() >= set(first)


def _are_of_several_keys(rows: int, time_of: TimeOf, since: float) -> bool:
    """Whether those of the first rows that have not moved since are of more than one sort key."""
    first, last = time_of(0), time_of(rows - 1)
    if _stands(first, since) and _stands(last, since):
        return first != last
    standing = [time for time in map(time_of, range(rows)) if _stands(time, since)]
    return bool(standing) and standing[0] != standing[-1]


def _stands(time: float | None, since: float) -> bool:
    """Whether by its sort time a row has not moved since then: what has none has not woken up."""
    return time is None or time < since


def _bits_of_order(rows: int, first: int) -> float:
    """Tell in bits how unlikely it is that, of so many rows in any order, the first ones are just these."""
    return (math.lgamma(rows + 1) - math.lgamma(rows - first + 1)) / math.log(2)


def _turns(keys: Sequence[int], known: AbstractSet[int], time_of: TimeOf, *, since: float) -> int:
    """Count how often a new row stands in front of a known one of equal sort key.

    Once proves nothing: pages may be cut in another order than they were asked for, and show rows that have left since.
    """
    return sum(
        key in known and before not in known and _stands(time := time_of(index), since) and time == time_of(index - 1)
        for index, (before, key) in enumerate(pairwise(keys), 1)
    )


def _told_apart(keys: Sequence[int], start: int, known: AbstractSet[int]) -> tuple[list[int], list[int]]:
    """Give the new rows and the strays among those from ``start`` on; a row that stands there twice is new once."""
    fresh: list[int] = []
    strays: list[int] = []
    met: set[int] = set()
    for index in range(start, len(keys)):
        if keys[index] in known or keys[index] in met:
            strays.append(index)
        else:
            met.add(keys[index])
            fresh.append(index)
    return fresh, strays
