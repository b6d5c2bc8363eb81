"""The account of an export: which rows the new file has, and whether any is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from periskope_async.export.manifest import STATES, Manifest, SourceResult, UpdateResult, summed, worst
from periskope_async.export.older import sha256
from periskope_async.export.update import Changes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from periskope_async.export.job import Job
    from periskope_async.export.manifest import State
    from periskope_async.export.spool import Kept, Spool
    from periskope_async.paging.pager import Pager
    from periskope_async.paging.report import WalkReport

__all__ = ["Account"]


class Account:
    """Counts the rows of the new file, and judges the walks that gave them."""

    def __init__(self, job: Job, spool: Spool) -> None:
        self._job = job
        self._spool = spool
        self.changes = Changes()
        """The effect of an update."""
        self.older_half_emojis = 0
        """Half emojis in the older rows of an update."""

    def manifest(self, product: Path, failures: Mapping[str, Exception]) -> Manifest:
        """Make the manifest of the new file. ``failures`` are the errors of the failed sources."""
        job, spool, changes = self._job, self._spool, self.changes
        older = job.older.manifest if job.older is not None else None
        sources = {source: self._result_of(source, failures.get(source)) for source in job.plan.pagers}
        is_read_whole = all(walk.until is None for walk in job.walks.values())
        return Manifest(
            list=job.plan.listing.key,
            format=job.form.name,
            state=worst(source.state for source in sources.values()),
            rows=sum(source.rows for source in sources.values()),
            bytes=product.stat().st_size,
            # The rows of the spool were hashed while they were written.
            sha256=spool.digest.hexdigest() if product == spool.rows_path else sha256(product),
            started=spool.begun.started,
            finished=datetime.now(UTC),
            known_since=_first_date(spool) or (older.known_since if older is not None else None),
            swept=spool.begun.started if older is None or is_read_whole else older.swept,
            query=job.plan.filters,
            sources=sources,
            half_emojis=sum(page.half_emojis for page in spool.pages) + self.older_half_emojis,
            is_merged=spool.begun.is_merged,
            csv_escape=job.plan.csv_escape,
            org_id=spool.org_id or (job.there.org_id if job.there is not None else None),
            gone=changes.rows.total() - changes.there.total(),
            update=None
            if older is None
            else UpdateResult(added=spool.rows - changes.met, replaced=changes.replaced, gone=changes.gone),
        )

    def _result_of(self, source: str, failure: Exception | None) -> SourceResult:
        state, report = self._judge(source)
        return SourceResult(
            rows=self._rows_of(source),
            state=state,
            report=report,
            error=None if failure is None else f"{type(failure).__name__}: {failure}",
            scope=self._job.plan.scopes[source],
        )

    def _judge(self, source: str) -> tuple[State, WalkReport | None]:
        """Tell whether the file has all rows of a source. Give the report of its walks with the reason."""
        spool, older = self._spool, self._job.older
        names = self._walks_of(source)
        reports = [report for name in names if (report := spool.kept[name].report) is not None]
        state = self.state_of_walks(source)
        if len(reports) < len(names):
            return state, None
        report = summed(reports)
        if older is not None and state != "partial" and self._job.plan.if_exists == "update":
            # An update marks no row that left, and no order may show one. The server's count tells of some of them.
            before = older.manifest.sources.get(source)
            if before is not None and self._job.walks[names[-1]].until is not None:
                state = before.state
            if why := self._doubt_of(source, names, before):
                return "unknown", replace(report, why=why)
        return state, report

    def _doubt_of(self, source: str, names: list[str], before: SourceResult | None) -> str:
        """Tell why an updated source may not be whole; empty if the server's count fits."""
        there = self.changes.there[source]
        pages = [page.count for page in self._spool.pages if page.walk in names]
        # An empty list gives no page to keep.
        ends = [report.count_at_end for name in names if (report := self._spool.kept[name].report) is not None]
        counts = {count for count in (*pages, *ends) if count is not None}
        if self._job.plan.merge and len(self._job.plan.pagers) > 1:
            # The file has a row of several sources once, and the server counts it for each of them.
            known = None if before is None or before.state == "partial" else before.report
            if known is None or not counts or counts == {known.count_at_end}:
                return ""
            return "the server counts other rows than before, which tells nothing of merged ones: a full sweep does"
        if not counts or there in counts:
            return ""
        return f"the server counts {max(counts):,} rows and the file has {there:,}: a full sweep tells why"

    def _rows_of(self, source: str) -> int:
        older, changes = self._job.older, self.changes
        if older is None:
            return sum(self._spool.kept[name].rows for name in self._walks_of(source))
        if self._job.plan.merge and self._job.form.is_lines:
            # Older lines do not name their source.
            before = older.manifest.sources.get(source)
            return changes.added[source] + (before.rows if before is not None else 0)
        return changes.rows[source]

    def _walks_of(self, source: str) -> list[str]:
        return [name for name, walk in self._job.walks.items() if walk.source == source]

    def state_of_walks(self, source: str) -> State:
        """Tell whether the walks of a source, in this run and earlier ones, gave all requested rows."""
        pager = self._job.plan.pagers[source]
        kept = (self._spool.kept[name] for name in self._walks_of(source))
        return worst(STATES[_complete(one, pager)] for one in kept)


def _complete(kept: Kept, pager: Pager[Any]) -> bool | None:
    """Tell whether all requested rows of a walk are there."""
    if kept.report is None:
        return False
    # Rows that another source has met are merged with its rows. The rest of a cut walk may repeat rows of its own.
    delivered = max(kept.rows, kept.report.rows_placed)
    is_full = pager.max_items is not None and delivered >= pager.max_items
    return True if is_full else kept.report.complete


def _first_date(spool: Spool) -> datetime | None:
    """Give the server's time of the earliest walk's first page; None if it is unknown.

    A walk that read nothing saw nothing new, whenever it began.
    """
    first: dict[str, datetime | None] = {}
    for page in spool.pages:
        first.setdefault(page.walk, page.date)
    known = [date for date in first.values() if date is not None]
    return min(known) if known and len(known) == len(first) else None
