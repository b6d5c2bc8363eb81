"""A memory of the handled events, so that a second delivery changes nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from periskope_async.errors import ConfigError
from periskope_async.typed import is_whole

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
    """The latest keys, in this process. Raises ConfigError if ``size``, the max number of keys, is below 1."""

    def __init__(self, size: int = 10_000) -> None:
        if not is_whole(size, least=1):
            raise ConfigError(f"size is {size!r:.100}; give a whole number above 0", parameter="size")
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
