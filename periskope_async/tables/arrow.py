"""Columns as Arrow record batches, for Parquet, DuckDB and programs."""

from __future__ import annotations

from array import array
from datetime import UTC
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from periskope_async.models.times import in_zone
from periskope_async.tables.columns import table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from periskope_async.tables.columns import Batch, Kind, Table
    from periskope_async.wire.listing import Listing

__all__ = ["pa", "record_batch", "record_batches", "row_groups", "schema_of", "table"]

# pyarrow comes without types.
pa: Any = import_module("pyarrow")

# Every reader takes microseconds in UTC as such; some lose the zone of nanoseconds.
_TYPES: dict[Kind, Any] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "real": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.string()),
    "json": pa.string(),
}


def schema_of(table: Table) -> Any:
    """Give the schema: the table's columns, then ``source``, ``gone_at`` and ``raw_json``."""
    fields = [(column.name, _TYPES[column.kind]) for column in table.columns]
    # raw_json is plain text: some readers refuse a column of type JSON for one half emoji.
    return pa.schema([*fields, ("source", pa.string()), ("gone_at", _TYPES["time"]), ("raw_json", pa.string())])


def record_batches(table: Table, batches: Iterable[Batch], *, rows: int) -> Iterator[Any]:
    """Give record batches of ``rows`` rows; the last one may be shorter."""
    for group in row_groups(table, batches, rows=rows):
        yield pa.concat_batches(group)


def row_groups(table: Table, batches: Iterable[Batch], *, rows: int) -> Iterator[list[Any]]:
    """Give each batch as a list of its small record batches, because joining them would take a copy."""
    schema = schema_of(table)
    pending: list[Any] = []
    held = 0
    for batch in batches:
        some = record_batch(schema, batch)
        while held + len(some) >= rows:
            pending.append(some.slice(0, rows - held))
            some = some.slice(rows - held)
            yield pending
            pending, held = [], 0
        if len(some):
            pending.append(some)
            held += len(some)
    if pending:
        yield pending


def table(listing: Listing[Any], batches: Sequence[Any]) -> Any:
    """Join record batches into one table. There may be none."""
    return pa.Table.from_batches(batches, schema_of(table_of(listing)))


def record_batch(schema: Any, batch: Batch) -> Any:
    """Give a small record batch."""
    columns: list[Any] = [*batch.values, [batch.source] * len(batch), batch.gone_at]
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=False)]
    return pa.RecordBatch.from_arrays([*arrays, _texts(batch.raw)], schema=schema)


def _array(values: list[Any], kind: Any) -> Any:
    if kind == _TYPES["time"]:
        # Most readers fail at a time that is outside the years 1 to 9999 in UTC.
        values = [None if value is None else in_zone(value, UTC) for value in values]
    return pa.nulls(len(values), kind) if values.count(None) == len(values) else pa.array(values, kind)


def _texts(rows: Sequence[bytes]) -> Any:
    """Make an array of texts from their bytes. The bytes are copied once and never decoded."""
    ends = array("i", accumulate(map(len, rows), initial=0))
    texts = pa.StringArray.from_buffers(len(rows), pa.py_buffer(ends), pa.py_buffer(b"".join(rows)))
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        # Some of it is no UTF-8.
        return pa.array([str(row, "utf-8", "replace") for row in rows], pa.string())
    return texts
