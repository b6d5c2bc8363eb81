"""CSV that survives spreadsheets: no id becomes a number, and no cell is run as a formula."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from periskope_async.tables.columns import Batch, Kind, Table

__all__ = ["write"]

# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(path: Path, table: Table, batches: Iterator[Batch], *, facts: dict[str, str]) -> None:
    """Write all batches; null and an empty text are both an empty cell. Blocks; raises OSError."""
    escape = _plain if facts.get("csv_escape") == "false" else _safe
    with path.open("r+", encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["source", *(column.name for column in table.columns)])
        writers = [_cell(column.kind, escape) for column in table.columns]
        for batch in batches:
            cells = [list(map(writer, values)) for writer, values in zip(writers, batch.values, strict=True)]
            rows.writerows(zip([escape(batch.source)] * len(batch), *cells, strict=True))


def _plain(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _safe(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run."""
    text = _plain(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cell(kind: Kind, escape: Callable[[str], str]) -> Callable[[Any], str]:
    def cell(value: Any) -> str:
        if value is None:
            return ""
        if kind == "time":
            moment: datetime = value
            return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        if kind == "boolean":
            return "true" if value else "false"
        if kind == "texts":
            return escape(msgspec.json.encode(value).decode())
        return str(value) if kind in {"integer", "real"} else escape(value)

    return cell
