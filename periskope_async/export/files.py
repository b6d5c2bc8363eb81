"""Files are there whole or not at all. Checks targets, and puts a new file in an older one's place."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from periskope_async.errors import ExportError

__all__ = [
    "MOVE_AWAY",
    "beside",
    "checked_target",
    "copy",
    "failed",
    "not_opened",
    "open_private",
    "put_in_place",
    "reason",
    "refuse_foreign",
    "remove",
    "sync",
    "sync_folder",
    "work_folder",
    "write_all",
    "write_json",
    "write_whole",
]

MOVE_AWAY = "Nothing was changed; move it away, or give another OUT"

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Names for the open files of a process. The file behind one may be open for appending.
_OPEN_FILES = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
_STREAMS = "an export puts a whole file in place. For a stream, `periskope export chats -` writes to stdout"
_NO_FSYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_COPY_BYTES = 1 << 20
# A name has up to 255 on nearly all file systems, and SQLite adds an ending of its own.
_MOST_NAME_BYTES = 240


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Give the target of ``path`` behind all links. Raises ExportError if no whole file can be put there."""
    # A Path would drop the slash of a folder's name, and the file would get the folder's name.
    if os.path.basename(path) in {"", "."}:  # noqa: PTH119
        raise ExportError(f"{os.fspath(path)!r} names a folder; give the name of a file")
    target = Path(path)
    try:
        absolute = os.path.abspath(target)  # noqa: PTH100 - links must stay as they are
        older = _stat(target)
        # Path.resolve would raise RuntimeError for links in a circle.
        file = Path(os.path.realpath(target))
    except (OSError, ValueError) as error:
        raise failed(target, error) from error
    if absolute.startswith(_OPEN_FILES):
        raise ExportError(f"{str(target)!r} names an open stream; {_STREAMS}")
    if older is not None:
        kind = stat.S_IFMT(older.st_mode)
        if kind != stat.S_IFREG:
            raise ExportError(f"{str(target)!r} is {_KINDS.get(kind, 'something')}, no plain file; {_STREAMS}")
        if not os.access(file, os.W_OK):
            raise ExportError(f"cannot write {str(target)!r}: the file that is there is read-only")
    return file


def beside(target: Path, ending: str) -> Path:
    """Name a file next to the target. A name too long for the disk is cut, and a digest keeps it apart from others."""
    name = target.name + ending
    if len(os.fsencode(name)) > _MOST_NAME_BYTES:
        ending = f"~{_digest(target)}{ending}"
        name = os.fsencode(target.name)[: _MOST_NAME_BYTES - len(ending)].decode(errors="ignore") + ending
    return target.with_name(name)


def work_folder(path: Path) -> Path:
    """Name the folder in which a file is made, if its writer makes others beside it."""
    return beside(path, ".d")


def _digest(path: Path) -> str:
    return blake2b(os.fsencode(path.name), digest_size=6).hexdigest()


def open_private(path: Path, *, is_new: bool = False) -> int:
    """Open a file to read and write, readable by its owner only. Raises ExportError, and FileExistsError if new."""
    flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if is_new else 0) | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise
    except OSError as error:
        raise not_opened(path, error) from error


def put_in_place(part: Path, target: Path) -> None:
    """Put a synced file in the target's place. An older file's mode and owner are kept.

    The target itself is overwritten if that fails (a file mounted into a container). If that fails too, ExportError
    says so, and the part stays.
    """
    try:
        older = _stat(target)
        if older is not None and stat.S_ISREG(older.st_mode):
            _take_rights_of(older, part)
        try:
            part.replace(target)
        except OSError:
            if older is None or not stat.S_ISREG(older.st_mode):
                raise
            copy(part, target)
            remove(part)
            return
        sync_folder(target.parent)
    except OSError as error:
        raise ExportError(f"{failed(target, error)}. Everything that was fetched is in {str(part)!r}") from error


def remove(path: Path) -> None:
    """Remove a file, if it is there and may be removed."""
    with suppress(OSError):
        path.unlink()


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``; a short write goes on with the rest."""
    # Unbuffered: a buffer would try to write again when it is closed.
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_json(path: Path, content: object, *, is_alone: bool = True) -> None:
    """Put JSON in place, for people too: indented, and readable by its owner only. Raises ExportError.

    ``is_alone`` tells that nobody else writes it now.
    """
    text = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    write_whole(path, text, is_alone=is_alone)


def write_whole(path: Path, content: bytes, *, is_alone: bool = True) -> None:
    """Put a small file in place, as :func:`write_json` does."""
    # A name that nobody else gives a file. The next run takes it over if this one is killed.
    new = path.with_name(f".periskope-{_digest(path)}{'' if is_alone else uuid4().hex}.new")
    try:
        remove(new)
        fd = open_private(new, is_new=True)
        try:
            write_all(fd, content)
            sync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        remove(new)
        raise failed(path, error) from error
    put_in_place(new, path)


def refuse_foreign(path: Path, decoder: msgspec.json.Decoder[Any], what: str) -> None:
    """Raise ExportError if a file of JSON is there that the decoder cannot read: it is not ``what``."""
    try:
        decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed(path, error) from error
    except (msgspec.MsgspecError, ValueError):
        raise ExportError(
            f"{str(path)!r} is not {what} of this version. Nothing was changed; move it away, or give another folder"
        ) from None


def sync(fd: int) -> None:
    """Wait until a file's bytes are on the disk."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk."""
    # No more can be done if a folder cannot be opened or synced.
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def failed(target: Path, error: OSError | ValueError) -> ExportError:
    """Make the error of an unwritable file."""
    return ExportError(f"cannot write {str(target)!r}: {reason(error)}")


def not_opened(path: Path, error: OSError) -> ExportError:
    """Make the error of a file beside OUT that cannot be opened: its folder is to blame."""
    return ExportError(f"cannot write in {str(path.parent)!r}, where {path.name!r} is to be: {reason(error)}")


def reason(error: OSError | ValueError) -> str:
    """Say in a few words why."""
    return getattr(error, "strerror", None) or str(error)


def _take_rights_of(older: os.stat_result, part: Path) -> None:
    """Give a file the mode and owner of an older one, and never more rights."""
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(older.st_mode) & 0o777
    for owner in (older.st_uid, -1):
        with suppress(OSError):
            os.chown(part, owner, older.st_gid)
            break
    if part.stat().st_gid != older.st_gid:
        # The file has another group, so the group may do only what everybody may.
        mode &= 0o707 | (mode & 0o007) << 3
    with suppress(OSError):
        part.chmod(mode)


def copy(part: Path, target: Path) -> None:
    """Write a file's content over another's, and wait until it is on the disk."""
    with part.open("rb") as source, target.open("r+b", buffering=0) as file:
        file.truncate()
        while block := source.read(_COPY_BYTES):
            write_all(file.fileno(), block)
        sync(file.fileno())


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
