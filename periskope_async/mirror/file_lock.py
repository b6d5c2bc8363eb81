"""The lock that keeps a second mirror out of a database's file."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from periskope_async.errors import MirrorError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock"]


class FileLock:
    """A lock on a file beside the database. The system releases it when its process ends.

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
            while not self._is_taken():
                os.close(self._fd)
        except (BlockingIOError, PermissionError) as error:
            is_locked = self._fd >= 0
            self.release()
            if is_locked:
                raise MirrorError(f"another mirror writes to {str(self._database)!r} now; one may at a time") from None
            raise MirrorError(f"cannot write to {str(self._database)!r}: {error.strerror}") from error
        except OSError as error:
            self.release()
            raise MirrorError(f"cannot write to {str(self._database)!r}: {error.strerror}") from error

    def keep(self) -> None:
        """Let the file stay: the database is a mirror."""
        self._is_to_go = False

    def release(self) -> None:
        """Unlock. May be called twice. A new file goes if the database proved to be no mirror."""
        if self._is_to_go:
            self._is_to_go = False
            # Windows removes no open file.
            with suppress(OSError):
                self._path.unlink()
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            if sys.platform != "win32":
                # A forked child has the file open, too, so closing it here alone leaves it locked.
                fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _is_taken(self) -> bool:
        """Open the file and lock it. False if another process has removed it meanwhile."""
        self._fd, is_new = -1, True
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            self._fd, is_new = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), False
        if sys.platform == "win32":
            msvcrt.locking(self._fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Only the holder removes it, and before it unlocks. So the file of this name is the one that all others lock.
        try:
            is_there = os.path.samestat(os.fstat(self._fd), self._path.stat())
        except FileNotFoundError:
            is_there = False
        self._is_to_go = is_new and is_there
        return is_there
