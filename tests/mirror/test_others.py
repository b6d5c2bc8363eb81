"""Databases of something else: a mirror leaves them as they are, and says what they are."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import MirrorError
from periskope_async.client.lists import CHATS as CHATS_LISTING
from periskope_async.errors import ExportError
from periskope_async.export.formats import format_of
from periskope_async.export.older import rows_of
from periskope_async.mirror.database import database_for
from periskope_async.mirror.file_lock import FileLock
from periskope_async.mirror.lists import CHATS, CONTACTS
from periskope_async.mirror.store import Store
from periskope_async.tables.columns import batches_of, table_of
from tests.export.test_formats import needs

if TYPE_CHECKING:
    from pathlib import Path


def opened(target: Path | str, *lists: Any) -> None:
    store = Store(database_for(target))
    with closing(store):
        store.open(lists or [CHATS])


def filled(path: Path, *statements: str) -> None:
    if path.suffix == ".duckdb":
        duckdb = pytest.importorskip("duckdb")
        connection = duckdb.connect(str(path))
    else:
        connection = sqlite3.connect(path)
    with closing(connection):
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id INTEGER)",
        "CREATE TABLE chats (mine TEXT)",
        "CREATE TABLE mirror_state (mine TEXT)",
        "CREATE VIEW chats AS SELECT 1 AS mirror_key",
    ],
    ids=["other", "same-name", "state", "view"],
)
@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, ending: str, statement: str) -> None:
    needs(ending)
    path = tmp_path / f"mine.{ending}"
    filled(path, statement)
    path.chmod(0o640)
    before = path.read_bytes()
    with pytest.raises(MirrorError, match=r"is no mirror but a database of something else.* Nothing was changed"):
        opened(path)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (before, 0o640)


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
def test_an_export_is_left_alone(tmp_path: Path, ending: str) -> None:
    needs(ending)
    path, table = tmp_path / f"out.{ending}", table_of(CHATS_LISTING)
    path.touch()
    format_of(path.name).writer()(path, table, batches_of(table, [b'{"chat_id":"1@c.us"}']), facts={"list": "chats"})
    before = path.read_bytes()
    with pytest.raises(MirrorError, match=r"is no mirror but an export.* Nothing was changed"):
        opened(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
def test_a_mirror_may_have_tables_of_others(tmp_path: Path, ending: str) -> None:
    needs(ending)
    path = tmp_path / f"mirror.{ending}"
    opened(path)
    filled(path, "CREATE TABLE mine (id INTEGER)", "CREATE VIEW names AS SELECT chat_name FROM chats")
    opened(path, CHATS, CONTACTS)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW numbers AS SELECT order_number(chat_name) FROM chats",
        "CREATE VIEW customers AS SELECT * FROM no_such_table",
        "INSERT INTO sqlite_master VALUES ('table', 't', 't', 0, 'CREATE VIRTUAL TABLE t USING no_such_module(a)')",
    ],
    ids=["function", "table", "module"],
)
def test_what_only_another_program_can_read_is_not_read(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "mirror.sqlite"
    opened(path)
    filled(path, "PRAGMA writable_schema = ON", "BEGIN", statement, "COMMIT")
    opened(path, CHATS, CONTACTS)


def test_an_empty_file_becomes_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    opened(tmp_path / "empty.sqlite")


def test_a_schema_may_hold_other_tables(postgres_database: str) -> None:
    import psycopg

    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE mine (id INTEGER)")
        opened(postgres_database, CONTACTS)
        connection.execute("CREATE TABLE chats (mine TEXT)")
        with pytest.raises(MirrorError, match=r"'chats' in it is of something else.* Nothing was changed"):
            opened(postgres_database)
        columns = connection.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'chats'")
        assert columns.fetchall() == [("mine",)]


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
def test_a_mirror_is_no_export(tmp_path: Path, ending: str) -> None:
    needs(ending)
    path = tmp_path / f"mirror.{ending}"
    opened(path)
    with pytest.raises(ExportError, match="is a mirror, and no export"):
        list(rows_of(path, format_of(path.name), table_of(CHATS_LISTING)))


def lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
@pytest.mark.parametrize("is_database", [True, False])
def test_a_refused_target_has_no_lock_left(tmp_path: Path, ending: str, *, is_database: bool) -> None:
    needs(ending)
    path = tmp_path / f"mine.{ending}"
    if is_database:
        filled(path, "CREATE TABLE mine (id INTEGER)")
    else:
        path.write_text("no database at all, but a text that is long enough to be read as a header of one" * 9)
    with pytest.raises(MirrorError):
        opened(path)
    assert list(tmp_path.iterdir()) == [path]
    lock_of(path).touch()
    with pytest.raises(MirrorError):
        opened(path)
    # It was there before: it may be of another program.
    assert lock_of(path).exists()


def test_the_lock_of_a_mirror_stays(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    opened(path)
    assert lock_of(path).exists()
    opened(path)
    assert lock_of(path).exists()


def test_a_lock_that_is_gone_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may remove the file between its opening and its locking: two could then lock two files."""
    path = tmp_path / "mirror.sqlite"
    first, second = FileLock(path), FileLock(path)
    at_once, left = os.open, [True]

    def slowly(*arguments: Any) -> int:
        fd = at_once(*arguments)
        if left:
            left.clear()
            # The second one's opening is over, and the first one ends.
            first.release()
        return fd

    first.take()
    monkeypatch.setattr(os, "open", slowly)
    second.take()
    monkeypatch.undo()
    third = FileLock(path)
    with pytest.raises(MirrorError, match="another mirror writes"):
        third.take()
    second.release()
    assert list(tmp_path.iterdir()) == []
