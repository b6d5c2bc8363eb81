"""What Windows asks of files, wherever the tests run."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import locked_file
from periskope_async.cli.export_all import _made_and_locked
from periskope_async.errors import ExportBusyError, MirrorError
from periskope_async.export import export
from periskope_async.export.checkpoint import HEAD
from periskope_async.export.spool import log_path, open_spool, rows_path
from periskope_async.mirror.file_lock import FileLock
from tests.export.test_formats import FORMATS, ids_in, needs
from tests.export.test_runner import connected
from tests.export.test_spool import BEGUN, append

if TYPE_CHECKING:
    from periskope_async.export.plan import IfExists

fcntl = pytest.importorskip("fcntl", reason="these rules are real there")
OPEN_FILES = "/dev/fd"


REPLACE, UNLINK, FSYNC, OPEN = os.replace, os.unlink, os.fsync, os.open


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the file system the rules of Windows, as far as the package meets them.

    - An open file is neither removed nor renamed, nor replaced: the C runtime opens files without FILE_SHARE_DELETE
      (Microsoft's page on CreateFile; Python's on os.remove).
    - os.fsync is _commit, which calls FlushFileBuffers: "the file handle must have the GENERIC_WRITE access right".
    - A folder cannot be opened with os.open.
    - There is no fcntl. msvcrt.locking locks bytes from the file's position on, and nobody else may even read them
      (Microsoft's pages on _locking and LockFile).
    """
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(locked_file, "fcntl")
    monkeypatch.setattr(locked_file, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking), raising=False)


def is_open(path: Any) -> bool:
    for fd in map(int, os.listdir(OPEN_FILES)):  # noqa: PTH208 - only the numbers
        with suppress(OSError):
            if os.path.samestat(os.fstat(fd), Path(path).lstat()):
                return True
    return False


def refuse_open(*paths: Any) -> None:
    if any(map(is_open, paths)):
        raise PermissionError(errno.EACCES, "The process cannot access the file", str(paths[0]))


def replace(source: Any, target: Any) -> None:
    refuse_open(source, target)
    REPLACE(source, target)


def unlink(path: Any, **options: Any) -> None:
    if not options:  # shutil.rmtree gives the folder's descriptor
        refuse_open(path)
    UNLINK(path, **options)


def fsync(fd: int) -> None:
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    FSYNC(fd)


def open_file(path: Any, *arguments: Any, **options: Any) -> int:
    if not options and Path(path).is_dir():  # shutil.rmtree opens folders in folders
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return OPEN(path, *arguments, **options)


def locking(fd: int, mode: int, count: int) -> None:
    assert (mode, count) == (2, 1)
    assert os.lseek(fd, 0, os.SEEK_CUR) > os.fstat(fd).st_size, "nobody else could read the locked byte"
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ending", FORMATS)
async def test_an_export_is_put_in_place_again_and_again(tmp_path: Path, ending: str) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    choices: list[IfExists] = ["replace", "replace", "update"]
    async with connected(chats=20) as (sandbox, client):
        for if_exists in choices:
            await export(client.iter_chats(), out, if_exists=if_exists)
            assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
            assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]
            sandbox.insert()


@pytest.mark.parametrize("left", [".partial", ".partial.log"])
async def test_a_file_that_cannot_be_removed_brings_no_older_rows_back(tmp_path: Path, left: str) -> None:
    """Another program reads it: a virus scanner, or a backup."""
    out = tmp_path / "out.csv"
    async with connected(chats=20) as (sandbox, client):
        rows_path(out).touch()
        log_path(out).write_bytes(HEAD)
        with (tmp_path / f"out.csv{left}").open("rb"):
            await export(client.iter_chats(), out)
            assert f"out.csv{left}" in names_in(tmp_path)
        sandbox.insert()
        await export(client.iter_chats(), out)
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
        assert names_in(tmp_path) == ["out.csv", "out.csv.manifest.json"]


def test_one_export_at_a_time_has_a_file(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "out", BEGUN)
    append(spool, 1)
    with pytest.raises(ExportBusyError, match=r"another export to .* is running"):
        open_spool(tmp_path / "out", BEGUN)
    spool.close()
    spool = open_spool(tmp_path / "out", BEGUN)
    assert spool.rows == 1
    spool.discard()
    assert names_in(tmp_path) == []


def test_one_export_of_all_at_a_time_has_a_folder(tmp_path: Path) -> None:
    with _made_and_locked(tmp_path), pytest.raises(ExportBusyError, match="another run of `export all`"):
        _made_and_locked(tmp_path)
    with _made_and_locked(tmp_path):
        pass
    assert names_in(tmp_path) == []


def test_one_mirror_at_a_time_has_a_database(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "mirror.sqlite"), FileLock(tmp_path / "mirror.sqlite")
    first.take()
    with pytest.raises(MirrorError, match="another mirror writes to"):
        second.take()
    first.release()
    second.take()
    second.release()
    assert names_in(tmp_path) == []
