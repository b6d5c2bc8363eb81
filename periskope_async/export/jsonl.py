"""JSON lines, written so that the file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import msgspec

from periskope_async.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

__all__ = ["JsonlWriter"]


class JsonlWriter:
    """Writes rows beside the target, and puts them in its place on :meth:`commit`.

    Left without a commit, it takes away what it had written and leaves an older file at the target as it was. Its
    methods block on the disk; call them in a thread. They raise ExportError.
    """

    def __init__(self, target: Path) -> None:
        # Through a link, to the file itself. What is no plain file (a pipe, a device) would be replaced by one.
        self.target = target = target.resolve()
        self.bytes_written = 0
        if target.exists() and not target.is_file():
            raise ExportError(f"{str(target)!r} is no plain file; an export puts a whole file in place")
        try:
            # In the target's folder, since a rename is atomic within one file system only.
            self._file = NamedTemporaryFile(  # noqa: SIM115 - closed by commit or discard
                "wb", dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
            )
        except OSError as error:
            raise ExportError(f"cannot write in {str(target.parent)!r}: {error.strerror or error}") from error

    def write(self, rows: Iterable[bytes]) -> None:
        """Append rows, one a line."""
        # Only whitespace between tokens can hold a line break: inside a JSON string it is escaped.
        lines = [msgspec.json.format(row, indent=-1) if b"\n" in row or b"\r" in row else row for row in rows]
        block = b"".join([line for row in lines for line in (row, b"\n")])
        try:
            self._file.write(block)
        except OSError as error:
            raise ExportError(f"cannot write {str(self.target)!r}: {error.strerror or error}") from error
        self.bytes_written += len(block)

    def commit(self) -> None:
        """Put the rows in the target's place, on the disk before the name."""
        part = Path(self._file.name)
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            # A temporary file is private; an export gets the rights that any new file would.
            part.chmod(0o666 & ~_umask())
            part.replace(self.target)
        except OSError as error:
            raise ExportError(f"cannot put {str(self.target)!r} in place: {error.strerror or error}") from error

    def discard(self) -> None:
        """Take away what was written and not committed. May be called twice, and after a commit."""
        if not self._file.closed:
            self._file.close()
        Path(self._file.name).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.discard()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
