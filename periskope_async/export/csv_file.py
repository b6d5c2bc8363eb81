"""CSV for spreadsheets: no cell is run as a formula.

A cell is not marked as text, so a spreadsheet rounds an id of 16 and more digits if its import does not say that.
"""

from __future__ import annotations

import csv
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async.export.manifest import read_manifest
from periskope_async.models.times import utc_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from periskope_async.export.formats import Row
    from periskope_async.tables.columns import Batch, Kind, Table

__all__ = ["read", "write"]

# Spreadsheets take these for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_OWN = ("source", "gone_at")
_MOST_CHARACTERS = 1 << 30


def write(path: Path, table: Table, batches: Iterator[Batch], *, facts: dict[str, str]) -> None:
    """Write all batches; null and an empty text both become an empty cell. Blocks; raises OSError."""
    escape = _plain if facts.get("csv_escape") == "false" else _safe
    with path.open("r+", encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*_OWN, *(column.name for column in table.columns)])
        writers = [_writer(column.kind, escape) for column in table.columns]
        for batch in batches:
            cells = [writer(values) for writer, values in zip(writers, batch.values, strict=True)]
            gone = utc_texts(batch.gone_at)
            rows.writerows(zip([escape(batch.source)] * len(batch), gone, *cells, strict=True))


def read(path: Path, table: Table) -> Iterator[Row]:
    """Rebuild the rows of an older file from its cells.

    Blocks; raises OSError, ExportError if its manifest is not ours, and ValueError if it is no export.
    """
    manifest = read_manifest(path)
    bare = _bare if manifest is None or manifest.csv_escape else str
    with path.open(encoding="utf-8", newline="") as file:
        # A text of WhatsApp as JSON may have more than the module's 131,072 characters.
        before = csv.field_size_limit(_MOST_CHARACTERS)
        try:
            rows = csv.DictReader(file, strict=True)
            if tuple(rows.fieldnames or ())[: len(_OWN)] != _OWN:
                raise ValueError("its first columns are not those of an export")
            for cells in rows:
                gone_at = cells["gone_at"]
                source = bare(cells["source"])
                yield _row(table, cells, bare), source, datetime.fromisoformat(gone_at) if gone_at else None
        except csv.Error as error:
            raise ValueError(str(error)) from error
        finally:
            csv.field_size_limit(before)


def _row(table: Table, cells: dict[str, str], bare: Callable[[str], str]) -> bytes:
    """Make the JSON of a row from its cells. Fields without a column are lost."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if not (cell := cells.get(column.name)):
            continue
        value: Any = bare(cell) if column.kind in {"text", "time"} else msgspec.Raw(bare(cell).encode())
        if len(column.path) == 1:
            row[column.name] = value
        else:
            row.setdefault(column.name.removesuffix(f"_{column.path[-1]}"), {})[column.path[-1]] = value
    return msgspec.json.encode(row)


def _bare(text: str) -> str:
    """Remove the apostrophe of :func:`_safe`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _plain(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _safe(text: str) -> str:
    """Put an apostrophe before a text if a spreadsheet would run it."""
    text = _plain(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _writer(kind: Kind, escape: Callable[[str], str]) -> Callable[[list[Any]], Sequence[str | None]]:
    def cell(value: Any) -> str:
        if value is None:
            return ""
        if kind == "boolean":
            return "true" if value else "false"
        if kind == "texts":
            return escape(msgspec.json.encode(value).decode())
        return str(value) if kind in {"integer", "real"} else escape(value)

    return utc_texts if kind == "time" else lambda values: list(map(cell, values))
