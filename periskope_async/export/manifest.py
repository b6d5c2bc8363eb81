"""The manifest beside an export: what was asked for, what came, and whether it is all there was."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from periskope_async.errors import ExportError
from periskope_async.export.files import beside, failed
from periskope_async.paging.report import WalkReport

__all__ = ["Manifest", "SourceResult", "State", "UpdateResult", "manifest_path", "read_manifest", "state_of"]

_VERSION = 1
_KIND = "periskope-export"
_MOST_BYTES = 16 << 20

State: TypeAlias = Literal["whole", "unknown", "partial"]
"""``whole``: every row that was there during the whole walk is in the file. ``partial``: some are known to be missing.
``unknown``: the list moved in ways that leave it open."""


class SourceResult(Struct, frozen=True, kw_only=True):
    """What came of one query of an export."""

    rows: int
    state: State
    report: WalkReport | None = None
    """The account of its walk, of the last run where there were several; None where that failed."""
    error: str | None = None
    """Why it failed; None where it did not."""
    scope: str = ""
    """A short hash of its filters, by which an update tells whether it asks for the same rows."""


class UpdateResult(Struct, frozen=True, kw_only=True):
    """What an update did to the rows of a file."""

    added: int
    replaced: int
    """Rows that were there, and were written as they are now, changed or not."""
    gone: int
    """Rows that a full sweep did not meet, marked for the first time."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What ``OUT.manifest.json`` holds."""

    kind: str = _KIND
    version: int = _VERSION
    list: str
    format: str
    state: State
    rows: int
    bytes: int
    sha256: str
    started: datetime
    """When the first run began."""
    finished: datetime
    known_since: datetime | None = None
    """When that was by the server's clock. An update asks for what was active since."""
    swept: datetime | None = None
    """When all rows were read last. What has changed since without any activity may be older in the file."""
    query: dict[str, str] = {}
    """The filters that were asked for, where they are known."""
    sources: dict[str, SourceResult]
    half_emojis: int = 0
    """Texts that were cut inside an emoji, so that half of it was sent."""
    is_merged: bool = False
    csv_escape: bool = True
    org_id: str | None = None
    """The organisation that the rows are of, where the server said so."""
    gone: int = 0
    """How many of the rows are marked as gone from the list (``gone_at``)."""
    update: UpdateResult | None = None
    """What the last run did, where it was an update."""


_DECODER = msgspec.json.Decoder(Manifest)


def manifest_path(target: Path) -> Path:
    """Name the manifest of an export."""
    return beside(target, ".manifest.json")


def state_of(completes: Iterable[bool | None]) -> State:
    """Sum up the walks: known to be partial if one is, whole if all are."""
    states = list(completes)
    return "partial" if False in states else "unknown" if None in states else "whole"


def read_manifest(target: Path) -> Manifest | None:
    """Read the manifest of an older export; None where there is none. Raises ExportError where it is not ours."""
    path = manifest_path(target)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failed(path, error) from error
    try:
        head = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        kind = msgspec.json.decode(head.get("kind", b"null"))
        version = msgspec.json.decode(head.get("version", b"null"))
        if kind == _KIND and version != _VERSION:
            raise ExportError(
                f"{str(path)!r} is of version {version}, and this package reads version {_VERSION}. "
                "Nothing was changed; move it away, or give another OUT"
            )
        if kind == _KIND:
            return _DECODER.decode(content)
    except (msgspec.MsgspecError, ValueError):
        pass
    raise ExportError(
        f"{str(path)!r} is not the manifest of an export. Nothing was changed; move it away, or give another OUT"
    )
