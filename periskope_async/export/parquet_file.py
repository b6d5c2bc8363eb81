"""Parquet: an explicit schema, real times, the rows as they were sent, and a footer to mark the file as whole."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from periskope_async.tables.arrow import pa, row_groups, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from periskope_async.export.formats import Row
    from periskope_async.tables.columns import Batch, Table

__all__ = ["read", "write"]

# pyarrow comes without types.
pq: Any = import_module("pyarrow.parquet")
_ROWS_A_GROUP = 10_000
_ZSTD_LEVEL = 1
_OWN = ("raw_json", "source", "gone_at")
# A small step: a column of texts takes ten times the memory as Python objects.
_ROWS_A_STEP = 1_000
# Columns with few values, many times over.
_DICTIONARIES = {
    "source",
    "chat_type",
    "org_id",
    "org_phone",
    "active_phone",
    "assigned_to",
    "latest_message_message_type",
}


def write(path: Path, table: Table, batches: Iterator[Batch], *, facts: dict[str, str]) -> None:
    """Write all batches, a row group at a time. Blocks; raises OSError."""
    schema = schema_of(table)
    names = schema.names
    measured = [
        column.name for column in table.columns if column.kind in {"time", "integer"} or column.name in table.key
    ]
    with path.open("r+b") as file:
        # A context manager would finish a shorter file if a batch fails.
        writer = pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            use_dictionary=sorted(_DICTIONARIES & set(names)),
            write_statistics=measured,
        )
        try:
            for group in row_groups(table, batches, rows=_ROWS_A_GROUP):
                writer.write_table(pa.Table.from_batches(group), row_group_size=_ROWS_A_GROUP)
            writer.add_key_value_metadata({"complete": "true", **facts})
            writer.close()
        except pa.ArrowException as error:
            raise OSError(0, str(error)) from error
        finally:
            # It would close itself when it is collected, and write into a file that is closed by then.
            writer.is_open = False


def read(path: Path, _table: Table) -> Iterator[Row]:
    """Give the rows of an older file. Blocks; raises OSError, and ValueError if it is another kind of file."""
    with path.open("rb") as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS_A_STEP, columns=list(_OWN)):
            for raw, source, gone_at in zip(*[batch[name].to_pylist() for name in _OWN], strict=True):
                yield raw.encode(), source, gone_at
