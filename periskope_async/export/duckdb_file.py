"""A DuckDB database. DuckDB 1.x opens its storage format too."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import duckdb

from periskope_async.export.files import work_folder
from periskope_async.export.formats import refuse_mirror
from periskope_async.tables.arrow import pa, record_batches, schema_of
from periskope_async.typed import duckdb_fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from periskope_async.export.formats import Row
    from periskope_async.tables.columns import Batch, Table

__all__ = ["read", "write"]

_SETTINGS = ("TimeZone='UTC'", "memory_limit='300MB'", "threads=1", "autoinstall_known_extensions=false")
# DuckDB holds a whole group in memory when it ends a file. Its own size, 122,880, does not fit with rows of 2 kB.
_ROWS_A_GROUP = 10_240


def write(path: Path, table: Table, batches: Iterator[Batch], *, facts: dict[str, str]) -> None:
    """Write all batches. Blocks; raises OSError."""
    # DuckDB refuses an empty file, and makes its own file with the rights of the umask. So it works in a folder closed
    # to everybody else.
    folder = work_folder(path)
    # A killed run left a database that is not whole.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    inside = folder / "new.duckdb"
    try:
        with closing(duckdb.connect()) as database:
            # What does not fit in memory would go to the working directory, readable by everybody.
            for setting in (*_SETTINGS, f"temp_directory={_quoted(folder)}"):
                database.execute(f"SET {setting}")
            layout = f"STORAGE_VERSION 'v1.0.0', ROW_GROUP_SIZE {_ROWS_A_GROUP}"
            database.execute(f"ATTACH {_quoted(inside)} AS new ({layout})")
            _fill(database, table, batches, facts)
            database.execute("DETACH new")
        inside.chmod(0o600)
        inside.replace(path)
    except duckdb.Error as error:
        raise OSError(0, str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read(path: Path, table: Table) -> Iterator[Row]:
    """Give the rows of an older file. Blocks; raises ValueError if it is another kind of file."""
    if fault := duckdb_fault(str(path)):
        raise ValueError(fault)
    try:
        with closing(duckdb.connect(str(path), read_only=True)) as database:
            for setting in (*_SETTINGS, "temp_directory=''"):
                database.execute(f"SET {setting}")
            names = database.execute(f'SELECT * FROM "{table.name}" LIMIT 0').description or []  # noqa: S608
            refuse_mirror([name for name, *_ in names])
            # The order is that of writing. To ask for it would sort all rows, in memory or on the disk.
            rows = database.execute(f'SELECT raw_json, source, gone_at FROM "{table.name}"')  # noqa: S608
            while some := rows.fetchmany(1_000):
                for raw, source, gone_at in some:
                    yield raw.encode(), source, gone_at
    except duckdb.Error as error:
        raise ValueError(str(error)) from error


def _fill(database: duckdb.DuckDBPyConnection, table: Table, batches: Iterator[Batch], facts: dict[str, str]) -> None:
    name = f'new."{table.name}"'
    database.register("rows_in", pa.Table.from_batches([], schema_of(table)))
    database.execute(f"CREATE TABLE {name} AS SELECT * FROM rows_in")  # noqa: S608 - the list's own name
    for batch in record_batches(table, batches, rows=_ROWS_A_GROUP):
        database.register("rows_in", pa.Table.from_batches([batch]))
        database.execute(f"INSERT INTO {name} SELECT * FROM rows_in")  # noqa: S608
    database.execute("CREATE TABLE new.export (key TEXT PRIMARY KEY, value TEXT)")
    for fact in facts.items():
        database.execute("INSERT INTO new.export VALUES (?, ?)", fact)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
