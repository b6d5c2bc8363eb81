"""JSON lines: rows as the server wrote them, one a line (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from periskope_async.decoding.raw_rows import RawRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["json_lines", "line_blocks", "tagged"]

_STRING_OR_SPACE = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")|[ \t\r\n]++')
_EMPTY = re.compile(rb"\s*\}")


def json_lines(rows: Iterable[bytes]) -> bytes:
    """Give each row as a line of its own; what a row says stays as it was sent."""
    return b"".join(line_blocks(rows))


def line_blocks(rows: Iterable[bytes]) -> Sequence[bytes]:
    """Give the same in a few blocks: of rows that came as lines, those."""
    if isinstance(rows, RawRows):
        return rows.blocks
    return [b"".join([line for row in rows for line in (_one_line(row), b"\n")])]


def tagged(rows: Sequence[bytes], tags: dict[str, str]) -> list[bytes]:
    """Put tags before each row's own keys. The rest of the row stays as it was sent."""
    head = msgspec.json.encode(tags)[:-1]
    return [
        head + (b"" if _EMPTY.match(row, row.index(b"{") + 1) else b",") + row[row.index(b"{") + 1 :] for row in rows
    ]


def _one_line(row: bytes) -> bytes:
    """Drop the whitespace between tokens where a row holds line breaks; a string holds them as escapes only."""
    # Tokens are not decoded: that would change numbers, and fail at half an emoji.
    return _STRING_OR_SPACE.sub(rb"\1", row) if b"\n" in row or b"\r" in row else row
