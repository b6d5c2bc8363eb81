"""Each format, read back by two libraries that did not write it, says the same, in every time zone."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from periskope_async.export import export
from tests.export.test_formats import needs
from tests.export.test_runner import connected, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Read: TypeAlias = list[tuple[str, str | None, datetime, bytes | None]]
"""The id, name, time of change and original JSON of each chat; no JSON where the format has none."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = ("chat_id", "chat_name", "updated_at")


def moment(value: Any) -> datetime:
    """Take a time as a reader gives it; a text has to tell its zone."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert found.tzinfo is not None, f"{value!r} tells no zone"
    return found


def rows_of(table: Any) -> Read:
    """Take a table of polars or pandas."""
    columns = [table[name].to_list() for name in (*NAMES, *(["raw_json"] if "raw_json" in table.columns else []))]
    return [
        (chat_id, name if isinstance(name, str) and name else None, moment(changed), raw[0].encode() if raw else None)
        for chat_id, name, changed, *raw in zip(*columns, strict=True)
    ]


def by_duckdb(query: str) -> Callable[[Path], Read]:
    def read(path: Path) -> Read:
        duckdb = pytest.importorskip("duckdb", reason="duckdb has no wheel for every Python")
        with closing(duckdb.connect()) as database:
            found = database.execute(query, [str(path)]).fetchall()
        return [
            (chat_id, name or None, EPOCH + timedelta(microseconds=micros), raw[0].encode() if raw else None)
            for chat_id, name, micros, *raw in found
        ]

    return read


def by_polars(read: Callable[[Any, Path], Any]) -> Callable[[Path], Read]:
    return lambda path: rows_of(
        read(pytest.importorskip("polars", reason="polars has no wheel for every Python"), path)
    )


def by_pandas(read: Callable[[Any, Path], Any]) -> Callable[[Path], Read]:
    return lambda path: rows_of(
        read(pytest.importorskip("pandas", reason="pandas has no wheel for every Python"), path)
    )


def sqlite_with(library: Any, path: Path, method: str) -> Any:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return getattr(library, method)("SELECT * FROM chats", database)


def duckdb_as(path: Path, method: str) -> Any:
    duckdb = pytest.importorskip("duckdb", reason="duckdb has no wheel for every Python")
    with closing(duckdb.connect(str(path), read_only=True)) as database:
        return getattr(database.sql("SELECT chat_id, chat_name, updated_at, raw_json FROM chats"), method)()


_TYPES = "{chat_id: 'VARCHAR', chat_name: 'VARCHAR', updated_at: 'TIMESTAMPTZ'}"
_READ = f"read_json(?, format = 'newline_delimited', columns = {_TYPES})"
LINES = [
    ("duckdb", by_duckdb(f"SELECT chat_id, chat_name, epoch_us(updated_at) FROM {_READ}")),  # noqa: S608 - our own words
    ("polars", by_polars(lambda polars, path: polars.scan_ndjson(path, infer_schema_length=None).collect())),
]
READERS: dict[str, list[tuple[str, Callable[[Path], Read]]]] = {
    "jsonl": [
        *LINES,
        (
            "pandas",
            by_pandas(lambda pandas, path: pandas.read_json(path, lines=True, dtype=False)),
        ),
    ],
    "jsonl.gz": LINES,
    "jsonl.zst": LINES,
    "csv": [
        ("duckdb", by_duckdb("SELECT chat_id, chat_name, epoch_us(updated_at::TIMESTAMPTZ) FROM read_csv(?)")),
        ("polars", by_polars(lambda polars, path: polars.read_csv(path, infer_schema=False))),
        ("pandas", by_pandas(lambda pandas, path: pandas.read_csv(path))),
    ],
    "sqlite": [
        ("polars", by_polars(lambda polars, path: sqlite_with(polars, path, "read_database"))),
        ("pandas", by_pandas(lambda pandas, path: sqlite_with(pandas, path, "read_sql_query"))),
    ],
    "parquet": [
        ("duckdb", by_duckdb("SELECT chat_id, chat_name, epoch_us(updated_at), raw_json FROM read_parquet(?)")),
        ("polars", by_polars(lambda polars, path: polars.read_parquet(path))),
        ("pandas", by_pandas(lambda pandas, path: pandas.read_parquet(path))),
    ],
    "duckdb": [
        ("polars", by_polars(lambda _, path: duckdb_as(path, "pl"))),
        ("pandas", by_pandas(lambda _, path: duckdb_as(path, "df"))),
    ],
}


@pytest.fixture(params=["UTC", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Live in a time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change its zone")
@pytest.mark.parametrize("ending", READERS)
async def test_every_reader_says_the_same(tmp_path: Path, zone: str, ending: str) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=60) as (_, client):
        await export(client.iter_chats(), out)
        chats, rows = await client.iter_chats().collect(), await truth(client)
    expected = [(chat.chat_id, chat.chat_name or None, chat.updated_at) for chat in chats]
    assert len({changed for *_, changed in expected}) > 1
    for reader, read in READERS[ending]:
        found = read(out)
        assert [row[:3] for row in found] == expected, reader
        assert ending in {"jsonl", "jsonl.gz", "jsonl.zst", "csv"} or [row[3] for row in found] == rows, reader
