"""The list that is served: rows of the sandbox's own data, written down once, and pages cut from them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias
from zlib import crc32

import msgspec

from periskope_async.sandbox.data import ChatData

__all__ = ["MOST_COPIES", "KeyOrder", "Rows"]

KeyOrder: TypeAlias = Literal["sorted", "mixed"]
"""How the keys of each object lie: as in the recorded answer, which a tool has sorted, or in another fixed order.

The server's own order is not known, and a decoder that expects the next field finds it sooner.
"""

MOST_COPIES = 90
_SEED = 23
_ID = b'"chat_id":"'


class Rows:
    """``distinct`` rows as JSON, ``copies`` times over: a longer list from the same memory.

    In a list of several copies each copy has its number in the first two digits of its ids, so that all ids differ.
    Raises ValueError for more than 90 copies.
    """

    def __init__(self, distinct: int, *, copies: int = 1, key_order: KeyOrder = "sorted") -> None:
        if not 1 <= copies <= MOST_COPIES:
            raise ValueError(f"copies={copies}: two digits tell 1 to {MOST_COPIES} of them apart")
        self._copies = copies
        self._ends = [0]
        self._id_at: list[int] = []
        self._data = bytearray()
        data = ChatData(seed=_SEED, total=distinct)
        met: set[str] = set()
        for index in range(distinct):
            chat = data.chat(index)
            if chat["chat_id"][2:] in met:
                continue  # It would be the same as another one in a further copy.
            met.add(chat["chat_id"][2:])
            row = msgspec.json.encode(_ordered(chat, key_order))
            # In a nested object this field may stand before that of the row.
            id_at = row.index(_ID + chat["chat_id"].encode()) + len(_ID)
            self._id_at.append(len(self._data) + id_at)
            self._data += row + b","
            self._ends.append(len(self._data))
        self._distinct = len(met)

    def __len__(self) -> int:
        return self._distinct * self._copies

    @property
    def row_bytes(self) -> float:
        """How long a row is, on average."""
        return len(self._data) / self._distinct - 1

    def page(self, offset: int, limit: int) -> list[bytes | bytearray | memoryview]:
        """Give the parts of the answer for a page, as the sandbox writes it: ``from`` and ``to`` are counted from 1."""
        offset = min(offset, len(self))
        stop = min(offset + limit, len(self))
        parts: list[bytes | bytearray | memoryview] = [b'{"chats":[']
        at = offset
        while at < stop:
            copy, first = divmod(at, self._distinct)
            last = min(first + stop - at, self._distinct)
            parts.append(self._stretch(copy, first, last))
            at += last - first
        if stop > offset:
            parts[-1] = parts[-1][:-1]  # the comma behind the last row
        parts.append(b'],"count":%d,"from":%d,"to":%d}' % (len(self), offset + 1, stop))
        return parts

    def _stretch(self, copy: int, first: int, last: int) -> memoryview | bytearray:
        begin, end = self._ends[first], self._ends[last]
        view = memoryview(self._data)[begin:end]
        if self._copies == 1:
            return view
        body = bytearray(view)
        number = b"%02d" % (copy + 10)
        for at in self._id_at[first:last]:
            body[at - begin : at - begin + 2] = number
        return body


def _ordered(value: Any, key_order: KeyOrder) -> Any:
    """Give a JSON value with all its objects' keys in an order."""
    if isinstance(value, dict):
        pairs: list[tuple[str, Any]] = [*value.items()]
        if key_order == "mixed":
            pairs.sort(key=lambda pair: crc32(pair[0].encode()))
        return {key: _ordered(inner, key_order) for key, inner in pairs}
    # pyright asks what such a list holds, and mypy knows that it is anything.
    return [_ordered(inner, key_order) for inner in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
