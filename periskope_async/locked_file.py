"""Files that one holder at a time has open, in this process or another. The system lets go of them at its end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["close_locked", "open_locked", "remove_locked"]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
# Windows keeps everybody else from reading a locked byte. So it is one behind the end of every file of ours.
_LOCKED_BYTE = 2**31 - 2


def open_locked(path: Path) -> tuple[int, bool]:
    """Open a file to read and write, and lock it. Give its descriptor, and whether the file is new.

    A new one is readable by its owner only. Raises BlockingIOError at once if another holder has it, and OSError if it
    cannot be opened. Where the disk knows no locks, everybody gets it.
    """
    while True:
        is_new = True
        try:
            fd = os.open(path, _FLAGS | os.O_EXCL, 0o600)
        except FileExistsError:
            fd, is_new = os.open(path, _FLAGS, 0o600), False
        if not _is_locked(fd):
            os.close(fd)
            raise BlockingIOError(f"{str(path)!r} is locked")
        # Its holder may have removed it between the opening and the lock.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd, is_new
        os.close(fd)


def close_locked(fd: int) -> None:
    """Unlock a file and close it."""
    if sys.platform != "win32":
        # A forked child has it open, too, so closing it here alone leaves it locked.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
    with suppress(OSError):
        os.close(fd)


def remove_locked(fd: int, path: Path) -> None:
    """Remove a locked file, if it may be removed, and close it."""
    try:
        # Before it is unlocked: the next holder must not lock a file that is on its way out.
        path.unlink(missing_ok=True)
    except OSError:
        # Windows removes no open file. So it takes none from a holder that comes in between, either.
        close_locked(fd)
        with suppress(OSError):
            path.unlink()
    else:
        close_locked(fd)


def _is_locked(fd: int) -> bool:
    """Lock an open file. False if another holder has it."""
    try:
        if sys.platform == "win32":
            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(fd, 0, os.SEEK_SET)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
