"""One manifest for an export in many files, such as one written by several workers."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import msgspec
from msgspec import Struct

from periskope_async.export.files import beside, open_private, put_in_place, sync
from periskope_async.export.manifest import Manifest, State, read_manifest, state_of

__all__ = ["PartsManifest", "sum_up"]

_COMPLETE = {"whole": True, "unknown": None, "partial": False}


class PartsManifest(Struct, frozen=True, kw_only=True):
    """The content of ``manifest.json`` in the folder. It is written once all parts are there."""

    kind: str = "periskope-export-parts"
    version: int = 1
    state: State
    rows: int
    bytes: int
    started: datetime
    finished: datetime
    parts: dict[str, Manifest]
    """The key is the file's path below the folder."""


def sum_up(folder: Path, paths: Sequence[Path]) -> PartsManifest | None:
    """Write ``manifest.json`` if all ``paths`` below ``folder`` are whole files of exports; None before that.

    It blocks, and several processes may call it at once. Raises ExportError.
    """
    parts = [part for path in paths if (part := read_manifest(path)) is not None]
    if len(parts) < len(paths):
        return None
    manifest = PartsManifest(
        state=state_of(_COMPLETE[part.state] for part in parts),
        rows=sum(part.rows for part in parts),
        bytes=sum(part.bytes for part in parts),
        started=min(part.started for part in parts),
        finished=max(part.finished for part in parts),
        parts={path.relative_to(folder).as_posix(): part for path, part in zip(paths, parts, strict=True)},
    )
    path = folder / "manifest.json"
    new = beside(path, f".{uuid4().hex}")
    with os.fdopen(open_private(new, is_new=True), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        file.flush()
        sync(file.fileno())
    put_in_place(new, path)
    return manifest
