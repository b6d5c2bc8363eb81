"""What a spool holds survives a process that ends at any byte, and nothing else is taken for it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from periskope_async.errors import ExportError
from periskope_async.export.checkpoint import Begun, PageWritten
from periskope_async.export.spool import Spool, log_path, open_spool, rows_path
from periskope_async.paging.report import WalkReport

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEGUN = Begun(list="chats", walks={"": "token 0"}, started=NOW)


def append(spool: Spool, number: int) -> bytes:
    data = b'{"chat_id":"%d"}\n' % number
    spool.append(PageWritten(walk="", rows=1, bytes=len(data), token=f"token {number}"), [data[:5], data[5:]])
    return data


def filled(target: Path, pages: int = 3) -> None:
    spool = open_spool(target, BEGUN)
    for number in range(1, pages + 1):
        append(spool, number)
    spool.close()


def test_a_spool_goes_on_where_it_was(tmp_path: Path) -> None:
    filled(tmp_path / "out")
    spool = open_spool(tmp_path / "out", BEGUN)
    assert (spool.rows, spool.kept[""].token, spool.is_resumed) == (3, "token 3", True)
    assert [data for _, data in spool.read()] == [b'{"chat_id":"%d"}\n' % number for number in (1, 2, 3)]
    spool.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_cannot_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ExportError, match="No space left"):
            open_spool(tmp_path / "out", BEGUN)
    assert list(tmp_path.iterdir()) == []
    filled(tmp_path / "out")


@pytest.mark.parametrize("is_log", [True, False])
def test_any_torn_end_is_cut_back_to_a_page(tmp_path: Path, *, is_log: bool) -> None:
    """A process may end between any two bytes of the checkpoint, and with bytes that it does not know."""
    filled(tmp_path / "out")
    whole = log_path(tmp_path / "out").read_bytes()
    lines = whole.splitlines(keepends=True)
    rows = rows_path(tmp_path / "out").read_bytes()
    borders = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    near = {
        end for border in borders for end in (border - 1, border, border + 1, border + 40) if 0 <= end <= len(whole)
    }
    for end in sorted(near) if is_log else [len(whole)]:
        log_path(tmp_path / "out").write_bytes(whole[:end])
        rows_path(tmp_path / "out").write_bytes(rows if is_log else rows + b'{"chat_id":"to')
        pages = sum(end >= sum(map(len, lines[: page + 1])) for page in (1, 2, 3))
        if end == 0:
            with pytest.raises(ExportError, match="has no checkpoint"):
                open_spool(tmp_path / "out", BEGUN)
            continue
        spool = open_spool(tmp_path / "out", BEGUN)
        assert (spool.rows, spool.kept[""].token) == (pages, f"token {pages}")
        assert len(list(spool.read())) == pages
        append(spool, 9)
        spool.close()
        assert (
            rows_path(tmp_path / "out").read_bytes().endswith(b'\n{"chat_id":"9"}\n' if pages else b'{"chat_id":"9"}\n')
        )


def test_the_end_of_a_walk_is_kept(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "out", BEGUN)
    spool.end("", WalkReport(requests=7, complete=True))
    spool.close()
    spool = open_spool(tmp_path / "out", BEGUN)
    report = spool.kept[""].report
    assert report is not None
    assert report.requests == 7
    spool.close()


def test_another_run_is_told_of(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "out", BEGUN)
    with pytest.raises(ExportError, match=r"another export to .* is running"):
        open_spool(tmp_path / "out", BEGUN)
    with pytest.raises(ExportError, match=r"another export to .* is running"):
        open_spool(tmp_path / "out", BEGUN, restart=True)
    spool.close()
    open_spool(tmp_path / "out", BEGUN).discard()


@pytest.mark.parametrize(
    "other",
    [
        Begun(list="messages", walks={"": "token 0"}, started=NOW),
        Begun(list="chats", walks={"": "another query"}, started=NOW),
        Begun(list="chats", walks={"": "token 0"}, codec="gz", started=NOW),
        Begun(list="chats", walks={"": "token 0"}, is_repaired=True, started=NOW),
    ],
    ids=["list", "query", "codec", "repair"],
)
def test_other_settings_are_refused(tmp_path: Path, other: Begun) -> None:
    filled(tmp_path / "out")
    with pytest.raises(ExportError, match="other filters or settings"):
        open_spool(tmp_path / "out", other)
    spool = open_spool(tmp_path / "out", BEGUN)
    assert spool.rows == 3
    spool.close()
    spool = open_spool(tmp_path / "out", other, restart=True)
    assert spool.rows == 0
    spool.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not ours\n", "is not the checkpoint of an export"),
        (b"{}\n", "is not the checkpoint of an export"),
        (b'{"record":"export","version":1}\n', "of version 1"),
        (b'{"record":"export","version":2}\n', "line 1 is damaged"),
        (
            b'{"record":"page","version":2,"walk":"","rows":1,"bytes":1,"token":""}\n',
            "is not the checkpoint of an export",
        ),
    ],
)
def test_a_checkpoint_that_is_not_ours_is_left_alone(tmp_path: Path, content: bytes, said: str) -> None:
    log_path(tmp_path / "out").write_bytes(content)
    rows_path(tmp_path / "out").write_bytes(b"rows")
    with pytest.raises(ExportError, match=said):
        open_spool(tmp_path / "out", BEGUN)
    assert (log_path(tmp_path / "out").read_bytes(), rows_path(tmp_path / "out").read_bytes()) == (content, b"rows")


def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path) -> None:
    filled(tmp_path / "out")
    lines = log_path(tmp_path / "out").read_bytes().splitlines(keepends=True)
    log_path(tmp_path / "out").write_bytes(b"".join([*lines[:2], b'{"rec\n', *lines[3:]]))
    with pytest.raises(ExportError, match="line 3 is damaged"):
        open_spool(tmp_path / "out", BEGUN)


def test_rows_that_are_missing_or_changed_are_told(tmp_path: Path) -> None:
    filled(tmp_path / "out")
    rows = rows_path(tmp_path / "out").read_bytes()
    rows_path(tmp_path / "out").write_bytes(rows[:-1])
    with pytest.raises(ExportError, match=r"bytes, and .* were written"):
        open_spool(tmp_path / "out", BEGUN)
    rows_path(tmp_path / "out").write_bytes(rows.replace(b"2", b"7"))
    with pytest.raises(ExportError, match="not those that were written"):
        open_spool(tmp_path / "out", BEGUN)
    assert rows_path(tmp_path / "out").read_bytes() == rows.replace(b"2", b"7")


def test_the_digest_is_that_of_the_rows_file(tmp_path: Path) -> None:
    """Also after a run that was gone on with, and a page that could not be kept."""
    filled(tmp_path / "out")
    spool = open_spool(tmp_path / "out", BEGUN)
    append(spool, 4)
    spool.close()
    content = rows_path(tmp_path / "out").read_bytes()
    assert spool.digest.hexdigest() == hashlib.sha256(content).hexdigest()


def test_files_are_private(tmp_path: Path) -> None:
    filled(tmp_path / "out")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("writes", [0, 1])
def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Whether the rows or the checkpoint has no room."""
    spool = open_spool(tmp_path / "out", BEGUN)
    append(spool, 1)
    at_once, left = os.write, [writes]

    def full(fd: int, data: memoryview) -> int:
        if left[0]:
            left[0] -= 1
            return at_once(fd, data)
        at_once(fd, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ExportError, match=r"out\.partial': No space left"):
        append(spool, 2)
    monkeypatch.undo()
    append(spool, 3)
    spool.close()
    spool = open_spool(tmp_path / "out", BEGUN)
    assert [data for _, data in spool.read()] == [b'{"chat_id":"1"}\n', b'{"chat_id":"3"}\n']
    spool.close()


@pytest.mark.parametrize("name", ["no/such/out", "no/" + "n" * 250])
def test_where_nothing_can_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match="cannot write"):
        open_spool(tmp_path / name, BEGUN)
    assert list(tmp_path.iterdir()) == []
