"""The older file at OUT: reads it, and checks whether it may be replaced. All functions block on the disk."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.errors import ExportError
from periskope_async.export.checkpoint import Begun, Damaged, Made, read_records
from periskope_async.export.files import MOVE_AWAY, checked_target, failed
from periskope_async.export.keys import time_reader
from periskope_async.export.manifest import incomplete_path, manifest_path, read_manifest
from periskope_async.export.spool import is_same, log_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from periskope_async.export.checkpoint import Record
    from periskope_async.export.formats import Format, Row
    from periskope_async.export.manifest import Manifest
    from periskope_async.export.plan import ExportPlan, IfExists
    from periskope_async.tables.columns import Table
    from periskope_async.wire.listing import Sort

__all__ = [
    "OVERWRITE",
    "Older",
    "is_of_spool",
    "manifest_at",
    "older_export",
    "refuse_open_database",
    "rows_of",
    "sha256",
    "whole_one",
    "why_anew",
]

OVERWRITE = (
    "Nothing was changed. Move it away, give another OUT, or replace it with --overwrite (if_exists='overwrite')"
)
# Less than the time between two nightly runs: where a source fails each night, the others are read all the same.
_LONGEST_PARTIAL = timedelta(hours=12)
_UNREADABLE = (ValueError, KeyError, EOFError, zlib.error)


class Older(Struct, frozen=True):
    """The export at OUT, to be updated or replaced."""

    path: Path
    form: Format
    table: Table
    manifest: Manifest

    def rows(self) -> Iterator[Row]:
        """Give its rows. Raises ExportError."""
        # JSON lines of a single source, or of merged ones, do not name it.
        names = list(self.manifest.sources)
        only = names[0] if len(names) == 1 else ""
        for raw, source, gone_at in rows_of(self.path, self.form, self.table):
            yield raw, source or only, gone_at

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
    records = _records_of(target)
    return records[0] if records and isinstance(records[-1], Made) else None  # type: ignore[return-value]


def why_anew(plan: ExportPlan, target: Path, begun: Begun, twin: Begun) -> str:
    """Tell why an update throws away the spool of an earlier run; empty if it does not.

    ``twin`` is ``begun`` as a sweep if the plan is an update, and the reverse.
    """
    records = _records_of(target)
    if not records or isinstance(records[-1], Made) or not isinstance(first := records[0], Begun):
        return ""
    if is_same(first, begun):
        placed = [read_manifest(path) for path in (target, incomplete_path(target))]
        has_failed = any(manifest is not None and is_of_spool(target, manifest) for manifest in placed)
        if has_failed and begun.started - first.started > _LONGEST_PARTIAL:
            return f"a source had failed, and the rows of the others are of {first.started:%Y-%m-%d %H:%M} UTC"
    elif is_same(first, twin):
        return f"it was {'a sweep' if plan.if_exists == 'update' else 'an update'}"
    return ""


def is_of_spool(target: Path, manifest: Manifest) -> bool:
    """Whether the file at OUT holds what the spool beside it has so far, since some sources had failed."""
    begun = next(iter(_records_of(target)), None)
    return manifest.state == "partial" and isinstance(begun, Begun) and begun.started == manifest.started


def _records_of(target: Path) -> list[Record]:
    try:
        return read_records(log_path(target).read_bytes())[0]
    except (OSError, Damaged):
        # The opening of the spool reports the error.
        return []


def older_export(plan: ExportPlan, form: Format, table: Table, target: Path) -> Older | None:
    """Give the export at OUT; None if there is none, or if anything may be replaced. Raises ExportError."""
    if plan.if_exists != "overwrite":
        refuse_open_database(target, form)
    manifest = manifest_at(target, plan.if_exists)
    if manifest is None:
        return None
    if plan.is_update:
        _check_same(plan, form, manifest, target)
    else:
        _check_replaceable(plan, form, manifest, target)
    return Older(target, form, table, manifest)


def manifest_at(target: Path, if_exists: IfExists) -> Manifest | None:
    """Give the manifest of the export at OUT; None if there is none, or if anything may be replaced.

    Raises ExportError if the file at OUT or one beside it is no unchanged export.
    """
    incomplete = incomplete_path(target)
    checked_target(incomplete)
    _unchanged(incomplete, MOVE_AWAY)
    if if_exists == "overwrite":
        # Only OUT is what may be overwritten.
        read_manifest(target)
        return None
    return _unchanged(target, OVERWRITE)


def _unchanged(path: Path, advice: str) -> Manifest | None:
    """Give the manifest of an export; None if there is no file, or an empty one. Raises ExportError."""
    manifest = read_manifest(path)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failed(path, error) from error
    if not size:
        return None
    if manifest is None:
        raise ExportError(
            f"{str(path)!r} has no {manifest_path(path).name!r} beside it, so it may be no export. {advice}"
        )
    if manifest.sha256 != sha256(path):
        raise ExportError(f"{str(path)!r} was changed since it was exported. {advice}")
    return manifest


def refuse_open_database(target: Path, form: Format) -> None:
    """Raise ExportError if a log beside OUT holds changes to a database of that name."""
    for log in form.logs_of(target):
        raise ExportError(
            f"{str(log)!r} holds changes to {target.name!r}: a program has that database open, or died while it had. "
            f"Let it close the database. {OVERWRITE}"
        )


def _check_replaceable(plan: ExportPlan, form: Format, manifest: Manifest, target: Path) -> None:
    """Raise ExportError if a new export may lack rows of the older one."""
    name = repr(str(target))
    if (manifest.list, manifest.format) != (plan.listing.key, form.name):
        raise ExportError(f"{name} is an export of {manifest.list} as {manifest.format}. {OVERWRITE}")
    if others := _other_filters(plan, manifest):
        raise ExportError(f"{name} is an export with other filters ({others}). {OVERWRITE}")


def _other_filters(plan: ExportPlan, manifest: Manifest) -> str:
    """Name the filters that differ from an older export's; empty if none does. A further source is no loss."""
    there, asked = manifest.sources, plan.pagers
    if missing := sorted(there.keys() - asked.keys()):
        return _differences(manifest.query, plan.filters) or f"the sources {missing} are there and not asked for"
    for source, older in there.items():
        if older.scope != plan.scopes[source]:
            return _differences(manifest.query, plan.filters) or f"those of the source {source!r}"
        most = asked[source].max_items
        if most is not None and older.rows > most:
            return f"max_items: {older.rows:,} rows there, {most:,} asked for"
    return ""


def _differences(there: dict[str, str], asked: dict[str, str]) -> str:
    """Name the filters that differ."""
    return "; ".join(
        f"{name}: {_shown(there.get(name))} there, {_shown(asked.get(name))} asked for"
        for name in there | asked
        if there.get(name) != asked.get(name)
    )


def _shown(value: str | None) -> str:
    return "none" if value is None else repr(value)


def _check_same(plan: ExportPlan, form: Format, manifest: Manifest, target: Path) -> None:
    """Raise ExportError if a file holds something other than the plan asks for."""
    asked: dict[str, tuple[object, object]] = {
        "list": (manifest.list, plan.listing.key),
        "format": (manifest.format, form.name),
        "merge": (manifest.is_merged, plan.merge),
        "csv_escape": (manifest.csv_escape, plan.csv_escape),
    }
    differences = [f"{what}: {there} there, {now} asked for" for what, (there, now) in asked.items() if there != now]
    if not differences and (others := _other_filters(plan, manifest)):
        differences = [f"filters: {others}"]
    if differences:
        raise ExportError(
            f"{str(target)!r} is of an export with other settings ({differences[0]}), so it cannot be updated with "
            f"these. Give the same ones to go on with it. {OVERWRITE}"
        )


def sha256(path: Path) -> str:
    """Give a file's checksum. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
