"""Columns as Arrow record batches, for Parquet, DuckDB and programs."""

from __future__ import annotations

from array import array
from datetime import UTC
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from periskope_async.models.times import in_zone
from periskope_async.tables.columns import batches_of, table_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from periskope_async.tables.columns import Batch, Kind, Table
    from periskope_async.wire.listing import Listing

__all__ = ["arrow_batches", "pa", "record_batches", "row_groups", "schema_of", "table"]

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
        some = _record_batch(schema, batch)
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


async def arrow_batches(
    listing: Listing[Any], pages: AsyncIterator[Sequence[bytes]], rows: int = 20_000
) -> AsyncIterator[Any]:
    """Turn pages of original bytes into record batches of ``rows`` rows; the last one may be shorter."""
    table = table_of(listing)
    pending: list[Batch] = []
    async for page in pages:
        pending += batches_of(table, page)
        if sum(map(len, pending)) >= rows:
            *full, rest = record_batches(table, pending, rows=rows)
            for batch in full:
                yield batch
            if len(rest) == rows:
                yield rest
                pending = []
            else:
                pending = _last_rows(pending, len(rest))
    for batch in record_batches(table, pending, rows=rows):
        yield batch


def table(listing: Listing[Any], batches: Sequence[Any]) -> Any:
    """Join record batches into one table. There may be none."""
    return pa.Table.from_batches(batches, schema_of(table_of(listing)))


def _last_rows(batches: list[Batch], rows: int) -> list[Batch]:
    kept: list[Batch] = []
    for batch in reversed(batches):
        if rows <= 0:
            break
        start = max(0, len(batch) - rows)
        rows -= len(batch)
        kept.insert(
            0,
            type(batch)(
                [column[start:] for column in batch.values], batch.raw[start:], batch.source, batch.gone_at[start:]
            ),
        )
    return kept


def _record_batch(schema: Any, batch: Batch) -> Any:
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
