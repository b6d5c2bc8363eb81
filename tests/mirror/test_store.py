"""What each of the databases keeps, and what it keeps out."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from periskope_async import ConfigError, MirrorError
from periskope_async.mirror.database import SQLite, database_for
from periskope_async.mirror.lists import CHATS, key_of
from periskope_async.mirror.merge import Outcome
from periskope_async.mirror.store import ListState, Scope, Store, Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def row(number: int, *, updated: int = 0, **fields: Any) -> tuple[str, bytes]:
    """Make a chat's row with its key, changed so many seconds after noon."""
    chat_id, org_phone = f"{number}@g.us", "9199@c.us"
    updated_at = (NOW + timedelta(seconds=updated)).isoformat()
    chat = {"chat_id": chat_id, "org_phone": org_phone, "updated_at": updated_at, **fields}
    return key_of([chat_id, org_phone]), msgspec.json.encode(chat)


@pytest.fixture
def store(target: str) -> Iterator[Store]:
    store = Store(database_for(target), keeps_history=True)
    store.open([CHATS])
    with closing(store):
        yield store


def merge(store: Store, *rows: tuple[str, bytes], **options: Any) -> list[Outcome]:
    given: dict[str, Any] = {"source": "walk", "as_of": NOW, "now": NOW, **options}
    return store.merge(CHATS, rows, **given)


def select(store: Store, columns: str, table: str = "chats") -> list[tuple[Any, ...]]:
    return store._database.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}")  # noqa: S608 - the tests' own names


def test_rows_are_kept_as_sent(store: Store) -> None:
    key, sent = row(1, chat_name="Ω 🙂\0", member_count=3, is_exited=True, created_at="2025-01-02 03:04:05+0530", x=[1])
    assert merge(store, (key, sent)) == [Outcome.INSERTED]
    columns = "chat_id, org_phone, chat_name, member_count, is_exited, raw_json, deleted_at"
    ((*values, raw, deleted),) = select(store, columns)
    assert values == ["1@g.us", "9199@c.us", "Ω 🙂\ufffd", 3, True]
    assert raw.encode() == sent
    assert deleted is None
    ((created,),) = select(store, "CAST(created_at AS TEXT)")
    assert datetime.fromisoformat(created) == datetime(2025, 1, 1, 21, 34, 5, tzinfo=UTC)
    assert merge(store, (key, sent)) == [Outcome.UNCHANGED]


def test_a_row_that_cannot_be_read_is_kept(store: Store) -> None:
    key, _ = row(1)
    assert merge(store, (key, b'{"chat_id":7}')) == [Outcome.INSERTED]
    assert select(store, "chat_id, raw_json") == [(None, '{"chat_id":7}')]


def test_older_rows_are_left_out(store: Store) -> None:
    merge(store, row(1, updated=5, chat_name="new"), row(2, updated=5))
    assert merge(store, row(1, updated=4, chat_name="old"), row(2, updated=6)) == [Outcome.OUTDATED, Outcome.UPDATED]
    assert select(store, "chat_id, chat_name") == [("1@g.us", "new"), ("2@g.us", None)]


def test_one_batch_may_hold_a_row_twice(store: Store) -> None:
    outcomes = merge(store, row(1, updated=2, chat_name="b"), row(1, updated=1, chat_name="a"), source="event")
    assert outcomes == [Outcome.INSERTED, Outcome.OUTDATED]
    assert select(store, "chat_name") == [("b",)]


def test_a_late_event_does_not_undo_what_a_later_one_said_again(store: Store) -> None:
    """Access to a chat is given, taken and given, which leaves its updated_at as it was."""
    given, taken = row(1, access=True), row(1, access=False)

    def tell(sent: tuple[str, bytes], second: int) -> list[Outcome]:
        return merge(store, sent, source="event", as_of=NOW + timedelta(seconds=second))

    assert tell(given, 1) == [Outcome.INSERTED]
    assert tell(given, 3) == [Outcome.UNCHANGED]
    assert tell(taken, 2) == [Outcome.OUTDATED]
    assert tell(taken, 4) == [Outcome.UPDATED]


@pytest.mark.parametrize("source", ["walk", "event"])
def test_a_moment_of_a_clock_that_ran_ahead_is_forgotten(store: Store, source: str) -> None:
    merge(store, row(1, chat_name="a"), now=NOW + timedelta(days=3650))
    assert merge(store, row(1, chat_name="b"), source=source) == [Outcome.UPDATED]


@pytest.mark.parametrize("source", ["walk", "event"])
def test_a_version_yet_to_come_is_forgotten(store: Store, source: str) -> None:
    """One wrong ``updated_at`` would hold off all later rows."""
    merge(store, row(1, updated=3600, chat_name="a"))
    later = NOW + timedelta(seconds=1)
    assert merge(store, row(1, chat_name="b"), source=source, as_of=later, now=later) == [Outcome.UPDATED]


def drop(store: Store, *rows: tuple[str, bytes]) -> None:
    """Have a full sweep meet no more than these rows."""
    store.begin_sweep(CHATS)
    merge(store, *rows, is_sweeping=True)
    store.finish_sweep(CHATS, complete=True, now=NOW, state=ListState(swept_at=NOW))


def test_what_is_gone_is_a_tombstone(store: Store) -> None:
    merge(store, row(1), row(2))
    drop(store, row(2))
    assert store.count(CHATS) == 1
    assert select(store, "chat_id") == [("1@g.us",), ("2@g.us",)]
    assert merge(store, row(1, updated=1), as_of=NOW, source="event") == [Outcome.OUTDATED]
    later = NOW + timedelta(seconds=1)
    assert merge(store, row(1), as_of=later) == [Outcome.RESTORED]
    assert store.count(CHATS) == 2


def test_counts(store: Store) -> None:
    message = {"message_id": "m", "timestamp": NOW.isoformat()}
    rows = [row(1, latest_message=message), row(2), row(3)]
    merge(store, *rows, row(4))
    drop(store, *rows)
    assert store.count(CHATS) == store.count(CHATS, without="created_at") == 3
    assert store.count(CHATS, without="latest_message_at") == 2


def test_an_event_writes_one_page(tmp_path: Path) -> None:
    """An index of all rows would be written too, though its columns stay the same."""
    path = tmp_path / "mirror.sqlite"
    with closing(Store(SQLite(path))) as store:
        store.open([CHATS])
        dates: dict[str, Any] = {"created_at": NOW.isoformat(), "latest_message_timestamp": NOW.isoformat()}
        merge(store, *(row(number, filler="x" * 2_000, **dates) for number in range(500)))
        log = path.with_name("mirror.sqlite-wal")
        before = log.stat().st_size
        event = row(250, updated=1, filler="y" * 2_000, **dates)
        assert merge(store, event, source="event") == [Outcome.UPDATED]
        assert log.stat().st_size - before == 24 + 8192


@pytest.mark.parametrize("where", ["deleted_at IS NOT NULL", "deleted_at IS NULL AND created_at IS NULL"])
def test_no_row_is_read_to_count(tmp_path: Path, where: str) -> None:
    with closing(Store(SQLite(tmp_path / "mirror.sqlite"))) as store:
        store.open([CHATS])
        plan = store._database.execute(f"EXPLAIN QUERY PLAN SELECT COUNT(*) FROM chats WHERE {where}")  # noqa: S608 - the words above
        assert "USING COVERING INDEX chats_" in plan[0][3]


@pytest.mark.parametrize(("complete", "gone"), [(True, [1, 0]), (None, [0, 1]), (False, [0, 0])])
def test_what_full_sweeps_miss(store: Store, *, complete: bool | None, gone: list[int]) -> None:
    merge(store, row(1), row(2))
    state = ListState(sweep=Sweep(token="t", began=NOW, head=0.0))
    found: list[int] = []
    for _ in gone:
        store.begin_sweep(CHATS)
        merge(store, row(2), state=state, is_sweeping=True)
        assert store.state(CHATS) == state
        found.append(store.finish_sweep(CHATS, complete=complete, now=NOW, state=ListState(swept_at=NOW)))
    assert found == gone
    assert store.state(CHATS) == ListState(swept_at=NOW)
    assert store.count(CHATS) == 2 - sum(gone)


def test_a_row_that_is_met_again_is_missed_anew(store: Store) -> None:
    merge(store, row(1))
    for met in ([], [row(1)], []):
        store.begin_sweep(CHATS)
        merge(store, *met, is_sweeping=True)
        assert store.finish_sweep(CHATS, complete=None, now=NOW, state=ListState()) == 0
    assert store.drop_missed(CHATS, expected=2, now=NOW) == 0
    assert store.drop_missed(CHATS, expected=1, now=NOW) == 1


def test_history(store: Store) -> None:
    merge(store, row(1, chat_name="a"))
    merge(store, row(1, updated=1, chat_name="b"))
    drop(store)
    merge(store, row(1, updated=1, chat_name="b"), as_of=NOW + timedelta(seconds=1))
    changes = select(store, "field, old_json, new_json", "mirror_history")
    assert [change for change in changes if change[0] != "updated_at"] == [
        ("(is deleted)", "false", "true"),
        ("(is deleted)", "true", "false"),
        ("chat_name", '"a"', '"b"'),
    ]


def test_a_database_belongs_to_one_phone_and_one_organisation(store: Store) -> None:
    store.bind(Scope(phone="9199"))
    store.bind(Scope(phone="9199", org_id="one"))
    store.bind(Scope(phone="9199"))
    with pytest.raises(MirrorError, match="mirror of phone '9199', not of all phones of the key"):
        store.bind(Scope())
    with pytest.raises(MirrorError, match="mirror of org_id 'one', not of org_id 'two'"):
        store.bind(Scope(phone="9199", org_id="two"))


def test_a_mirror_of_all_phones_takes_no_phone(store: Store) -> None:
    store.bind(Scope())
    with pytest.raises(MirrorError, match="mirror of all phones of the key, not of phone '9199'"):
        store.bind(Scope(phone="9199"))


def test_a_failure_writes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    merge(store, row(1))
    monkeypatch.setattr(store, "_save", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        merge(store, row(1, updated=1), row(2), state=ListState(), is_sweeping=True)
    assert select(store, "chat_id") == [("1@g.us",)]
    assert select(store, "mirror_key", "mirror_met") == []


def test_one_writer_at_a_time(target: str, store: Store) -> None:
    other = Store(database_for(target))
    with pytest.raises(MirrorError, match="another mirror writes to"):
        other.open([CHATS])
    store.close()
    other.open([CHATS])
    other.close()
    other.close()


def test_another_process_is_kept_out_and_may_read(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    with closing(Store(SQLite(path))) as store:
        store.open([CHATS])
        merge(store, row(1))
        code = (
            "import sys, sqlite3; from periskope_async.mirror.database import database_for\n"
            "print(sqlite3.connect(sys.argv[1]).execute('SELECT COUNT(*) FROM chats').fetchone()[0])\n"
            "database_for(sys.argv[1]).connect()"
        )
        ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert ran.stdout == "1\n"
    assert "another mirror writes to" in ran.stderr


def test_a_new_file_is_private(tmp_path: Path) -> None:
    for name in ("a.sqlite", "b.duckdb"):
        with closing(Store(database_for(tmp_path / name))) as store:
            store.open([CHATS])
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="files have no modes there")
def test_the_log_of_duckdb_is_private(tmp_path: Path) -> None:
    """It holds rows until a checkpoint, which removes it."""
    link, log = tmp_path / "link.duckdb", tmp_path / "real.duckdb.wal"
    link.symlink_to("real.duckdb")
    umask = os.umask(0o022)
    try:
        with closing(Store(database_for(link))) as store:
            store.open([CHATS])
            for number in range(2):
                merge(store, row(number))
                assert stat.S_IMODE(log.stat().st_mode) == 0o600
                store._database.execute("CHECKPOINT")
            merge(store, row(2))
            # As a killed mirror of an older version left it.
            log.chmod(0o644)
            merge(store, row(3))
            assert stat.S_IMODE(log.stat().st_mode) == 0o600
    finally:
        os.umask(umask)


@pytest.mark.parametrize("target", ["", "mysql://x/y", "https://x", "/"])
def test_targets_that_are_no_database(target: str) -> None:
    with pytest.raises(ConfigError, match="names no database"):
        database_for(target)


def test_a_password_is_never_shown() -> None:
    database = database_for("postgresql://me:hidden@127.0.0.1:9/chats")
    assert database.name == "postgresql://127.0.0.1/chats"
    with pytest.raises(MirrorError) as caught:
        database.connect()
    assert "hidden" not in str(caught.value)


def test_files_that_cannot_be_a_database(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("this is no database, but it is long enough to be told from an empty one" * 9)
    for path in (tmp_path / "text.sqlite", tmp_path / "no" / "folder.sqlite", tmp_path / "no" / "folder.duckdb"):
        store = Store(database_for(path))
        with pytest.raises(MirrorError, match="cannot write to"):
            store.open([CHATS])
        store.close()
