"""A SQLite database: one strict table with one row a key, and each row as it was sent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async.export.formats import refuse_mirror
from periskope_async.models.times import in_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from periskope_async.export.formats import Row
    from periskope_async.tables.columns import Batch, Column, Kind, Table

__all__ = ["read", "write"]

_TYPES: dict[Kind, str] = {"integer": "INTEGER", "boolean": "INTEGER", "real": "REAL"}
_INDEXED_TEXTS = {"chat_name", "org_phone"}


def write(path: Path, table: Table, batches: Iterator[Batch], *, facts: dict[str, str]) -> None:
    """Write all batches. Times are UTC text of one spelling, so they sort. Blocks; raises OSError."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            _fill(database, table, batches, facts)
    except sqlite3.OperationalError as error:
        raise OSError(0, str(error)) from error


def read(path: Path, table: Table) -> Iterator[Row]:
    """Give the rows of an older file. Blocks; raises ValueError if it is another kind of file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            names = database.execute(f"SELECT * FROM {_quoted(table.name)} LIMIT 0").description  # noqa: S608
            refuse_mirror([name for name, *_ in names])
            rows = f"SELECT raw_json, source, gone_at FROM {_quoted(table.name)} ORDER BY rowid"  # noqa: S608
            for raw, source, gone_at in database.execute(rows):
                yield raw.encode(), source, None if gone_at is None else datetime.fromisoformat(gone_at)
    except sqlite3.DatabaseError as error:
        raise ValueError(str(error)) from error


def _fill(database: sqlite3.Connection, table: Table, batches: Iterator[Batch], facts: dict[str, str]) -> None:
    # Large pages write faster. A crash costs this file only: the journal may be in memory, where it costs nothing. It
    # undoes an index that fails.
    for pragma in ("page_size=32768", "journal_mode=MEMORY", "synchronous=OFF", "cache_size=-4000"):
        database.execute(f"PRAGMA {pragma}")
    name = _quoted(table.name)
    texts = [f"{_quoted(column.name)} {_TYPES.get(column.kind, 'TEXT')}" for column in table.columns]
    database.execute(
        f"CREATE TABLE {name} ({', '.join(texts)}, source TEXT NOT NULL, gone_at TEXT, raw_json TEXT NOT NULL) STRICT"
    )
    # The names come from the row type; every value is a parameter.
    insert = f"INSERT INTO {name} VALUES ({', '.join('?' * (len(table.columns) + 3))})"  # noqa: S608
    readers = [_reader(column.kind) for column in table.columns]
    database.execute("BEGIN")
    for batch in batches:
        values: list[Any] = [
            values if reader is None else [None if value is None else reader(value) for value in values]
            for reader, values in zip(readers, batch.values, strict=True)
        ]
        gone = [None if time is None else _time(time) for time in batch.gone_at]
        raw = [str(row, "utf-8", "replace") for row in batch.raw]
        database.executemany(insert, zip(*values, [batch.source] * len(batch), gone, raw, strict=True))
    # An index made from all rows at once costs less than one that grows with them.
    _index_key(database, table)
    for column in table.columns:
        if _is_indexed(column):
            index = _quoted(f"{table.name}_{column.name}")
            database.execute(f"CREATE INDEX {index} ON {name} ({_quoted(column.name)})")
    database.execute("CREATE TABLE export (key TEXT PRIMARY KEY, value TEXT) STRICT")
    database.executemany("INSERT INTO export VALUES (?, ?)", facts.items())
    database.execute("COMMIT")
    # Nobody could open the database in a read-only folder otherwise.
    database.execute("PRAGMA journal_mode=DELETE")


def _index_key(database: sqlite3.Connection, table: Table) -> None:
    """Make the key unique. The last of several rows of one key stays: a walk may have repeated it."""
    name = _quoted(table.name)
    # A part of the key may be null, and nulls are never equal.
    key = ", ".join([f"ifnull({_quoted(part)}, '')" for part in table.key] + ["source"] * table.has_sources)
    index = f"CREATE UNIQUE INDEX {_quoted(f'{table.name}_key')} ON {name} ({key})"
    try:
        database.execute(index)
    except sqlite3.IntegrityError:
        latest = f"SELECT max(rowid) FROM {name} GROUP BY {key}"  # noqa: S608 - as above
        database.execute(f"DELETE FROM {name} WHERE rowid NOT IN ({latest})")  # noqa: S608 - as above
        database.execute(index)


def _is_indexed(column: Column) -> bool:
    return column.name in _INDEXED_TEXTS or (
        column.kind == "time" and column.name.endswith(("updated_at", "timestamp"))
    )


def _reader(kind: Kind) -> Callable[[Any], Any] | None:
    if kind == "time":
        return _time
    if kind == "boolean":
        return int
    return _list if kind == "texts" else None


def _time(value: datetime) -> str | None:
    """Give a time as text; None if UTC has no such time."""
    utc = in_zone(value, UTC)
    return None if utc is None else utc.isoformat("T", "microseconds")[: -len("+00:00")] + "Z"


def _list(value: list[str]) -> str:
    return msgspec.json.encode(value).decode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
