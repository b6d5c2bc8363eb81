"""The formats of an export, chosen by name or by the ending of the file."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from msgspec import Struct

from periskope_async.errors import ConfigError, ExportError
from periskope_async.export.compression import Codec, compressor, opened
from periskope_async.export.files import failed
from periskope_async.export.jsonl import read as read_lines
from periskope_async.typed import duckdb_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from periskope_async.tables.columns import Batch, Table

__all__ = ["FORMATS", "Format", "Row", "Writer", "format_of", "refuse_mirror"]

Row: TypeAlias = tuple[bytes, str, datetime | None]
"""A row of a file: its bytes as they were sent, its source, and the time at which an update found it gone."""


class Writer(Protocol):
    """Writes a table to a new file of one format."""

    def __call__(self, path: Path, table: Table, batches: Iterator[Batch], *, facts: dict[str, str]) -> None:
        """Write all batches. ``facts`` go into the file's own metadata, if it has any. Blocks; raises OSError."""
        ...


class Format(Struct, frozen=True, kw_only=True):
    """One format."""

    name: str
    endings: tuple[str, ...]
    is_lines: bool = False
    """Whether the file is the rows' own JSON. Then the spool becomes the file."""
    codec: Codec = ""
    module: str | None = None
    """The module of its ``write``."""
    logs: tuple[str, ...] = ()
    """Endings of a database's logs. The changes in one left beside OUT would be made to the new file too."""
    extra: str | None = None
    """The extra of this package for its dependencies."""

    def writer(self) -> Writer:
        """Load its writer. Raises ConfigError if its package is missing."""
        return cast("Writer", self._load().write)

    def rows(self, path: Path, table: Table) -> Iterator[Row]:
        """Give the rows of an older file. Blocks; raises OSError, ConfigError, and ValueError if it is no such file."""
        if not self.is_lines:
            yield from self._load().read(path, table)
            return
        with opened(path, self.codec) as lines:
            yield from read_lines(lines)

    def _load(self) -> Any:
        try:
            return import_module(f"periskope_async.export.{self.module}")
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{self.name} needs the package {error.name!r}: pip install 'periskope-async[{self.extra}]'",
                parameter="format",
            ) from None

    def logs_of(self, path: Path) -> Iterator[Path]:
        """Name the logs of a database at ``path`` that hold changes. Raises ExportError if one cannot be looked at."""
        for log in (path.with_name(path.name + ending) for ending in self.logs):
            # Its program may remove it at any moment.
            try:
                is_filled = log.stat().st_size > 0
            except FileNotFoundError:
                continue
            except OSError as error:
                raise failed(log, error) from error
            if is_filled:
                yield log

    def check(self, target: Path) -> None:
        """Raise ConfigError if its package is missing, and ExportError if it takes no such path."""
        compressor(self.codec)
        if self.module is not None:
            self.writer()
        if self.name == "duckdb" and (fault := duckdb_fault(str(target))):
            raise ExportError(f"cannot write {str(target)!r}: {fault}; give another name or folder")


_ALL = (
    Format(name="jsonl", endings=(".jsonl", ".ndjson"), is_lines=True),
    Format(name="jsonl.gz", endings=(".jsonl.gz", ".ndjson.gz"), is_lines=True, codec="gz"),
    Format(name="jsonl.zst", endings=(".jsonl.zst", ".ndjson.zst"), is_lines=True, codec="zst"),
    Format(name="csv", endings=(".csv",), module="csv_file"),
    Format(name="parquet", endings=(".parquet",), module="parquet_file", extra="parquet"),
    Format(name="sqlite", endings=(".sqlite", ".sqlite3", ".db"), module="sqlite_file", logs=("-wal", "-journal")),
    Format(name="duckdb", endings=(".duckdb",), module="duckdb_file", logs=(".wal",), extra="duckdb"),
)
FORMATS = {form.name: form for form in _ALL}


def format_of(name: str, wanted: str | None = None) -> Format:
    """Choose by the format's name, else by the ending of the file's. Raises ConfigError."""
    if wanted is not None:
        if wanted not in FORMATS:
            raise ConfigError(f"format is {wanted!r:.100}; it takes one of {', '.join(FORMATS)}", parameter="format")
        return FORMATS[wanted]
    lowered = name.lower()
    for form in _ALL:
        if lowered.endswith(form.endings):
            return form
    endings = ", ".join(ending for form in _ALL for ending in form.endings[:1])
    raise ConfigError(
        f"the ending of {name!r} names no format; give one of {endings}, or say --format (format=)", parameter="format"
    )


def refuse_mirror(columns: Sequence[str]) -> None:
    """Raise ValueError if a database's table is that of a mirror: it has the list's name too."""
    if "mirror_key" in columns:
        raise ValueError("it is a mirror, and no export")
