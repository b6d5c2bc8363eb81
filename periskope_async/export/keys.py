"""Keys tell the rows of an export from each other (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

from periskope_async.decoding.body import UNREAD, mend_escapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from periskope_async.wire.listing import Listing

__all__ = ["RowKeys", "time_reader"]


class RowKeys:
    """Gives each row a number as its key. The number holds in this process only.

    An export that is not merged counts a row of two sources as two rows.
    """

    def __init__(self, listing: Listing[Any], *, is_merged: bool) -> None:
        self._is_merged = is_merged
        fields = [(name, Any, None) for name in listing.identity]
        self._decoder: msgspec.json.Decoder[Struct] = msgspec.json.Decoder(msgspec.defstruct("Identity", fields))

    def of_identity(self, source: str, identity: Iterable[str | None]) -> int:
        """Give the key of a row whose identity is known."""
        return hash((*identity,) if self._is_merged else (source, *identity))

    def of_row(self, source: str, row: bytes) -> int | None:
        """Give the key of a row; None if its identity cannot be read."""
        try:
            values = msgspec.structs.astuple(self._decoder.decode(mend_escapes(row)))
        except UNREAD:
            return None
        identity = [None if value is None or value == "" else str(value) for value in values]
        return self.of_identity(source, identity) if identity[0] is not None else None

    def of_lines(self, source: str, lines: bytes) -> list[int]:
        """Give the keys of rows as lines, without those whose identity cannot be read."""
        return [key for row in lines.splitlines() if (key := self.of_row(source, row)) is not None]


def time_reader(paths: Sequence[str]) -> Callable[[bytes], bool]:
    """Give a function to tell whether a row has one of the times, such as ``latest_message.timestamp``."""
    names = {path.split(".", maxsplit=1)[0]: Any for path in paths}
    fields = [(name, kind, None) for name, kind in names.items()]
    decoder: msgspec.json.Decoder[Struct] = msgspec.json.Decoder(msgspec.defstruct("Times", fields))

    def has_time(row: bytes) -> bool:
        try:
            times = decoder.decode(mend_escapes(row))
        except UNREAD:
            return False
        for path in paths:
            first, *rest = path.split(".")
            value: Any = getattr(times, first)
            for name in rest:
                value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
            if value:
                return True
        return False

    return has_time
