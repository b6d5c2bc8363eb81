"""The databases of a mirror, behind one base: SQLite, DuckDB and PostgreSQL.

All methods block, and are called from one thread. Statements are written in the common part of the three dialects, with
``?`` for a parameter; each difference is a method here. Times go in as ISO 8601 texts in UTC.
"""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from periskope_async.errors import ConfigError, MirrorError
from periskope_async.mirror.file_lock import FileLock
from periskope_async.mirror.target import UNREADABLE, fault_of, is_url, name_of
from periskope_async.secret import Secret
from periskope_async.typed import duckdb_fault

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from periskope_async.mirror.table import Index, Kind, Table, Value

__all__ = ["Database", "DatabaseBusyError", "DuckDB", "PostgreSQL", "SQLite", "database_for"]

_DUCKDB_SUFFIXES = {".duckdb", ".ddb"}
# The mirror's own among the advisory locks of a PostgreSQL database: "peri" in ASCII.
_ADVISORY_LOCK = 0x70657269
# A connection to PostgreSQL that goes silent is given up after half a minute, unless the settings say otherwise.
_PATIENCE = {
    "connect_timeout": 30,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# The server then ends the session soon, too, and with it the lock.
_LET_GO = ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3")

# PostgreSQL's codes of lost connections, deadlocks, locks, cancelled statements, and servers that stop or start.
_PASSING_STATES = ("08", "40", "55P03", "57014", "57P01", "57P02", "57P03")


class DatabaseBusyError(MirrorError):
    """The database is locked, or its server is not reached. A later try may succeed."""


def database_for(target: str | os.PathLike[str] | Secret) -> Database:
    """Choose by the target: a ``postgresql://`` URL, a ``.duckdb`` file, or any other file for SQLite.

    Raises ConfigError. Neither its text nor its frames hold a password.
    """
    given = target if isinstance(target, Secret) else Secret(os.fspath(target))
    del target
    if fault := fault_of(given):
        raise ConfigError(fault, parameter="target")
    if is_url(given):
        return PostgreSQL(given)
    path = Path(given.reveal())
    return DuckDB(path) if path.suffix.lower() in _DUCKDB_SUFFIXES else SQLite(path)


class Database(ABC):
    """A database for one writing mirror at a time, and any readers. All connections here have ``execute``."""

    _types: ClassVar[Mapping[Kind, str]]
    _errors: tuple[type[Exception], ...]
    _table_options = ""
    _begin = "BEGIN"
    _columns = (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_catalog = current_database()"
    )
    _is_shared = False
    """Whether a mirror and others may have tables beside each other from the beginning."""

    def __init__(self, name: str) -> None:
        self.name = name
        """Its name in errors. It holds no password."""
        self._connection: Any = None

    @abstractmethod
    def connect(self, tables: Sequence[Table] = ()) -> None:
        """Open the database, and lock it for writing.

        Raises MirrorError, with nothing changed, if another mirror writes to it, or if it is something else than a
        mirror with some of these tables.
        """

    @abstractmethod
    def select(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> list[tuple[Any, ...]]:
        """Give columns of the rows with a first key column among ``keys``."""

    def upsert(self, table: Table, rows: Sequence[tuple[Value, ...]]) -> None:
        """Upsert whole rows."""
        if rows:
            self._write(table, rows)

    @abstractmethod
    def _write(self, table: Table, rows: Sequence[tuple[Value, ...]]) -> None:
        """Upsert at least one row."""

    def create(self, table: Table) -> None:
        """Make the table and its indexes."""
        columns = [
            f"{column.name} {self._types[column.kind]}{' NOT NULL' if column.is_required else ''}"
            for column in table.columns
        ]
        if table.key:
            columns.append(f"PRIMARY KEY ({', '.join(table.key)})")
        self.execute(f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(columns)}){self._table_options}")
        for index in table.indexes:
            self._index(table.name, index)

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and give its rows."""
        cursor = self._connection.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Begin; then commit, or roll back after an error. One of the database becomes a MirrorError."""
        try:
            self._start()
            try:
                yield
            except BaseException:
                with suppress(*self._errors):
                    self.execute("ROLLBACK")
                raise
            self.execute("COMMIT")
        except self._errors as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close and unlock. May be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*self._errors):
                connection.close()

    def _start(self) -> None:
        """Begin a transaction."""
        self.execute(self._begin)

    def _refuse_others(self, tables: Sequence[Table]) -> None:
        """Raise MirrorError if the database is of something else."""
        there: dict[str, set[str]] = {}
        for table, column in self.execute(self._columns):
            there.setdefault(table, set()).add(column)
        ours = {table.name: {column.name for column in table.columns} for table in tables if table.name in there}
        others = [name for name, columns in ours.items() if not columns <= there[name]]
        end = "Nothing was changed; give another target"
        if there and not self._is_shared and len(others) == len(ours):
            what = "an export" if there.get("export") == {"key", "value"} else "a database of something else"
            raise MirrorError(f"{self.name} is no mirror but {what}. {end}")
        if others:
            raise MirrorError(f"{self.name} cannot be a mirror: {others[0]!r} in it is of something else. {end}")

    def _index(self, table: str, index: Index) -> None:
        # SQLite writes an index anew with each row in it, also if its columns stay the same. So it has no other rows.
        self.execute(
            f"CREATE INDEX IF NOT EXISTS {table}_{index.name} ON {table} ({', '.join(index.columns)}) "
            f"WHERE {index.condition}"
        )

    def _failed(self, error: Exception) -> MirrorError:
        kind = DatabaseBusyError if self._may_pass(error) else MirrorError
        return kind(f"cannot write to {self.name}: {error}")

    @abstractmethod
    def _may_pass(self, error: Any) -> bool:
        """Whether an error of the database may be over when it is asked again."""

    @staticmethod
    @cache
    def _upsert(table: Table, values: str) -> str:
        names = [column.name for column in table.columns]
        insert = f"INSERT INTO {table.name} ({', '.join(names)}) {values}"
        if not table.key:
            return insert
        assigned = ", ".join(f"{name} = excluded.{name}" for name in names if name not in table.key)
        action = f"UPDATE SET {assigned}" if assigned else "NOTHING"
        return f"{insert} ON CONFLICT ({', '.join(table.key)}) DO {action}"


class _File(Database):
    """A database in a file, with a lock beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        # DuckDB has its log beside the file that a link leads to.
        self._path = Path(os.path.realpath(path))
        self._lock = FileLock(path)

    def connect(self, tables: Sequence[Table] = ()) -> None:
        """Open, lock and check the database."""
        self._lock.take()
        is_new = not os.path.lexists(self._path)
        try:
            self._open(tables)
            if is_new:
                # DuckDB makes it with the mode of the umask, and it cannot be made before.
                self._path.chmod(0o600)
            self._lock.keep()
        except self._errors as error:
            super().close()
            if is_new:
                # A file without its first pages would be refused from now on.
                with suppress(OSError):
                    self._path.unlink()
            self._lock.release()
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._lock.release()

    @abstractmethod
    def _open(self, tables: Sequence[Table]) -> None:
        """Open the locked database and check it."""


class SQLite(_File):
    """A file of SQLite's. Others may read it at any time."""

    _types: ClassVar[Mapping[Kind, str]] = {"text": "TEXT", "integer": "INTEGER", "boolean": "INTEGER", "time": "TEXT"}
    _errors = (OSError, sqlite3.Error)
    # A column without STRICT may change its values: some make "+91…" a number.
    _table_options = " STRICT"
    _begin = "BEGIN IMMEDIATE"
    # A view or a virtual table has no page. It may need what is not here: a function, a module, a table that is gone.
    _columns = (
        "SELECT there.name, part.name FROM sqlite_master AS there "
        "LEFT JOIN pragma_table_info(CASE WHEN there.rootpage > 0 THEN there.name END) AS part "
        "WHERE there.type IN ('table', 'view')"
    )

    def _open(self, tables: Sequence[Table]) -> None:
        # SQLite would create it with the mode of the umask.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        # One thread may open it and another one close it.
        self._connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=30, cached_statements=64
        )
        self._refuse_others(tables)
        # The page size has to come first. Larger pages make the file smaller and each event dearer. A lost power
        # supply costs the last transactions and never the file. The log of 4,000 pages (32 MB) is copied a quarter
        # as often as by default, and a page that changed often only once.
        for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=NORMAL", "wal_autocheckpoint=4000"):
            self._connection.execute(f"PRAGMA {pragma}")

    def _may_pass(self, error: Any) -> bool:
        # The low byte tells the kind.
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY

    def select(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> list[tuple[Any, ...]]:
        """Give columns of the rows with these keys."""
        return [
            row
            for start in range(0, len(keys), 500)
            for row in self.execute(
                f"SELECT {', '.join(columns)} FROM {table.name} WHERE {table.key[0]} IN "
                f"({', '.join('?' * len(keys[start : start + 500]))})",
                keys[start : start + 500],
            )
        ]

    def _write(self, table: Table, rows: Sequence[tuple[Value, ...]]) -> None:
        self._connection.executemany(self._upsert(table, f"VALUES ({', '.join('?' * len(table.columns))})"), rows)


class DuckDB(_File):
    """A DuckDB file. No other process can open it while a mirror has it open."""

    _types: ClassVar[Mapping[Kind, str]] = {
        "text": "VARCHAR",
        "integer": "BIGINT",
        "boolean": "BOOLEAN",
        "time": "TIMESTAMPTZ",
    }

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._log = Path(f"{self._path}.wal")
        if fault := duckdb_fault(str(self._path)):
            raise ConfigError(f"{str(path)!r}: {fault}; give another name or folder", parameter="target")
        try:
            import duckdb  # noqa: PLC0415 - an extra, and 70 ms to load
        except ImportError:
            raise ConfigError(
                "a .duckdb file needs DuckDB: pip install 'periskope-async[duckdb]'", parameter="target"
            ) from None
        self._duckdb = duckdb
        self._errors = (OSError, duckdb.Error)

    def _open(self, tables: Sequence[Table]) -> None:
        config: dict[str, Any] = {"memory_limit": "1GB", "threads": 1, "autoinstall_known_extensions": False}
        self._connection = self._duckdb.connect(self._path, config=config)
        self._refuse_others(tables)
        self.execute("SET TimeZone = 'UTC'")

    def _may_pass(self, error: Any) -> bool:  # noqa: ARG002 - nothing else has it open
        return False

    def select(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> list[tuple[Any, ...]]:
        """Give columns of the rows with these keys."""
        statement = (
            f"SELECT {', '.join(columns)} FROM {table.name} WHERE {table.key[0]} IN (SELECT unnest(?::VARCHAR[]))"
        )
        return list(self._connection.execute(statement, [list(keys)]).fetchall())

    def _write(self, table: Table, rows: Sequence[tuple[Value, ...]]) -> None:
        # Its executemany takes forty times as long.
        values = ", ".join(f"unnest(?::{self._types[column.kind]}[])" for column in table.columns)
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._connection.execute(self._upsert(table, f"SELECT {values}"), columns)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Begin; then commit, or roll back after an error."""
        with super().transaction():
            # A commit takes the log that is there. After a checkpoint, DuckDB would make one that others can read.
            self._log.touch(0o600)
            self._log.chmod(0o600)
            yield

    def _index(self, table: str, index: Index) -> None:
        """Make none: DuckDB counts a column of a million rows in milliseconds."""


class PostgreSQL(Database):
    """A database of a PostgreSQL server, reached by psycopg."""

    _types: ClassVar[Mapping[Kind, str]] = {
        "text": "TEXT",
        "integer": "BIGINT",
        "boolean": "BOOLEAN",
        "time": "TIMESTAMPTZ",
    }
    _is_shared = True

    def __init__(self, url: Secret) -> None:
        super().__init__(name_of(url))
        self._url = url
        try:
            import psycopg  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError(
                "a postgresql:// URL needs psycopg: pip install 'periskope-async[postgres]'", parameter="target"
            ) from None
        self._psycopg = psycopg
        self._errors = (OSError, psycopg.Error)
        given = self._parameters()
        if given is None:
            raise ConfigError(UNREADABLE, parameter="target")
        self._patience: dict[str, Any] = {
            name: value
            for name, value in _PATIENCE.items()
            if name not in given and f"PG{name.upper()}" not in os.environ
        }

    def connect(self, tables: Sequence[Table] = ()) -> None:
        """Open and lock the database."""
        # Raised out here, the error has no context: psycopg's frames hold the password.
        if (failure := self._open(tables)) is not None:
            self.close()
            raise failure

    def close(self) -> None:
        """Close and unlock. May be called twice."""
        if self._connection is not None:
            # The server ends a closed session when it comes to it. Another mirror may be opened at once.
            with suppress(*self._errors):
                self.execute(f"SELECT pg_advisory_unlock({_ADVISORY_LOCK})")
        super().close()

    def _parameters(self) -> set[str] | None:
        """Give the names of the URL's parameters; None if it cannot be read."""
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - an extra

        try:
            return set(conninfo_to_dict(self._url.reveal()))
        except self._psycopg.Error:
            return None

    def _may_pass(self, error: Any) -> bool:
        if not isinstance(error, self._psycopg.OperationalError):
            return False
        # Without a code the connection is lost or was refused.
        return error.sqlstate is None or error.sqlstate.startswith(_PASSING_STATES)

    def _start(self) -> None:
        """Begin a transaction. A connection lost since the last one is made anew."""
        try:
            super()._start()
        except self._errors:
            if not self._connection.closed:
                raise
        else:
            return
        # The lock went with the connection, so another mirror may have taken it.
        if (failure := self._open(())) is not None:
            self._connection.close()
            raise failure
        super()._start()

    def _open(self, tables: Sequence[Table]) -> MirrorError | None:
        try:
            self._connection = self._psycopg.connect(self._url.reveal(), autocommit=True, **self._patience)
            # Given to connect, settings would replace the URL's own options, such as its search_path.
            for setting in ("client_encoding = 'UTF8'", "TimeZone = 'UTC'", "DateStyle = 'ISO'", *_LET_GO):
                self.execute(f"SET {setting}")
            if not self.execute(f"SELECT pg_try_advisory_lock({_ADVISORY_LOCK})")[0][0]:
                return DatabaseBusyError(
                    f"another mirror writes to {self.name} now; one may at a time. If none does, a pooler keeps its "
                    "lock: connect directly, or in the pooler's session mode"
                )
            self._refuse_others(tables)
        except self._errors as error:
            return self._failed(error)
        except MirrorError as error:
            return error
        return None

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run a statement."""
        return super().execute(statement.replace("?", "%s"), parameters)

    def select(self, table: Table, columns: Sequence[str], keys: Sequence[str]) -> list[tuple[Any, ...]]:
        """Give columns of the rows with these keys."""
        statement = f"SELECT {', '.join(columns)} FROM {table.name} WHERE {table.key[0]} = ANY(%s)"
        return list(self._connection.execute(statement, [list(keys)]).fetchall())

    def _write(self, table: Table, rows: Sequence[tuple[Value, ...]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(self._upsert(table, f"VALUES ({', '.join(['%s'] * len(table.columns))})"), rows)
