"""JSON lines: rows as the server wrote them, one a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from periskope_async.export.whole_file import WholeFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["JsonlWriter", "json_lines"]

_STRING_OR_SPACE = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")|[ \t\r\n]++')


class JsonlWriter:
    """Writes rows to a :class:`WholeFile`. Its methods block on the disk and raise ExportError."""

    def __init__(self, target: Path) -> None:
        self._file = WholeFile(target)
        self.target = self._file.target
        self.bytes_written = 0

    def write(self, rows: Iterable[bytes]) -> None:
        """Append rows, one a line."""
        lines = json_lines(rows)
        self._file.write(lines)
        self.bytes_written += len(lines)

    def commit(self) -> None:
        """Put the rows in the target's place."""
        self._file.commit()

    def discard(self) -> None:
        """Take away what was written and not committed. May be called twice, and after a commit."""
        self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.discard()


def json_lines(rows: Iterable[bytes]) -> bytes:
    """Give each row as a line of its own; what a row says stays as it was sent."""
    return b"".join([line for row in rows for line in (_one_line(row), b"\n")])


def _one_line(row: bytes) -> bytes:
    """Drop the whitespace between tokens where a row holds line breaks; a string holds them as escapes only."""
    # Tokens are not decoded: that would change numbers, and fail at half an emoji.
    return _STRING_OR_SPACE.sub(rb"\1", row) if b"\n" in row or b"\r" in row else row
