"""A memory of the handled events, so that a second delivery changes nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

__all__ = ["Recent", "SeenStore"]


class SeenStore(Protocol):
    """A store for the keys of handled events; give one over Redis if several processes share the work."""

    async def add(self, key: str, /) -> bool:
        """Keep a key; give whether it is new."""
        ...

    async def discard(self, key: str, /) -> None:
        """Forget a key, since its event could not be handled."""
        ...


class Recent:
    """The latest keys, in this process."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._keys: OrderedDict[str, None] = OrderedDict()

    async def add(self, key: str, /) -> bool:
        """Keep a key; give whether it is new."""
        is_new = key not in self._keys
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)
        return is_new

    async def discard(self, key: str, /) -> None:
        """Forget a key."""
        self._keys.pop(key, None)
