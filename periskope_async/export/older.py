"""The older file at OUT: reads it, and checks whether it may be replaced. All functions block on the disk."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.errors import ExportError
from periskope_async.export.checkpoint import Damaged, Made, read_records
from periskope_async.export.files import beside, failed
from periskope_async.export.keys import RowKeys, time_reader
from periskope_async.export.manifest import manifest_path, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from periskope_async.export.checkpoint import Begun
    from periskope_async.export.formats import Format, Row
    from periskope_async.export.manifest import Manifest
    from periskope_async.export.plan import ExportPlan
    from periskope_async.tables.columns import Table
    from periskope_async.wire.listing import Sort

__all__ = ["Older", "older_export", "rows_of", "sha256", "whole_one"]

_OVERWRITE = "Nothing was changed. Move it away, give another OUT, or add --overwrite (if_exists='overwrite')"
_UNREADABLE = (ValueError, KeyError, EOFError, zlib.error)


class Older(Struct, frozen=True):
    """The export to update."""

    path: Path
    form: Format
    table: Table
    manifest: Manifest

    def rows(self) -> Iterator[Row]:
        """Give its rows. Raises ExportError."""
        return rows_of(self.path, self.form, self.table)

    def without_time(self, sort: Sort) -> Counter[str]:
        """Count the rows of each source that are not gone and have no sort time."""
        has_time = time_reader(sort.times)
        return Counter(source for raw, source, gone_at in self.rows() if gone_at is None and not has_time(raw))


def rows_of(path: Path, form: Format, table: Table) -> Iterator[Row]:
    """Give the rows of an export. Raises ExportError, ConfigError."""
    try:
        yield from form.rows(path, table)
    except _UNREADABLE as error:
        raise ExportError(f"{str(path)!r} cannot be read back as {form.name}: {error}") from error
    except OSError as error:
        raise ExportError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def whole_one(target: Path) -> Begun | None:
    """Give the export of an earlier run if its file is whole but not in place yet; else None."""
    try:
        records, _ = read_records(beside(target, ".partial.log").read_bytes())
    except (OSError, Damaged):
        # The opening of the spool reports the error.
        return None
    return records[0] if records and isinstance(records[-1], Made) else None  # type: ignore[return-value]


def older_export(plan: ExportPlan, form: Format, table: Table, target: Path) -> Older | None:
    """Give the export to update; None if a new file takes its place. Raises ExportError."""
    manifest = read_manifest(target)
    try:
        size = target.stat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failed(target, error) from error
    if plan.if_exists == "overwrite" or not size:
        return None
    if not plan.is_update:
        if manifest is not None and manifest.list != plan.listing.key:
            raise ExportError(f"{str(target)!r} is an export of {manifest.list}. {_OVERWRITE}")
        _refuse_foreign(plan, form, table, target)
        return None
    if manifest is None:
        raise ExportError(
            f"{str(target)!r} has no {manifest_path(target).name!r} beside it, so nobody knows what an update has to "
            "ask for. Nothing was changed; export it anew"
        )
    if manifest.sha256 != sha256(target):
        raise ExportError(f"{str(target)!r} was changed since it was exported. Nothing was changed; export it anew")
    _check_same(plan, form, manifest, target)
    return Older(target, form, table, manifest)


def _refuse_foreign(plan: ExportPlan, form: Format, table: Table, target: Path) -> None:
    """Raise ExportError if a file is no export of this list and format: its owner would miss it."""
    try:
        first = next(rows_of(target, form, table), None)
    except ExportError as error:
        raise ExportError(f"{error}: it is no export. {_OVERWRITE}") from None
    if first is not None and RowKeys(plan.listing, is_merged=False).of_row("", first[0]) is None:
        raise ExportError(f"{str(target)!r} is no export of {plan.listing.key}. {_OVERWRITE}")


def _check_same(plan: ExportPlan, form: Format, manifest: Manifest, target: Path) -> None:
    """Raise ExportError if a file holds something other than the plan asks for."""
    sources = manifest.sources
    asked: dict[str, tuple[object, object]] = {
        "list": (manifest.list, plan.listing.key),
        "format": (manifest.format, form.name),
        "merge": (manifest.is_merged, plan.merge),
        "csv_escape": (manifest.csv_escape, plan.csv_escape),
        "sources": (sorted(sources), sorted(plan.pagers)),
    }
    for name, source in sources.items():
        asked[f"filters {name}".rstrip()] = (source.scope, plan.scopes.get(name))
    for what, (there, wanted) in asked.items():
        if there != wanted:
            raise ExportError(
                f"{str(target)!r} is of an export with other settings ({what}), so it cannot be updated with these. "
                "Give the same ones, or another OUT"
            )


def sha256(path: Path) -> str:
    """Give a file's checksum. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
