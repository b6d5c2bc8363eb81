"""JSON lines: rows as the server wrote them, one a line (pure)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from periskope_async.decoding.body import has_surrogate, mend_escapes
from periskope_async.decoding.raw_rows import RawRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from periskope_async.export.formats import Row

__all__ = ["json_lines", "line_blocks", "mend_half_emojis", "read", "tagged", "untagged"]

_STRING_OR_SPACE = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")|[ \t\r\n]++')
_EMPTY = re.compile(rb"\s*\}")
_TAGS = re.compile(rb'\{(?:"_source":(?P<source>"(?:[^"\\]|\\.)*+"),?)?+(?:"_gone_at":"(?P<gone>[^"]*)",?)?+(?<!\{)')


def json_lines(rows: Iterable[bytes]) -> bytes:
    """Give each row as a line of its own, with its content as it was sent."""
    return b"".join(line_blocks(rows))


def line_blocks(rows: Iterable[bytes]) -> Sequence[bytes]:
    """Give the same in a few blocks. Rows that came as lines keep their blocks."""
    if isinstance(rows, RawRows):
        return rows.blocks
    return [b"".join([line for row in rows for line in (_one_line(row), b"\n")])]


def mend_half_emojis(lines: bytes) -> tuple[bytes, int]:
    """Replace half emojis by U+FFFD, and count them."""
    if not has_surrogate(lines):
        return lines, 0
    mended = bytes(mend_escapes(lines))
    return mended, mended.count(b"\\ufffd") - lines.count(b"\\ufffd")


def tagged(rows: Sequence[bytes], tags: dict[str, str]) -> list[bytes]:
    """Put tags before each row's own keys. The rest of the row stays as it was sent."""
    head = msgspec.json.encode(tags)[:-1]
    return [
        head + (b"" if _EMPTY.match(row, row.index(b"{") + 1) else b",") + row[row.index(b"{") + 1 :] for row in rows
    ]


def read(lines: Iterable[bytes]) -> Iterator[Row]:
    """Give the rows of an older file's lines. Raises ValueError if a line is no row."""
    for line in lines:
        yield untagged(line.rstrip(b"\r\n"))


def untagged(row: bytes) -> Row:
    """Give a row without the tags of :func:`tagged`, and their values. Raises ValueError."""
    if not row.startswith(b"{"):
        raise ValueError("a line is no JSON object")
    tags = _TAGS.match(row)
    if tags is None:
        return row, "", None
    source = msgspec.json.decode(tags["source"] or b'""', type=str)
    gone_at = datetime.fromisoformat(tags["gone"].decode()) if tags["gone"] else None
    return b"{" + row[tags.end() :], source, gone_at


def _one_line(row: bytes) -> bytes:
    """Drop the whitespace between tokens if a row holds line breaks. A string holds them as escapes only."""
    # Tokens are not decoded: decoding would change numbers, and fail at half an emoji.
    return _STRING_OR_SPACE.sub(rb"\1", row) if b"\n" in row or b"\r" in row else row
