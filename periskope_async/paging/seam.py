"""What a page shares with the rows placed before it, and what that says of the list in between (pure)."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set as AbstractSet

__all__ = ["Joint", "Seam", "Sorted"]

# Known rows that sank deeper than this are not told from rows that changed places: a claim less, never one too many.
_PAGES_REMEMBERED = 2

# Of the known rows that a page begins with, those next to the new ones: a known and a new row may have swapped there.
_ROWS_NEAR = 6

# Newest first, so many rows more than the next page repeats keep their sort times: each takes a look at a row. Oldest
# first, rows that wake up are met again further on, so there all of a page do.
_ROWS_TIMED = 8

# Of new and known rows among each other: so many do not leave between two pages.
_TURNS_OF_A_SHUFFLE = 3


class Sorted(Struct, frozen=True):
    """A page's rows, told apart by what was known before; as indexes into the page."""

    fresh: Sequence[int]
    known_first: int
    """How many known rows it begins with."""
    strays: list[int]
    """Known rows behind new ones: they were above, and now are below."""
    is_in_order: bool
    """Whether the known rows that it begins with stand as they stood before."""

    def has_changed_places(self, time_of: Callable[[int], float | None], *, expected: int | None = None) -> bool:
        """Whether rows of equal sort key stand otherwise than before: only such rows change places among themselves.

        ``expected`` is how many known rows a page at rest would begin with. That there are others is no wonder where
        rows come and go, unless they are of equal sort key: then nobody can tell.
        """
        if not self.is_in_order or (expected is not None and self.known_first != expected):
            near = range(max(0, self.known_first - _ROWS_NEAR), self.known_first)
            times = [time_of(index) for index in (*near, *self.fresh[:1])]
            if any(one == other for one, other in pairwise(times)):
                return True
        # A known row behind a new one of equal key. (Of another key, it has woken up, or the new one has left since.)
        return any(time_of(stray) == time_of(self.fresh[bisect_left(self.fresh, stray) - 1]) for stray in self.strays)


class Joint(Struct, frozen=True):
    """What the known rows that a page begins with say of those that may lie hidden above them."""

    is_tied: bool
    """Whether they are several of one sort key: then another row of that key may have come to stand above them, out of
    sight. Of several keys, it would have had to change places with a row of another."""
    is_lone: bool
    """Whether it is a single one, which may be tied to a row that is out of sight."""
    shows_ties: bool
    """Whether there are tied rows where the page begins or ends."""
    steady: int
    """How many of the known ones are tied, and stand where they stood."""


class Seam:
    """The order of the rows that were placed last."""

    def __init__(self, *, is_newest_first: bool) -> None:
        self._is_newest_first = is_newest_first
        # Of the last page, as far from its end as the next one is likely to begin.
        self._times: dict[int, float | None] = {}
        self.has_guessed = False
        """Whether two pages were taken to join by a row whose sort time was not kept."""
        self._pages: deque[Sequence[int]] = deque(maxlen=_PAGES_REMEMBERED)

    def sort(self, keys: Sequence[int], known: AbstractSet[int]) -> Sorted:
        """Tell a page's rows apart."""
        known_first = 0
        while known_first < len(keys) and keys[known_first] in known:
            known_first += 1
        rest = keys[known_first:]
        if len(set(rest)) == len(rest) and known.isdisjoint(rest):
            # The usual page, told in a few passes of C: a third of what a walk takes beside decoding, else.
            return Sorted(range(known_first, len(keys)), known_first, [], self._is_in_order(keys[:known_first]))
        fresh, strays = _told_apart(keys, known_first, known)
        return Sorted(fresh, known_first, strays, self._is_in_order(keys[:known_first]))

    def joins(self, keys: Sequence[int], known: AbstractSet[int], time_of: Callable[[int], float | None]) -> bool:
        """Whether a page goes on where the last one ended: it begins with known rows, and one of them stood there too.

        A known row that has woken up meanwhile joins nothing: the two pages have met it at different places. (Pages may
        be cut in another order than they were asked for, so either may be the older one.)
        """
        if not self._pages or not keys:
            return bool(keys) and keys[0] in known
        times, last = self._times, set[int]()
        has_moved = has_untimed = False
        for index, key in enumerate(keys):
            if key not in known:
                self.has_guessed |= has_untimed
                return has_untimed
            if key in times:
                if times[key] == time_of(index):
                    return True
                has_moved = True
            else:
                # So far from the end times are not kept; one that is kept may follow.
                last = last or set(self._pages[-1])
                has_untimed |= key in last
        self.has_guessed |= has_untimed
        # Newest first, rows of older pages alone mean that the list has sunk by more than a page.
        return has_untimed or (self._is_newest_first and not has_moved)

    def is_shuffled_by(
        self, keys: Sequence[int], known: AbstractSet[int], time_of: Callable[[int], float | None]
    ) -> bool:
        """Whether rows of equal sort key are seen to change places: nothing else brings that about."""
        return self._is_reordered(keys, time_of) or _is_mixed(keys, known, time_of)

    def _is_reordered(self, keys: Sequence[int], time_of: Callable[[int], float | None]) -> bool:
        """Whether known rows of equal sort key stand in another order than before."""
        places = {key: place for place, key in enumerate(self._times)}
        met = [
            (places[key], self._times[key])
            for index, key in enumerate(keys)
            # One that moved since proves nothing either, though it may be as old as its neighbours now.
            if key in places and self._times[key] == time_of(index)
        ]
        return any(place > next_place and time == next_time for (place, time), (next_place, next_time) in pairwise(met))

    def joint(self, keys: Sequence[int], told: Sorted, time_of: Callable[[int], float | None]) -> Joint:
        """Judge how a page joins the last one."""
        first, rows = told.known_first, len(keys)
        begins_tied = rows > 1 and time_of(0) == time_of(1)
        is_tied = first > 1 and time_of(0) == time_of(first - 1)
        stands = bool(self._pages) and list(self._pages[-1][-first:]) == list(keys[:first])
        return Joint(
            is_tied=is_tied,
            is_lone=first == 1,
            shows_ties=begins_tied or (rows > 1 and time_of(rows - 2) == time_of(rows - 1)),
            steady=first if stands and (is_tied or (first == 1 and begins_tied)) else 0,
        )

    def extend(self, keys: Sequence[int], time_of: Callable[[int], float | None], *, overlap: int = 0) -> None:
        """Remember a page, of which the next one is to show ``overlap`` rows."""
        if keys:
            self._pages.append(keys)
            kept = max(0, len(keys) - overlap - _ROWS_TIMED) if self._is_newest_first else 0
            self._times = {keys[index]: time_of(index) for index in range(kept, len(keys))}

    def _is_in_order(self, first: Sequence[int]) -> bool:
        if not first or not self._pages:
            return True
        if list(self._pages[-1][-len(first) :]) == list(first):
            return True
        # Rows that went away leave the others in their order.
        before = iter(list(chain.from_iterable(self._pages)))
        return all(key in before for key in first)


def _is_mixed(keys: Sequence[int], known: AbstractSet[int], time_of: Callable[[int], float | None]) -> bool:
    """Whether new rows stand in front of known ones of equal sort key, again and again.

    Once proves nothing: pages may be cut in another order than they were asked for, and show rows that have left since.
    """
    turns = sum(
        key in known and before not in known and time_of(index) == time_of(index - 1)
        for index, (before, key) in enumerate(pairwise(keys), 1)
    )
    return turns >= _TURNS_OF_A_SHUFFLE


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
