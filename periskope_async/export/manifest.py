"""The manifest beside an export: what was asked for, what came, and whether anything is missing."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from periskope_async.decoding.body import UNREAD
from periskope_async.errors import ExportError
from periskope_async.export.files import MOVE_AWAY, beside, failed
from periskope_async.paging.report import WalkReport

__all__ = [
    "STATES",
    "Manifest",
    "SourceResult",
    "State",
    "UpdateResult",
    "incomplete_path",
    "manifest_path",
    "read_manifest",
    "summed",
    "worst",
]

_VERSION: Final = 1
_KIND: Final = "periskope-export"
_MOST_BYTES = 16 << 20
# The counts of a walk's report.
_SUMMED = (
    "requests",
    "pages",
    "rows_received",
    "rows_placed",
    "duplicates",
    "inserted",
    "removed",
    "steps_back",
    "caught_up",
    "bytes",
    "bytes_saved",
    "not_modified",
    "seconds_waited",
)

State: TypeAlias = Literal["whole", "unknown", "partial"]
"""``whole``: the file has every row that was there during the whole walk. ``partial``: some rows are known to be
missing. ``unknown``: the list moved too much to tell."""

STATES: dict[bool | None, State] = {True: "whole", None: "unknown", False: "partial"}
"""The state of a walk by its report's ``complete``, the best first."""


class SourceResult(Struct, frozen=True, kw_only=True):
    """The result of one query of an export."""

    rows: int
    state: State
    report: WalkReport | None = None
    """The last run's report of its walk; None if the walk failed."""
    error: str | None = None
    """Why it failed; None if it did not."""
    scope: str = ""
    """A short hash of its filters. An update compares it to tell whether it asks for the same rows."""


class UpdateResult(Struct, frozen=True, kw_only=True):
    """The effect of an update on the rows of a file."""

    added: int
    replaced: int
    """Older rows that differ now, or are back. In a CSV all that were read again: it does not have their bytes."""
    gone: int
    """Rows that a full sweep missed, marked for the first time."""


class Manifest(Struct, frozen=True, kw_only=True):
    """The content of ``OUT.manifest.json``."""

    kind: Literal["periskope-export"] = _KIND
    version: Literal[1] = _VERSION
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
    """The first run's beginning by the server's clock. An update asks for rows with activity since then."""
    swept: datetime | None = None
    """When all rows were last read. A row that has changed since without activity may be older in the file."""
    query: dict[str, str] = {}
    """The filters of the request, if they are known."""
    sources: dict[str, SourceResult]
    half_emojis: int = 0
    """Texts with half an emoji: they were cut inside it."""
    is_merged: bool = False
    csv_escape: bool = True
    org_id: str | None = None
    """The organisation of the rows, if the server named it."""
    gone: int = 0
    """How many of the rows are marked as gone from the list (``gone_at``)."""
    update: UpdateResult | None = None
    """The effect of the last run, if it was an update."""


_DECODER = msgspec.json.Decoder(Manifest)


def manifest_path(target: Path) -> Path:
    """Name the manifest of an export."""
    return beside(target, ".manifest.json")


def incomplete_path(target: Path) -> Path:
    """Name the file for an incomplete export beside an older file."""
    return beside(target, ".incomplete")


def worst(states: Iterable[State]) -> State:
    """Sum up: partial if one is known to be, whole if all are."""
    return max(states, key=[*STATES.values()].index)


def summed(reports: Sequence[WalkReport]) -> WalkReport:
    """Give one account of several walks side by side: the last one's, with the counts of all."""
    sums = {name: sum(getattr(report, name) for report in reports) for name in _SUMMED}
    return replace(reports[-1], **sums, seconds=max(report.seconds for report in reports))


def read_manifest(target: Path) -> Manifest | None:
    """Read the manifest of an older export; None if there is none. Raises ExportError if it is not ours."""
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
                f"{str(path)!r} is of version {version}, and this package reads version {_VERSION}. {MOVE_AWAY}"
            )
        if kind == _KIND:
            return _DECODER.decode(content)
    except UNREAD:
        pass
    raise ExportError(f"{str(path)!r} is not the manifest of an export. {MOVE_AWAY}")
