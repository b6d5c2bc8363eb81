"""Times at the edge of the calendar: no year of UTC holds them, and no export, mirror or event stops at one."""

from __future__ import annotations

import csv
import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from periskope_async.cli.live import event_line
from periskope_async.client.lists import CHATS
from periskope_async.export.formats import format_of
from periskope_async.export.older import rows_of
from periskope_async.export.overview import overview
from periskope_async.mirror.database import database_for
from periskope_async.mirror.lists import CHATS as MIRRORED
from periskope_async.mirror.store import Store
from periskope_async.models.times import in_zone, utc_texts
from periskope_async.tables.columns import batches_of, table_of
from periskope_async.webhooks import parse
from tests.export.test_formats import needs

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
EDGES = ["0001-01-01T00:00:00+05:30", "9999-12-31T23:59:59-05:00"]


ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))])


@given(st.lists(st.none() | st.datetimes(timezones=ZONES)))
def test_times_are_written_in_one_length(moments: list[datetime | None]) -> None:
    in_utc = [moment and in_zone(moment, UTC) for moment in moments]
    expected = [moment and f"{moment.isoformat(timespec='microseconds')[:26]}Z" for moment in in_utc]
    assert utc_texts(moments) == expected


def row_at(edge: str) -> bytes:
    message = {"message_id": "m", "timestamp": edge}
    chat = {"chat_id": "1@g.us", "created_at": edge, "updated_at": edge, "latest_message": message}
    return json.dumps(chat | {"member_count": 3}).encode()


@pytest.mark.parametrize("edge", EDGES)
def test_such_a_time_is_not_converted(edge: str) -> None:
    moment = datetime.fromisoformat(edge)
    assert in_zone(moment, UTC) is None
    assert in_zone(moment, moment.tzinfo) == moment
    assert in_zone(NOW, timezone(timedelta(hours=5))) == NOW


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("ending", ["csv", "sqlite", "parquet", "duckdb"])
def test_an_export_keeps_the_row(tmp_path: Path, ending: str, edge: str) -> None:
    needs(ending)
    path, table = tmp_path / f"out.{ending}", table_of(CHATS)
    path.touch()
    form = format_of(path.name)
    form.writer()(path, table, batches_of(table, [row_at(edge)], source=""), facts={})
    ((raw, *_),) = rows_of(path, form, table)
    assert json.loads(raw)["chat_id"] == "1@g.us"
    if ending != "csv":
        assert raw == row_at(edge)
    assert created_in(path, ending) in {None, ""}


def created_in(path: Path, ending: str) -> object:
    if ending == "csv":
        with path.open(newline="") as file:
            return next(csv.DictReader(file))["created_at"]
    if ending == "sqlite":
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT created_at FROM chats").fetchone()[0]
    duckdb = pytest.importorskip("duckdb")
    with closing(duckdb.connect()) as database:
        if ending == "duckdb":
            database.execute(f"ATTACH '{path}' AS there (READ_ONLY)")
        source = "there.chats" if ending == "duckdb" else f"'{path}'"
        return database.execute(f"SELECT created_at FROM {source}").fetchone()[0]  # noqa: S608 - the test's own path


@pytest.mark.parametrize("edge", EDGES)
def test_a_report_draws_the_chat(edge: str) -> None:
    table = table_of(CHATS)
    found = overview(table, batches_of(table, [row_at(edge)], source=""))
    assert found.chats == 1
    assert len(found.busiest_groups(1)) == 1


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", ["mirror.sqlite", "mirror.duckdb"])
def test_a_mirror_keeps_the_row(tmp_path: Path, name: str, edge: str) -> None:
    needs(name.rpartition(".")[2])
    store = Store(database_for(tmp_path / name))
    store.open([MIRRORED])
    with closing(store):
        store.merge(MIRRORED, [("key", row_at(edge))], source="walk", as_of=NOW, now=NOW)
        rows = store._database.execute("SELECT created_at, updated_at, latest_message_at, raw_json FROM chats")
    assert rows == [(None, None, None, row_at(edge).decode())]


@pytest.mark.parametrize("edge", EDGES)
def test_an_event_keeps_the_time_in_its_own_zone(edge: str) -> None:
    data = {"event": "chat.updated", "timestamp": edge, "data": json.loads(row_at(edge))}
    event = parse(json.dumps(data).encode())
    moment = datetime.fromisoformat(edge)
    assert (event.object_time, event.timestamp) == (moment, moment)
    assert event.key


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("edge", [*EDGES, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_line_shows_the_time(monkeypatch: pytest.MonkeyPatch, zone: str, edge: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        event = parse(json.dumps({"event": "chat.updated", "timestamp": edge, "data": {}}).encode())
        assert event_line(event).plain[2] == ":"
    finally:
        monkeypatch.undo()
        time.tzset()
