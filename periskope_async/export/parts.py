"""One manifest for an export in many files, such as one written by several workers."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from periskope_async.errors import ExportError
from periskope_async.export.files import checked_target, refuse_foreign, write_json
from periskope_async.export.manifest import Manifest, State, read_manifest, worst

__all__ = ["PartsManifest", "parts_path", "sum_up"]


class PartsManifest(Struct, frozen=True, kw_only=True):
    """The content of ``manifest.json`` in the folder. It is written once all parts are there."""

    kind: Literal["periskope-export-parts"] = "periskope-export-parts"
    version: Literal[1] = 1
    state: State
    rows: int
    bytes: int
    started: datetime
    finished: datetime
    parts: dict[str, Manifest]
    """The key is the file's path below the folder."""


_DECODER = msgspec.json.Decoder(PartsManifest)


def parts_path(folder: Path) -> Path:
    """Give the path of ``manifest.json``. Raises ExportError if a file of somebody else is there."""
    path = checked_target(folder / "manifest.json")
    refuse_foreign(path, _DECODER, "the manifest of an export in parts")
    return path


def sum_up(folder: Path, paths: Sequence[Path]) -> PartsManifest | None:
    """Write ``manifest.json`` if all ``paths`` below ``folder`` are whole files of exports; None before that.

    It blocks, and several processes may call it at once. Raises ExportError.
    """
    path = parts_path(folder)
    parts = [part for name in paths if (part := read_manifest(name)) is not None]
    if len(parts) < len(paths):
        return None
    if len(owners := sorted({part.org_id for part in parts if part.org_id})) > 1:
        raise ExportError(f"the parts are of several organisations, {' and '.join(owners)}; give each another folder")
    manifest = PartsManifest(
        state=worst(part.state for part in parts),
        rows=sum(part.rows for part in parts),
        bytes=sum(part.bytes for part in parts),
        started=min(part.started for part in parts),
        finished=max(part.finished for part in parts),
        parts={name.relative_to(folder).as_posix(): part for name, part in zip(paths, parts, strict=True)},
    )
    write_json(path, manifest, is_alone=False)
    return manifest
