"""A file that is there whole or not at all, whatever the disk, the target or the process does meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from periskope_async.errors import ExportError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["WholeFile"]

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Names for what a process has open; the file behind one may be open for appending.
_OPEN_FILES = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
_STREAMS = "an export puts a whole file in place. For a stream, `periskope export chats -` writes to stdout"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FSYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_COPY_BYTES = 1 << 20
_LONGEST_SUFFIX = 16


class WholeFile:
    """Takes bytes into a hidden part beside the target, and puts them in its place on :meth:`commit`.

    The part is private. A new file stays so (0600); an older one keeps its mode and, where that is allowed, its owner.
    Without a commit the part is taken away and an older file stays as it was. If the process is killed, the next
    WholeFile for the same target takes the part away. All methods block on the disk and raise ExportError.
    """

    def __init__(self, target: Path) -> None:
        self.target = _checked(target)
        self._part, self._fd = _open_part(self.target)
        self._is_part_there = True

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        try:
            _write_all(self._fd, data)
        except OSError as error:
            raise _failed(self.target, error) from error

    def commit(self) -> None:
        """Put the part in the target's place; its bytes are on the disk before its name is.

        Where the part cannot take the target's place (a file mounted into a container), the target is written over as
        it is. Where that fails too, the part is kept under a name that the error tells.
        """
        try:
            _sync(self._fd)
        except OSError as error:
            if error.errno in _FULL:
                raise _failed(self.target, error) from error
            raise self._kept(error) from error
        try:
            self._put_in_place()
        except OSError as error:
            raise self._kept(error) from error
        self.discard()

    def discard(self) -> None:
        """Take away what was not committed. May be called twice, and after a commit."""
        self._close()
        if self._is_part_there:
            self._is_part_there = False
            with suppress(OSError):
                self._part.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.discard()

    def _put_in_place(self) -> None:
        older = _stat(self.target)
        if older is not None and stat.S_ISREG(older.st_mode):
            _take_rights_of(older, self._fd)
        if sys.platform == "win32":
            self._close()  # A file that is open cannot be renamed there.
        try:
            self._part.replace(self.target)
        except OSError:
            if older is None:
                raise
            _copy(self._part, self.target)
            return
        self._is_part_there = False
        _sync_folder(self.target.parent)

    def _kept(self, error: OSError) -> ExportError:
        """Keep the part, under a name that is seen and not taken away by the next run; give the error that tells it."""
        self._is_part_there = False
        suffix = self.target.suffix if len(self.target.suffix) <= _LONGEST_SUFFIX else ""
        kept = self.target.with_name(f"periskope-kept-{secrets.token_hex(4)}{suffix}")
        self._close()
        try:
            self._part.rename(kept)
        except OSError:
            kept = self._part
        return ExportError(f"{_failed(self.target, error)}. Everything that was fetched is in {str(kept)!r}")

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with suppress(OSError):
                os.close(fd)


def _checked(target: Path) -> Path:
    """Give the file that ``target`` leads to through links. Raises ExportError where no whole file can be put."""
    try:
        path = os.path.abspath(target)  # noqa: PTH100 - links must stay as they are
        older = _stat(target)
        # Unlike Path.resolve, it gives no RuntimeError for links that run in a circle.
        file = Path(os.path.realpath(target))
    except (OSError, ValueError) as error:
        raise _failed(target, error) from error
    if path.startswith(_OPEN_FILES):
        raise ExportError(f"{str(target)!r} names an open stream; {_STREAMS}")
    if older is not None:
        kind = stat.S_IFMT(older.st_mode)
        if kind != stat.S_IFREG:
            raise ExportError(f"{str(target)!r} is {_KINDS.get(kind, 'something')}, no plain file; {_STREAMS}")
        if not os.access(file, os.W_OK):
            raise ExportError(f"cannot write {str(target)!r}: the file that is there is read-only")
    return file


def _open_part(target: Path) -> tuple[Path, int]:
    """Make the part and lock it, so that others can tell it from one whose process is gone."""
    # Its name is short however long the target's is, and tells whose part it is.
    stem = f".periskope-{hashlib.blake2s(os.fsencode(target.name), digest_size=6).hexdigest()}-"
    _sweep(target.parent, stem)
    while True:
        part = target.with_name(f"{stem}{secrets.token_hex(4)}.part")
        try:
            fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            raise ExportError(
                f"cannot write in {str(target.parent)!r}, where {target.name!r} is to be: {_reason(error)}"
            ) from error
        # Between its making and its locking another run may have swept it.
        if _lock(fd) is not False and _stat(part) is not None:
            return part, fd
        os.close(fd)


def _sweep(folder: Path, stem: str) -> None:
    """Take away the parts of runs that were killed."""
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if entry.name.startswith(stem) and entry.name.endswith(".part")]:
            with suppress(OSError):
                _remove_if_left(folder / name)


def _remove_if_left(part: Path) -> None:
    if sys.platform == "win32":
        part.unlink()  # It fails where the file is open.
        return
    fd = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _lock(fd):
            part.unlink()
    finally:
        os.close(fd)


def _lock(fd: int) -> bool | None:
    """Lock a file until it is closed; False where another holds it, None where the disk knows no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _take_rights_of(older: os.stat_result, fd: int) -> None:
    """Give a file the mode and owner of an older one; never more rights than that one gives."""
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(older.st_mode) & 0o777
    for owner in (older.st_uid, -1):
        with suppress(OSError):
            os.fchown(fd, owner, older.st_gid)
            break
    if os.fstat(fd).st_gid != older.st_gid:
        # Another group reads this: it may do what everybody may.
        mode &= 0o707 | (mode & 0o007) << 3
    with suppress(OSError):
        os.fchmod(fd, mode)


def _copy(part: Path, target: Path) -> None:
    with part.open("rb") as source, target.open("r+b", buffering=0) as file:
        file.truncate()
        while block := source.read(_COPY_BYTES):
            _write_all(file.fileno(), block)
        _sync(file.fileno())


def _write_all(fd: int, data: bytes) -> None:
    # Not buffered: what a buffer could not write, it would try again when it is closed.
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def _sync_folder(folder: Path) -> None:
    # The rename is done; where a folder cannot be opened or synced, no more can be had.
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _failed(target: Path, error: OSError | ValueError) -> ExportError:
    return ExportError(f"cannot write {str(target)!r}: {_reason(error)}")


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
