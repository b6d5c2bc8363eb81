"""Where a file may be put, and how it takes an older one's place: whole, private, and nothing is lost."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import ExportError
from periskope_async.export import export
from periskope_async.export.files import beside, checked_target, open_private, put_in_place, sync, write_all, write_json
from tests.export.test_formats import ids_in, needs
from tests.export.test_runner import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

resource = pytest.importorskip("resource", reason="names, rights and limits are those of POSIX")


def write(target: Path, content: bytes = b"new") -> None:
    target = checked_target(target)
    part = beside(target, ".partial")
    fd = open_private(part)
    write_all(fd, content)
    sync(fd)
    os.close(fd)
    put_in_place(part, target)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(code: int) -> Callable[..., Any]:
    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@contextmanager
def umask(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# Rights


def test_a_new_file_is_private(tmp_path: Path) -> None:
    with umask(0):
        write(tmp_path / "out.jsonl")
    assert mode_of(tmp_path / "out.jsonl") == 0o600


def test_bytes_are_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.jsonl"
    synced = list[tuple[bool, bool]]()
    fsync = os.fsync

    def watch(fd: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(fd).st_mode), target.exists()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watch)
    write(target)
    assert synced == [(False, False), (True, True)]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660, 0o666, 0o755])
def test_an_older_file_keeps_its_mode(tmp_path: Path, mode: int, mask: int) -> None:
    target = tmp_path / "out.jsonl"
    target.touch()
    target.chmod(mode)
    with umask(mask):
        write(target)
    assert (mode_of(target), target.read_bytes()) == (mode, b"new")


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o660, 0o600), (0o664, 0o644), (0o640, 0o600), (0o604, 0o604), (0o600, 0o600)]
)
def test_another_group_gets_what_everybody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, kept: int
) -> None:
    """Where the older file's group cannot be kept, the new one's gets the rights of others."""
    target = tmp_path / "out.jsonl"
    target.touch()
    target.chmod(mode)
    at_once = Path.stat

    def with_another_group(path: Path, **options: Any) -> os.stat_result:
        facts = list(at_once(path, **options))
        facts[stat.ST_GID] += path.name.endswith(".partial")
        return os.stat_result(facts)

    monkeypatch.setattr(os, "chown", failing(errno.EPERM))
    monkeypatch.setattr(Path, "stat", with_another_group)
    write(target)
    monkeypatch.undo()
    assert mode_of(target) == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_an_older_file_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.touch()
    os.chown(target, 12, 34)
    write(target)
    assert (target.stat().st_uid, target.stat().st_gid) == (12, 34)


def test_the_umask_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", failing(errno.EPERM))
    write(tmp_path / "out.jsonl")
    write(tmp_path / "out.jsonl")


# Targets


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plug:
        before = Path.cwd()
        os.chdir(path.parent)  # its name may have 107 bytes
        plug.bind(path.name)
        os.chdir(before)


def a_circle(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    "make",
    [a_folder, a_pipe, a_socket, a_circle, a_link_to_a_device],
    ids=lambda make: make.__name__,
)
def test_what_cannot_be_replaced_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    target = tmp_path / "out.jsonl"
    make(target)
    before = names_in(tmp_path)
    with pytest.raises(ExportError, match=r"out\.jsonl"):
        checked_target(target)
    assert names_in(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plain/out.jsonl", "Not a directory"),
        (".", "a folder"),
        ("", "a folder"),
        ("new/", "a folder"),
        ("new/.", "a folder"),
        ("plain/", "a folder"),
        ("plain//", "a folder"),
        ("a" * 256, "File name too long"),
        ("nul\0", "null"),
        ("/dev/null", "a device"),
        ("/dev/stdout", "an open stream"),
        ("/dev/fd/1", "an open stream"),
        ("/proc/self/fd/1", "an open stream"),
    ],
)
def test_where_nothing_can_be_written_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").touch()
    with pytest.raises(ExportError, match=said):
        checked_target(name)
    assert names_in(tmp_path) == ["plain"]


@pytest.mark.parametrize(
    "name", ["a" * 249 + ".jsonl", "é" * 124 + ".jsonl", "-", "-rf", "sp ace", "a[b].jsonl", "\udcff", "x\n\x1b[31m"]
)
def test_every_name_of_a_file_can_be_written(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    write(tmp_path / name, b"newer")
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"newer"


def test_a_folder_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ExportError, match=r"out\.jsonl': No such file"):
        write(Path("out.jsonl"))


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "no" / "such")
    with pytest.raises(ExportError, match=r"where 'such\.partial' is to be: No such file"):
        write(tmp_path / "out.jsonl")


def test_a_path_without_a_folder_is_in_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("out.jsonl"))
    assert names_in(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("aim", ["real.jsonl", "../here/real.jsonl"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, aim: str, *, is_there: bool) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    if is_there:
        (folder / "real.jsonl").touch()
    (folder / "link.jsonl").symlink_to(aim)
    write(folder / "link.jsonl")
    assert (folder / "link.jsonl").is_symlink()
    assert (folder / "real.jsonl").read_bytes() == b"new"
    assert names_in(folder) == ["link.jsonl", "real.jsonl"]


def test_another_name_of_the_older_file_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_bytes(b"older")
    (tmp_path / "other").hardlink_to(tmp_path / "out.jsonl")
    write(tmp_path / "out.jsonl")
    assert ((tmp_path / "out.jsonl").read_bytes(), (tmp_path / "other").read_bytes()) == (b"new", b"older")


def test_a_read_only_file_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.jsonl").write_bytes(b"older")

    def access(_path: object, mode: int) -> bool:
        return mode != os.W_OK

    monkeypatch.setattr(os, "access", access)  # as for anybody but root
    with pytest.raises(ExportError, match=r"out\.jsonl'.* read-only"):
        checked_target(tmp_path / "out.jsonl")
    assert names_in(tmp_path) == ["out.jsonl"]


# Disks


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = os.write

    def some(fd: int, data: memoryview) -> int:
        return at_once(fd, data[:7])

    monkeypatch.setattr(os, "write", some)
    write(tmp_path / "out.jsonl", bytes(range(256)))
    assert (tmp_path / "out.jsonl").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_that_knows_no_fsync_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(os, "fsync", failing(code))
    write(tmp_path / "out.jsonl")
    assert names_in(tmp_path) == ["out.jsonl"]


# The last step

_NO_RENAME = [errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EROFS]


@pytest.mark.parametrize("code", _NO_RENAME)
def test_where_no_rename_is_had_the_file_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"older and longer")
    target.chmod(0o640)
    inode = target.stat().st_ino
    monkeypatch.setattr(os, "replace", failing(code))
    write(target)
    assert (target.read_bytes(), mode_of(target), target.stat().st_ino) == (b"new", 0o640, inode)
    assert names_in(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("code", _NO_RENAME)
def test_what_cannot_be_put_in_place_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(os, "replace", failing(code))
    with pytest.raises(ExportError, match=r"out\.jsonl'.*Everything that was fetched is in '(.*)'"):
        write(tmp_path / "out.jsonl", b"worth an hour")
    monkeypatch.undo()
    (kept,) = tmp_path.iterdir()
    assert (kept.name, kept.read_bytes(), mode_of(kept)) == ("out.jsonl.partial", b"worth an hour", 0o600)


def test_a_folder_that_comes_meanwhile_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    part = beside(target, ".partial")
    part.write_bytes(b"worth an hour")
    target.mkdir()
    with pytest.raises(ExportError, match="Everything that was fetched is in"):
        put_in_place(part, target)
    assert part.read_bytes() == b"worth an hour"


# DuckDB and SQLite open no file whose name leaves no room for their own endings.
LONGEST = {"jsonl": 255, "csv": 255, "parquet": 255, "sqlite": 247, "duckdb": 251}


@pytest.mark.parametrize(
    ("ending", "length"), [(name, most - less) for name, most in LONGEST.items() for less in (0, 14)]
)
async def test_a_long_name_has_its_manifest(tmp_path: Path, ending: str, length: int) -> None:
    needs(ending)
    out = tmp_path / f"{'a' * (length - len(ending) - 1)}.{ending}"
    async with connected(chats=30) as (sandbox, client):
        await export(client.iter_chats(), out)
        await export(client.iter_chats(), out)
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
    assert len(names_in(tmp_path)) == 2


def test_what_a_killed_run_leaves_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(part: Path, target: Path) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("periskope_async.export.files.put_in_place", killed)
        with pytest.raises(SystemExit):
            write_json(tmp_path / "out.manifest.json", {})
    assert len(names_in(tmp_path)) == 1
    write_json(tmp_path / "out.manifest.json", {})
    assert names_in(tmp_path) == ["out.manifest.json"]
