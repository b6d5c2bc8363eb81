"""A set of row keys that stays small in memory (pure)."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = ["MANY_KEYS", "CompactKeys"]

MANY_KEYS = 150_000
"""So many keys take 11 MB in a set of Python's, which is several times as fast; a few more would take 20."""
_MOVED_AT_ONCE = 1_000
_BUCKETS = 1 << 16
_KEY = Struct("=H6s")


class CompactKeys:
    """A set of keys, each a 64-bit hash: a million takes 10 MB, and 80 MB in a set of Python's.

    Two bytes of a key choose a bucket. The bucket holds the other six, among those of other keys. A search there may
    match the end of one and the beginning of the next: once in millions of walks of a million rows.
    """

    __slots__ = ("_buckets", "_first")

    def __init__(self, first: set[int]) -> None:
        self._first = first
        """The keys to begin with. They move to the buckets little by little: all at once would take 100 ms."""
        self._buckets = [b""] * _BUCKETS

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and not self.isdisjoint((key,))

    def isdisjoint(self, keys: Collection[int]) -> bool:
        """Whether the set has none of these keys."""
        buckets = self._buckets
        return self._first.isdisjoint(keys) and not any(rest in buckets[bucket] for bucket, rest in _split(keys))

    def update(self, keys: Iterable[int]) -> None:
        """Add keys. One that is there takes its memory twice."""
        first, buckets = self._first, self._buckets
        moved = [first.pop() for _ in range(min(len(first), _MOVED_AT_ONCE))]
        # An emptied set keeps its memory.
        self._first = first or set()
        for bucket, rest in _split([*keys, *moved]):
            buckets[bucket] += rest


def _split(keys: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    return _KEY.iter_unpack(array("q", keys).tobytes())
