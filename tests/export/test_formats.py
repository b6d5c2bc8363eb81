"""Each format, read back by libraries that did not write it, holds every row and what the server said."""

from __future__ import annotations

import csv
import gc
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.client.lists import CHATS
from periskope_async.errors import AuthenticationError, ExportError
from periskope_async.export import export, sqlite_file
from periskope_async.export.compression import opened
from periskope_async.export.formats import format_of
from periskope_async.sandbox import Body, Pass, Sandbox, Status
from periskope_async.tables.columns import batches_of, table_of
from tests.export.test_runner import connected, names_in, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from periskope_async.tables.columns import Batch

# Heavier runs say how often each format is killed.
KILLS = int(os.environ.get("PERISKOPE_EXPORT_KILLS", "1"))
FORMATS = ["jsonl", "csv", "sqlite", "parquet", "duckdb"]


def needs(ending: str) -> None:
    for package in {"parquet": ["pyarrow"], "duckdb": ["duckdb", "pyarrow"]}.get(ending, []):
        pytest.importorskip(package, reason=f"{package} is in an extra, and has no wheel for every Python")


def ids_in(path: Path) -> list[str]:
    """Read the ids of an export, in its order."""
    if path.name.endswith("csv"):
        with path.open(newline="", encoding="utf-8") as file:
            return [row["chat_id"] for row in csv.DictReader(file)]
    if path.name.endswith("sqlite"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return [row[0] for row in database.execute("SELECT chat_id FROM chats ORDER BY rowid")]
    if path.name.endswith("parquet"):
        ids: list[str] = pytest.importorskip("polars").read_parquet(path)["chat_id"].to_list()
        return ids
    if path.name.endswith("duckdb"):
        with closing(pytest.importorskip("duckdb").connect(str(path), read_only=True)) as database:
            return [row[0] for row in database.execute("SELECT chat_id FROM chats ORDER BY rowid").fetchall()]
    with opened(path, format_of(path.name).codec) as lines:
        return [json.loads(line)["chat_id"] for line in lines]


@pytest.mark.parametrize("chats", [0, 700])
@pytest.mark.parametrize("ending", FORMATS)
async def test_every_format_holds_every_row(tmp_path: Path, ending: str, chats: int) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=chats) as (sandbox, client):
        result = await export(client.iter_chats(page_size=300), out)
        expected = sandbox.chat_ids()
    assert ids_in(out) == expected
    assert (result.manifest.state, result.rows) == ("whole", chats)
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]
    assert out.stat().st_mode & 0o777 == 0o600


async def test_a_database_that_a_killed_run_left_is_made_anew(tmp_path: Path) -> None:
    needs("duckdb")
    out = tmp_path / "out.duckdb"
    left = tmp_path / "out.duckdb.partial.new.d"
    async with connected(chats=20) as (sandbox, client):
        sandbox.script(Pass(), Status(401))
        with pytest.raises(AuthenticationError):
            await export(client.iter_chats(page_size=10, prefetch=1), out)
        left.mkdir()
        with closing(pytest.importorskip("duckdb").connect(str(left / "new.duckdb"))) as database:
            database.execute("CREATE TABLE chats (chat_id TEXT)")
        await export(client.iter_chats(page_size=10), out)
    assert len(ids_in(out)) == 20
    assert not left.exists()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
async def test_parquet_is_the_same_to_every_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow has no wheel for every Python")
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    out = tmp_path / "out.parquet"
    async with connected() as (_, client):
        await export(client.iter_chats(), out)
        rows, chats = await truth(client), await client.iter_chats().collect()
    times = [chat.updated_at for chat in chats]
    table = pq.read_table(out)
    assert table.schema.metadata is None or b"complete" not in table.schema.metadata
    assert pq.ParquetFile(out).metadata.metadata[b"complete"] == b"true"
    assert table["updated_at"].to_pylist() == times
    assert polars.read_parquet(out)["updated_at"].to_list() == times
    with closing(duckdb.connect()) as database:
        database.execute("SET TimeZone='UTC'")
        read = database.execute("SELECT updated_at, raw_json, label_ids FROM read_parquet(?)", [str(out)]).fetchall()
    assert [row[0] for row in read] == times
    assert [row[1].encode() for row in read] == rows
    assert [set(row[2]) for row in read] == [chat.active_label_ids for chat in chats]
    monkeypatch.undo()
    time.tzset()


def test_sqlite_keeps_the_last_row_of_a_key(tmp_path: Path) -> None:
    out, table = tmp_path / "out.sqlite", table_of(CHATS, has_sources=True)
    named = [b'{"chat_id": "%d@c.us", "chat_name": "%d"}' % (number % 300, number) for number in range(700)]
    nameless = [b'{"chat_id": "1@c.us"}', b'{"chat_id": null, "chat_name": "old"}', b'{"chat_id": ""}']
    batches = [*batches_of(table, named), *batches_of(table, nameless), *batches_of(table, named[:1], source="other")]
    sqlite_file.write(out, table, iter(batches), facts={})
    expected = [(row, "") for row in [*named[400:601], *named[602:], nameless[0], nameless[2]]]
    assert [(row, source) for row, source, _ in sqlite_file.read(out, table)] == [*expected, (named[0], "other")]
    with closing(sqlite3.connect(out)) as database:
        assert database.execute("SELECT chat_name FROM chats WHERE chat_id = '1@c.us'").fetchall() == [(None,)]
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("INSERT INTO chats SELECT * FROM chats LIMIT 1")


def test_a_full_disk_may_be_that_of_sqlites_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def on_a_small_disk(*args: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **options)
        database.execute("PRAGMA max_page_count=1")
        return database

    monkeypatch.setattr(sqlite3, "connect", on_a_small_disk)
    with pytest.raises(OSError, match=r"full \(or the one for temporary files is: .* SQLITE_TMPDIR"):
        sqlite_file.write(tmp_path / "out.sqlite", table_of(CHATS), iter(()), facts={})


async def test_sqlite_is_readable_where_nothing_can_be_written(tmp_path: Path) -> None:
    out = tmp_path / "out.sqlite"
    async with connected() as (_, client):
        await export(client.iter_chats(), out)
        rows, chats = await truth(client), await client.iter_chats().collect()
    os.chmod(tmp_path, 0o500)  # noqa: PTH101 - nothing else runs
    try:
        with closing(sqlite3.connect(f"file:{out}?mode=ro", uri=True)) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            read = database.execute("SELECT raw_json, updated_at FROM chats ORDER BY rowid").fetchall()
    finally:
        os.chmod(tmp_path, 0o700)  # noqa: PTH101
    assert [row[0].encode() for row in read] == rows
    assert [row[1] for row in read] == [f"{chat.updated_at:%Y-%m-%dT%H:%M:%S.%fZ}" for chat in chats]


def test_duckdb_needs_memory_for_a_part_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("duckdb")
    duckdb_file = pytest.importorskip("periskope_async.export.duckdb_file")
    # As 300 MB are to 120,000 rows.
    monkeypatch.setattr(duckdb_file, "_SETTINGS", ("TimeZone='UTC'", "memory_limit='60MB'", "threads=1"))
    monkeypatch.chdir(tmp_path)
    out, table = tmp_path / "out.duckdb", table_of(CHATS)
    rows = [b'{"chat_id": "%d@c.us", "chat_name": "%d%s"}' % (number, number, b"." * 2_000) for number in range(25_000)]
    duckdb_file.write(out, table, batches_of(table, rows), facts={})
    assert [row for row, *_ in duckdb_file.read(out, table)] == rows
    assert names_in(tmp_path) == [out.name]


async def test_older_versions_of_duckdb_open_the_file(tmp_path: Path) -> None:
    needs("duckdb")
    out = tmp_path / "out.duckdb"
    async with connected(chats=3) as (_, client):
        await export(client.iter_chats(), out)
    with closing(pytest.importorskip("duckdb").connect(str(out), read_only=True)) as database:
        tags = database.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'out'").fetchone()
    assert tags == ({"storage_version": "v1.0.0+"},)


@pytest.mark.parametrize("is_escaped", [True, False])
async def test_csv_runs_nothing_in_a_spreadsheet(tmp_path: Path, *, is_escaped: bool) -> None:
    from periskope_async.sandbox import Body

    names = ["=1+2", "+1", "-1", "@SUM(A1)", "\tx", "plain", 'a "quote", and\nlines']
    rows = [{"chat_id": f"{number}@c.us", "chat_name": name} for number, name in enumerate(names)]
    page = json.dumps({"from": 1, "to": 7, "count": 7, "chats": rows}).encode()
    async with connected() as (sandbox, client):
        last = json.dumps({"from": 7, "to": 7, "count": 7, "chats": rows[-1:]}).encode()
        sandbox.script(*[Body(body, "application/json") for body in (page, last)])
        await export(client.iter_chats(), tmp_path / "out.csv", csv_escape=is_escaped)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        read = [row["chat_name"] for row in csv.DictReader(file)]
    assert read == [f"'{name}" if is_escaped and name[0] in "=+-@\t" else name for name in names]


def test_what_cannot_be_read_is_null_and_kept_raw() -> None:
    table = table_of(CHATS)
    rows = [
        b'{"chat_id":"1@c.us","chat_name":"cut \\ud83d","member_count":{"odd":1},"label_ids":["a"]}',
        (
            b'{"chat_id":"2@c.us","member_count":99999999999999999999,"custom_properties":{"a":"\\ud83d"},'
            b'"label_ids":{"b":true,"c":false},"latest_message":{"message_id":"m","body":null,"ack":"3"}}'
        ),
        b'{"chat_id":"3@c.us","member_add_mode":"true","created_at":"2024-05-13 11:19:34+00"}',
        b"7",
    ]
    (batch,) = batches_of(table, rows)
    columns = {column.name: values for column, values in zip(table.columns, batch.values, strict=True)}
    assert columns["chat_id"] == ["1@c.us", "2@c.us", "3@c.us", None]
    assert columns["chat_name"] == ["cut \ufffd", None, None, None]
    assert columns["member_count"] == [None, None, None, None]
    assert columns["label_ids"] == [["a"], ["b"], None, None]
    assert columns["custom_properties"] == [None, '{"a":"\\ufffd"}', None, None]
    assert columns["latest_message_ack"] == [None, 3, None, None]
    assert columns["latest_message_timestamp"] == [None, None, None, None]
    assert columns["member_add_mode"] == [None, None, True, None]
    assert columns["created_at"][2].isoformat() == "2024-05-13T11:19:34+00:00"
    assert batch.raw == rows


def test_raw_json_that_is_no_utf_8_is_a_text_all_the_same() -> None:
    arrow = pytest.importorskip("periskope_async.tables.arrow", reason="pyarrow has no wheel for every Python")
    table = table_of(CHATS)
    rows = [
        b'{"chat_id":"1@c.us"}',
        b'{"chat_id":"2@c.us","chat_name":"\xff"}',
        '{"chat_id":"3@c.us","x":"é"}'.encode(),
    ]
    (batch,) = arrow.record_batches(table, batches_of(table, rows), rows=10)
    assert batch["raw_json"].to_pylist() == [row.decode(errors="replace") for row in rows]
    assert batch["chat_id"].to_pylist() == ["1@c.us", "2@c.us", "3@c.us"]


async def test_a_conversion_that_fails_keeps_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "out.sqlite"
    async with connected() as (sandbox, client):
        await export(client.iter_chats(max_items=3), out)
        older = out.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr("periskope_async.export.sqlite_file.write", fail)
            with pytest.raises(ExportError, match="No space left"):
                await export(client.iter_chats(), out)
        assert out.read_bytes() == older
        before = len(sandbox.requests)
        assert (await export(client.iter_chats(), out)).rows == 700
        assert len(sandbox.requests) == before


@pytest.mark.parametrize("ending", FORMATS[1:])
@pytest.mark.parametrize("rows", [0, 3, 25_000])
def test_a_conversion_that_stops_says_no_more(tmp_path: Path, ending: str, rows: int) -> None:
    """Python would print a traceback of a writer's own clean-up, and it must not finish a shorter file."""
    needs(ending)
    table = table_of(CHATS)

    def batches() -> Iterator[Batch]:
        yield from batches_of(table, [b'{"chat_id":"%d@c.us"}' % number for number in range(rows)])
        raise KeyboardInterrupt

    path = tmp_path / f"new.{ending}"
    path.touch()
    unraised: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, unraised.append
    try:
        with pytest.raises(KeyboardInterrupt):
            format_of(path.name).writer()(path, table, batches(), facts={})
        gc.collect()
    finally:
        sys.unraisablehook = before
    assert unraised == []


PROGRAM = """
import asyncio, sys
from periskope_async import PeriskopeClient
from periskope_async.export import export
from periskope_async.export.compression import opened
from periskope_async.export.formats import format_of

async def main():
    async with PeriskopeClient("key", base_url=sys.argv[1]) as client:
        await export(client.iter_chats(page_size=50), sys.argv[2])

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("ending", FORMATS if KILLS == 1 else [*FORMATS, "jsonl.gz", "jsonl.zst"])
def test_a_killed_export_ends_as_an_undisturbed_one(
    tmp_path: Path, ending: str, record_property: Callable[[str, object], None]
) -> None:
    """It is killed while pages come, or at random moments of its life, and run again until it is whole."""
    needs(ending)
    rng = random.Random(ending)
    left = Counter[str]()
    with Sandbox(chats=1_500, limit=10_000, latency=0.002) as sandbox:
        expected = sandbox.chat_ids()

        def begun(out: Path, *, requests: int) -> subprocess.Popen[bytes]:
            """Start an export, and wait until it has asked for so many pages."""
            before = len(sandbox.requests)
            process = subprocess.Popen([sys.executable, "-c", PROGRAM, sandbox.base_url, str(out)])
            while len(sandbox.requests) < before + requests and process.poll() is None:
                time.sleep(0.001)
            return process

        def seconds_to_the_end(process: subprocess.Popen[bytes]) -> float:
            began = time.monotonic()
            assert process.wait(timeout=50) == 0
            return time.monotonic() - began

        life = seconds_to_the_end(begun(tmp_path / f"undisturbed.{ending}", requests=1)) if KILLS > 1 else 0.0
        for number in range(KILLS):
            out = tmp_path / f"{number}.{ending}"
            process = begun(out, requests=10 if KILLS == 1 else 1)
            time.sleep(rng.uniform(0, life))
            is_done = process.poll() is not None
            process.kill()
            process.wait()
            names = [name.removeprefix(out.name) or "OUT" for name in names_in(tmp_path) if name.startswith(out.name)]
            left["it had ended" if is_done else " ".join(names) or "nothing"] += 1
            seconds_to_the_end(begun(out, requests=0))
            assert ids_in(out) == expected
            assert out.stat().st_mode & 0o777 == 0o600
    record_property("left", dict(left))
    assert left["it had ended"] <= KILLS / 2
    assert len(names_in(tmp_path)) == 2 * (KILLS + (KILLS > 1))


async def test_rows_of_a_walk_without_memory_may_be_doubled(tmp_path: Path) -> None:
    pages = [b'{"count":4,"chats":[{"chat_id":"%d@c.us"},{"chat_id":"2@c.us"}]}' % number for number in (1, 3)]
    async with connected(chats=0) as (sandbox, client):
        sandbox.script(*[Body(page, "application/json") for page in pages])
        pager = client.iter_chats(page_size=2, prefetch=1, consistency="none")
        result = await export(pager, tmp_path / "out.jsonl")
    assert (result.rows, result.manifest.state) == (4, "unknown")
