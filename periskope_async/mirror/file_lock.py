"""The lock that keeps a second mirror out of a database's file."""

from __future__ import annotations

import os
from pathlib import Path

from periskope_async.errors import MirrorError
from periskope_async.locked_file import close_locked, open_locked, remove_locked

__all__ = ["FileLock"]


class FileLock:
    """A lock on a file beside the database.

    The databases' own locks would keep readers out, or let two writers alternate.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        # A link is another name of the same database.
        self._path = Path(f"{os.path.realpath(database)}.lock")
        self._fd = -1
        self._is_to_go = False

    def take(self) -> None:
        """Lock. Raises MirrorError if another process, or another mirror of this one, holds the lock."""
        try:
            self._fd, self._is_to_go = open_locked(self._path)
        except BlockingIOError:
            raise MirrorError(f"another mirror writes to {str(self._database)!r} now; one may at a time") from None
        except OSError as error:
            raise MirrorError(f"cannot write to {str(self._database)!r}: {error.strerror}") from error

    def keep(self) -> None:
        """Let the file stay: the database is a mirror."""
        self._is_to_go = False

    def release(self) -> None:
        """Unlock. May be called twice. A new file goes if the database proved to be no mirror."""
        fd, self._fd = self._fd, -1
        if fd >= 0 and self._is_to_go:
            remove_locked(fd, self._path)
        elif fd >= 0:
            close_locked(fd)
