"""A file is there whole or not at all, private, and nothing is lost or left behind."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import ExportError
from periskope_async.export.whole_file import WholeFile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

resource = pytest.importorskip("resource", reason="names, rights and limits are those of POSIX")


def write(target: Path, *blocks: bytes) -> None:
    with WholeFile(target) as file:
        for block in blocks or (b"new",):
            file.write(block)
        file.commit()


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


# Whole or not at all


def test_nothing_is_seen_before_the_commit(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("older")
    with WholeFile(target) as file:
        file.write(b"new")
        assert target.read_text() == "older"
    assert target.read_text() == "older"
    assert names_in(tmp_path) == ["out.jsonl"]


def test_a_commit_leaves_the_target_alone(tmp_path: Path) -> None:
    file = WholeFile(tmp_path / "out.jsonl")
    file.write(b"new")
    file.commit()
    file.discard()
    assert (tmp_path / "out.jsonl").read_bytes() == b"new"
    assert names_in(tmp_path) == ["out.jsonl"]


def test_two_at_once_are_both_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    with WholeFile(target) as one, WholeFile(target) as two:
        one.write(b"1" * 1000)
        two.write(b"2" * 1000)
        one.commit()
        assert target.read_bytes() == b"1" * 1000
        two.commit()
        assert target.read_bytes() == b"2" * 1000
    assert names_in(tmp_path) == ["out.jsonl"]


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


# Rights


def test_a_new_file_is_private(tmp_path: Path) -> None:
    with umask(0), WholeFile(tmp_path / "out.jsonl") as file:
        assert [mode_of(path) for path in tmp_path.iterdir()] == [0o600]
        file.commit()
    assert mode_of(tmp_path / "out.jsonl") == 0o600


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
    older = target.stat()
    with WholeFile(target) as file:
        at_once = os.fstat

        def fstat(fd: int) -> os.stat_result:
            facts = list(at_once(fd))
            facts[stat.ST_GID] = older.st_gid + 1
            return os.stat_result(facts)

        monkeypatch.setattr(os, "fchown", failing(errno.EPERM))
        monkeypatch.setattr(os, "fstat", fstat)
        file.commit()
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


def a_link_to_nowhere(path: Path) -> None:
    path.symlink_to(path.with_name("no") / "such" / "file")


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    "make",
    [a_folder, a_pipe, a_socket, a_circle, a_link_to_nowhere, a_link_to_a_device],
    ids=lambda make: make.__name__,
)
def test_what_cannot_be_replaced_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    target = tmp_path / "out.jsonl"
    make(target)
    before = names_in(tmp_path)
    with pytest.raises(ExportError, match=r"out\.jsonl|no/such"):
        WholeFile(target)
    assert names_in(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing/out.jsonl", "No such file"),
        ("plain/out.jsonl", "Not a directory"),
        (".", "a folder"),
        ("", "a folder"),
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
        WholeFile(Path(name))
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
        WholeFile(Path("out.jsonl"))


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
        WholeFile(tmp_path / "out.jsonl")
    assert names_in(tmp_path) == ["out.jsonl"]


# Disks


@pytest.mark.parametrize("room", [0, 1, 4096, 8192, 100_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, room: int) -> None:
    """A limit on a file's size fails a write as a full disk does, and so does it after some of the bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    (tmp_path / "out.jsonl").write_bytes(b"older")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        with pytest.raises(ExportError, match=r"out\.jsonl': File too large"):
            write(tmp_path / "out.jsonl", *[b"r" * 2_000] * 60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert names_in(tmp_path) == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_bytes() == b"older"


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_at_any_step_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    monkeypatch.setattr(os, call, failing(code))
    with pytest.raises(ExportError, match=r"out\.jsonl"):
        write(tmp_path / "out.jsonl")
    monkeypatch.undo()
    assert names_in(tmp_path) == []


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


def test_a_close_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = os.close

    def close(fd: int) -> None:
        at_once(fd)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "close", close)
    write(tmp_path / "out.jsonl")
    monkeypatch.undo()
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
@pytest.mark.parametrize("is_named", [True, False])
def test_what_cannot_be_put_in_place_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, *, is_named: bool
) -> None:
    target = tmp_path / ("n" * 245 + ".jsonl")
    monkeypatch.setattr(os, "replace", failing(code))
    if not is_named:
        monkeypatch.setattr(os, "rename", failing(code))
    with pytest.raises(ExportError, match=r"n\.jsonl'.*Everything that was fetched is in '(.*)'") as raised:
        write(target, b"worth an hour")
    monkeypatch.undo()
    (kept,) = tmp_path.iterdir()
    assert str(kept) in str(raised.value)
    assert (kept.read_bytes(), mode_of(kept), kept.suffix) == (
        b"worth an hour",
        0o600,
        ".jsonl" if is_named else ".part",
    )


def test_an_export_that_is_kept_outlives_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", failing(errno.EBUSY))
    with pytest.raises(ExportError):
        write(tmp_path / "out.jsonl", b"worth an hour")
    monkeypatch.undo()
    (kept,) = tmp_path.iterdir()
    write(tmp_path / "out.jsonl")
    assert kept.read_bytes() == b"worth an hour"


def test_a_disk_that_fails_at_the_end_keeps_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(ExportError, match="Everything that was fetched is in"):
        write(tmp_path / "out.jsonl", b"worth an hour")
    monkeypatch.undo()
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"worth an hour"


def test_a_folder_that_comes_meanwhile_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    with WholeFile(target) as file:
        file.write(b"worth an hour")
        target.mkdir()
        with pytest.raises(ExportError, match="Everything that was fetched is in"):
            file.commit()
    (kept,) = [path for path in tmp_path.iterdir() if path != target]
    assert (kept.read_bytes(), mode_of(kept)) == (b"worth an hour", 0o600)


# What others left


def abandoned(target: Path) -> Path:
    """Leave a part as a process does that is killed: open, and then closed by the kernel."""
    file = WholeFile(target)
    file.write(b"half")
    os.close(file._fd)
    return file._part


def test_the_next_run_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    left = abandoned(tmp_path / "out.jsonl")
    others = abandoned(tmp_path / "other.jsonl")
    write(tmp_path / "out.jsonl")
    assert not left.exists()
    assert names_in(tmp_path) == sorted([others.name, "out.jsonl"])


def test_a_part_that_is_being_written_is_not_swept(tmp_path: Path) -> None:
    with WholeFile(tmp_path / "out.jsonl") as file:
        file.write(b"slow")
        write(tmp_path / "out.jsonl")
        file.commit()
    assert (tmp_path / "out.jsonl").read_bytes() == b"slow"


def test_what_looks_like_a_part_does_no_harm(tmp_path: Path) -> None:
    left = abandoned(tmp_path / "out.jsonl")
    left.unlink()
    os.mkfifo(left)
    (tmp_path / "precious").write_bytes(b"p")
    left.with_suffix(".1.part").symlink_to(tmp_path / "precious")
    write(tmp_path / "out.jsonl")
    assert (tmp_path / "precious").read_bytes() == b"p"


def test_many_at_once_never_sweep_each_other(tmp_path: Path) -> None:
    errors = list[BaseException]()

    def work() -> None:
        try:
            for _ in range(40):
                write(tmp_path / "out.jsonl", b"w" * 50)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert names_in(tmp_path) == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_bytes() == b"w" * 50


def test_a_disk_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    left = abandoned(tmp_path / "out.jsonl")
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    write(tmp_path / "out.jsonl")
    assert names_in(tmp_path) == sorted([left.name, "out.jsonl"])
