"""What ``periskope sync`` says and writes, and how it ends."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from periskope_async.cli import progress
from periskope_async.cli.sync import SyncProgress
from periskope_async.events import PageRead
from periskope_async.meta import ResponseMeta
from periskope_async.sandbox import Sandbox
from tests.cli.running import begun, periskope

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Here


def test_the_first_and_the_next_sync(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite"
    with Sandbox(chats=1_200) as sandbox:
        environ = {"PERISKOPE_API_KEY": sandbox.api_key, "PERISKOPE_BASE_URL": sandbox.base_url}
        first = periskope("sync", str(path), "--lists", "chats", **environ)
        assert first.returncode == 0
        assert first.stdout == ""
        summary, reason = first.stderr.splitlines()
        assert summary.startswith("✓ chats: 1,200 rows; 1,200 new; ")
        assert reason == "  all rows were read: it is the first time"
        sandbox.insert()
        second = periskope("sync", str(path), "--json", **environ)
    (account,) = map(json.loads, second.stdout.splitlines())
    assert second.stderr == ""
    chats, *others = account["lists"]
    assert [each["name"] for each in others] == ["messages", "contacts", "tickets"]
    assert (chats["name"], chats["rows"], chats["inserted"], chats["full"]) == ("chats", 1_201, 1, None)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM chats").fetchone() == (1_201,)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("https://x",), 2, "names no database"),
        (
            ("x.sqlite", "--lists", "chats,cats"),
            2,
            "✗ --lists: a mirror has no list 'cats'; give some of chats,messages,",
        ),
        (("x.sqlite", "--lists", ""), 2, "✗ --lists: a mirror has no list ''"),
        (("/no/such/folder.sqlite",), 1, "cannot write to '/no/such/folder.sqlite': No such file or directory"),
    ],
)
def test_slips(here: Here, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = here("sync", *arguments, "--sandbox", "--sandbox-chats", "3")
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr.replace("\n", " ")


@pytest.mark.parametrize("ending", [".csv", ".CSV", ".parquet", ".jsonl", ".jsonl.gz", ".ndjson"])
def test_a_name_of_another_format_is_no_database(here: Here, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"chats{ending}"
    ran = here("sync", str(path), "--sandbox", "--sandbox-chats", "3")
    assert (ran.returncode, ran.stdout) == (2, "")
    kind = ending.lower().lstrip(".").replace("ndjson", "jsonl")
    assert f"✗ DATABASE ends as a file of {kind} does; give a file such as chats.sqlite" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["chats.db", "chats.txt", "chats"])
def test_any_other_name_is_for_sqlite(tmp_path: Path, name: str) -> None:
    ran = periskope("sync", str(tmp_path / name), "--lists", "chats", "--sandbox", "--sandbox-chats", "3")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / name).read_bytes().startswith(b"SQLite format 3")


def test_a_database_of_something_else_has_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (id INTEGER)")
    ran = periskope("sync", str(path), "--sandbox", "--sandbox-chats", "3")
    assert ran.returncode == 1
    assert "is no mirror but a database of something else" in ran.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_another_writer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that watches holds its database until Ctrl-C, says what changes, and nothing else."""
    path = tmp_path / "chats.sqlite"
    with Sandbox(chats=30) as sandbox:
        monkeypatch.setenv("PERISKOPE_API_KEY", sandbox.api_key)
        monkeypatch.setenv("PERISKOPE_BASE_URL", sandbox.base_url)
        process = begun("sync", str(path), "--lists", "chats", "--watch", "--every", "0.05")
        assert process.stderr is not None
        assert process.stderr.readline().startswith("✓ chats: 30 rows; 30 new; ")
        process.stderr.readline()
        other = periskope("sync", str(path), "--sandbox", "--sandbox-chats", "3")
        assert other.returncode == 1
        assert "another mirror writes to" in other.stderr
        sandbox.insert()
        # An event may have brought it before: then the list's own row takes its place.
        assert process.stderr.readline().startswith("✓ chats: 31 rows; 1 ")
        process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        _, said = process.communicate(timeout=40)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "! stopped"


def test_progress_ends_with_the_first_sync(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A sync that watches would otherwise fill a log with it."""
    monkeypatch.setattr(progress, "_SECONDS_A_LINE", 0.0)
    page = PageRead(offset=0, rows=5, placed=5, delivered=5, count=9, meta=ResponseMeta(status=200))
    with SyncProgress("rows") as drawn:
        drawn(page)
    assert capsys.readouterr().err == "  5 of 9 rows, 1 page, 0.0 MB\n"
    drawn(page)
    assert capsys.readouterr().err == ""
