"""A set of row keys that stays small in memory (pure)."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MANY_KEYS", "CompactKeys"]

MANY_KEYS = 1 << 15
"""For fewer keys a set of Python's is faster. These take 10 ms to move."""
_BUCKETS = 1 << 16
_KEY = Struct("=H6s")


class CompactKeys:
    """A set of keys, each a 64-bit hash: a million takes 10 MB, and 80 MB in a set of Python's.

    Two bytes of a key choose a bucket. The bucket holds the other six, among those of other keys. A search there may
    match the end of one and the beginning of the next: once in millions of walks of a million rows.
    """

    __slots__ = ("_buckets",)

    def __init__(self, keys: Iterable[int] = ()) -> None:
        self._buckets = [b""] * _BUCKETS
        self.update(keys)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and not self.isdisjoint((key,))

    def isdisjoint(self, keys: Iterable[int]) -> bool:
        """Whether the set has none of these keys."""
        buckets = self._buckets
        return not any(rest in buckets[bucket] for bucket, rest in _split(keys))

    def update(self, keys: Iterable[int]) -> None:
        """Add keys. One that is there takes its memory twice."""
        buckets = self._buckets
        for bucket, rest in _split(keys):
            buckets[bucket] += rest


def _split(keys: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    return _KEY.iter_unpack(array("q", keys).tobytes())
