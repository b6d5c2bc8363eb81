"""A SQLite database: one strict table with one row for each key, and each row as it was sent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async.export.formats import refuse_mirror
from periskope_async.models.times import utc_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
        said = str(error)
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            # Which disk is full, SQLite does not say.
            said += " (or the one for temporary files is: indexes are sorted there; SQLITE_TMPDIR names another folder)"
        raise OSError(0, said) from error


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
    # A journal undoes an index that fails at a repeated key. It may be in memory, where it costs nothing: a crash costs
    # this file only. Large pages write faster, but sorting for an index takes the memory of 250 of them.
    for pragma in ("page_size=16384", "journal_mode=MEMORY", "synchronous=OFF", "cache_size=-2000"):
        database.execute(f"PRAGMA {pragma}")
    name = _quoted(table.name)
    texts = [f"{_quoted(column.name)} {_TYPES.get(column.kind, 'TEXT')}" for column in table.columns]
    database.execute(
        f"CREATE TABLE {name} ({', '.join(texts)}, source TEXT NOT NULL, gone_at TEXT, raw_json TEXT NOT NULL) STRICT"
    )
    database.execute("BEGIN")
    for batch in batches:
        columns = dict(_filled(table, batch))
        # The names come from the row type; every value is a parameter.
        places = ", ".join("?" * len(columns))
        insert = f"INSERT INTO {name} ({', '.join(map(_quoted, columns))}) VALUES ({places})"  # noqa: S608
        database.executemany(insert, zip(*columns.values(), strict=True))
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


def _filled(table: Table, batch: Batch) -> Iterator[tuple[str, Sequence[Any]]]:
    """Give the columns that hold anything here, with their values."""
    for column, values in zip(table.columns, batch.values, strict=True):
        # sqlite3 looks for an adapter of each null: in CPython 3.11 it takes three times as long as a text.
        if values.count(None) < len(values):
            yield column.name, _stored(column.kind, values)
    if any(batch.gone_at):
        yield "gone_at", utc_texts(batch.gone_at)
    yield "source", [batch.source] * len(batch)
    yield "raw_json", [str(row, "utf-8", "replace") for row in batch.raw]


def _stored(kind: Kind, values: list[Any]) -> Sequence[Any]:
    """Give a column's values as the database holds them."""
    if kind == "time":
        return utc_texts(values)
    if kind == "boolean":
        return [None if value is None else int(value) for value in values]
    if kind == "texts":
        return [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return values


def _index_key(database: sqlite3.Connection, table: Table) -> None:
    """Make the key unique. Of several rows of one key, as a walk may give them, the last stays in its place."""
    name = _quoted(table.name)
    # A part of the key may be null, and nulls are never equal.
    key = ", ".join([f"ifnull({_quoted(part)}, '')" for part in table.key] + ["source"] * table.has_sources)
    index = f"CREATE UNIQUE INDEX {_quoted(f'{table.name}_key')} ON {name} ({key})"
    try:
        database.execute(index)
    except sqlite3.IntegrityError:
        latest = f"SELECT max(rowid) FROM {name} GROUP BY {key}"  # noqa: S608 - names of the row type
        database.execute(f"DELETE FROM {name} WHERE rowid NOT IN ({latest})")  # noqa: S608 - as above
        database.execute(index)


def _is_indexed(column: Column) -> bool:
    return column.name in _INDEXED_TEXTS or (
        column.kind == "time" and column.name.endswith(("updated_at", "timestamp"))
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
