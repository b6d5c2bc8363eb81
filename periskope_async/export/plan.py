"""An export as data: what to read, where to write it, and how."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from msgspec import Struct

from periskope_async.client.base import ListPager
from periskope_async.errors import ConfigError
from periskope_async.export.manifest import Manifest, SourceResult
from periskope_async.paging.pager import Pager
from periskope_async.paging.report import WalkReport
from periskope_async.typed import is_number
from periskope_async.wire import inputs
from periskope_async.wire.listing import Listing

__all__ = ["Converted", "ExportPlan", "ExportResult", "ExportSettings", "Fetched", "IfExists", "Progress"]


class Fetched(Struct, frozen=True):
    """A page is on the disk."""

    source: str
    """The source's name; in an update, which reads a source in each order, the order as well."""
    rows: int
    """Rows of this walk so far."""
    count: int | None
    """The server's count of its rows."""
    bytes: int
    """Bytes of all sources so far."""


class Converted(Struct, frozen=True):
    """The new file holds ``rows`` of the ``total`` rows."""

    rows: int
    total: int


IfExists: TypeAlias = Literal["replace", "overwrite", "update", "sweep"]
"""How to treat a file at OUT. ``replace``: a new file takes its place once it is whole; any file is refused but an
unchanged export of the same organisation, list, format and filters. ``overwrite``: any file is replaced. ``update``:
new rows are read, newest first until known ground, and written over the older ones; a list without a known order is
read whole. ``sweep``: all rows are read, and rows gone from the list are marked (``gone_at``), never deleted. Each of
them writes a new file if there is none.
"""

Progress: TypeAlias = Callable[[Fetched | Converted], object]
"""Is told the progress of an export, and must return at once. It is called in a thread beside the event loop."""


class ExportSettings(TypedDict, total=False):
    """The settings of an export. :class:`ExportPlan` explains each of them."""

    format: str | None
    merge: bool
    repair_text: bool
    csv_escape: bool
    patience: float
    restart: bool
    if_exists: IfExists
    query: Mapping[str, str]


class ExportPlan(Struct, frozen=True, kw_only=True):
    """What to export, and how. ``sources`` are the walks: one pager, or several by name, side by side.

    Raises ConfigError if a setting cannot be right.
    """

    sources: Pager[Any] | Mapping[str, Pager[Any]]
    format: str | None = None
    """``jsonl``, ``jsonl.gz``, ``jsonl.zst``, ``csv``, ``parquet``, ``sqlite`` or ``duckdb``; None goes by
    the ending."""
    merge: bool = False
    """Whether a row of several sources is written once. Each row names its source otherwise."""
    repair_text: bool = False
    """Whether JSON lines get U+FFFD for half an emoji too. Typed columns always do; ``raw_json`` never does."""
    csv_escape: bool = True
    """Whether a cell gets a leading apostrophe if a spreadsheet would run it as a formula."""
    patience: float = 300.0
    """Seconds to wait if the server is gone in mid-run, beyond the retries of each request."""
    restart: bool = False
    """Whether to throw away the spool of an earlier run, instead of going on with it."""
    if_exists: IfExists = "replace"
    query: Mapping[str, str] = {}
    """The filters, for the manifest and for errors only."""

    def __post_init__(self) -> None:
        """Check for settings that cannot work."""
        given = self.sources.values() if isinstance(self.sources, Mapping) else [self.sources]
        if not given or not all(isinstance(pager, Pager) for pager in given):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise ConfigError(
                f"sources is {self.sources!r:.100}; give a pager, or several by name", parameter="sources"
            )
        # The messages of a chat and those of a phone come from two lists of one kind of row.
        rows = {None if pager.listing is None else pager.listing.row for pager in given}
        if len(rows) > 1 or None in rows:
            names = sorted("bytes" if row is None else row.__name__ for row in rows)
            raise ConfigError(
                f"sources give rows of {' and '.join(names)}; give pagers of one list, such as iter_chats() gives",
                parameter="sources",
            )
        if self.if_exists not in get_args(IfExists):
            raise ConfigError(
                f"if_exists is {self.if_exists!r:.100}; it takes one of {', '.join(get_args(IfExists))}",
                parameter="if_exists",
            )
        if self.is_update and any(pager.max_items is not None for pager in self.pagers.values()):
            raise ConfigError("an update reads all that is new; leave out max_items", parameter="max_items")
        if not is_number(self.patience) or not 0 <= self.patience < math.inf:
            raise ConfigError(f"patience is {self.patience!r:.100}; give seconds, 0 or more", parameter="patience")
        inputs.text_map("query", self.query)

    @property
    def pagers(self) -> dict[str, Pager[Any]]:
        """The walks by name; a single one has an empty name."""
        return {"": self.sources} if isinstance(self.sources, Pager) else dict(self.sources)

    @property
    def listing(self) -> Listing[Any]:
        """The list of the pagers."""
        listing = next(iter(self.pagers.values())).listing
        assert listing is not None  # noqa: S101 - for the type checker: checked at the start
        return listing

    @property
    def is_update(self) -> bool:
        """Whether an older export at OUT is brought up to date."""
        return self.if_exists in {"update", "sweep"}

    @property
    def scopes(self) -> dict[str, str]:
        """Each source's filters as a short hash."""
        return {
            name: pager.query.unordered.fingerprint if isinstance(pager, ListPager) else ""
            for name, pager in self.pagers.items()
        }

    @property
    def filters(self) -> dict[str, str]:
        """The filters by name: those of a single walk, and those of ``query``."""
        pager = self.sources
        return (pager.query.filters if isinstance(pager, ListPager) else {}) | dict(self.query)


class ExportResult(Struct, frozen=True, kw_only=True):
    """The result of an export."""

    path: Path
    manifest: Manifest
    resumed_rows: int = 0
    """How many of the rows were fetched by an earlier run."""

    @property
    def rows(self) -> int:
        """How many rows the file holds."""
        return self.manifest.rows

    @property
    def bytes(self) -> int:
        """How large the file is."""
        return self.manifest.bytes

    @property
    def report(self) -> WalkReport | None:
        """The report of the walk; None if there were several."""
        reports = [source.report for source in self.manifest.sources.values()]
        return reports[0] if len(reports) == 1 else None

    @property
    def failed(self) -> dict[str, SourceResult]:
        """The sources that failed, by name."""
        return {name: source for name, source in self.manifest.sources.items() if source.error is not None}
