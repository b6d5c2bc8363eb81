"""Runs an export: walks into the spool, one conversion after it, and a whole file in OUT's place."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from periskope_async.errors import PeriskopeError
from periskope_async.export.checkpoint import Begun
from periskope_async.export.files import checked_target
from periskope_async.export.finish import Finish
from periskope_async.export.formats import format_of
from periskope_async.export.job import Job
from periskope_async.export.older import is_of_spool, older_export, whole_one, why_anew
from periskope_async.export.plan import ExportPlan, ExportResult, ExportSettings
from periskope_async.export.spool import is_same, open_spool
from periskope_async.export.threads import in_thread
from periskope_async.export.update import walks_of
from periskope_async.export.walking import fill
from periskope_async.tables.columns import table_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Unpack

    from periskope_async.export.plan import Progress
    from periskope_async.export.spool import Spool
    from periskope_async.export.walking import SourceWalk
    from periskope_async.paging.pager import Pager

__all__ = ["export", "export_chats", "run_plan"]

logger = logging.getLogger(__name__)


async def export(
    sources: Pager[Any] | Mapping[str, Pager[Any]],
    path: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **settings: Unpack[ExportSettings],
) -> ExportResult:
    """Write every row of ``sources`` to ``path``, in the format of its ending; see :class:`ExportPlan`.

    The file is there once it is whole. Until then ``path.partial`` and ``path.partial.log`` hold the fetched rows.
    The same call goes on from there after a crash, a cancel or an error. All files are readable by their owner only.
    An older file stays until the new one is whole, and keeps its rights. ``path.manifest.json`` describes the file.

    Raises ExportError, ConfigError, and the errors of iterating the pager. An unwritable target is refused before the
    first request. The others go on if one of several sources fails, and ``result.failed`` names it.
    """
    if unknown := [name for name in settings if name not in ExportSettings.__annotations__]:
        # The plan's own error would name neither this function nor what it takes.
        raise TypeError(
            f"export() got an unexpected keyword argument {unknown[0]!r}; "
            f"it takes {', '.join(['progress', *ExportSettings.__annotations__])}"
        )
    return await run_plan(ExportPlan(sources=sources, **settings), path, progress=progress)


export_chats = export


async def run_plan(plan: ExportPlan, path: str | os.PathLike[str], *, progress: Progress | None = None) -> ExportResult:
    """Do the work of :func:`export`, for a plan."""
    target = checked_target(path)
    job = await in_thread(_job_of, plan, target)
    if job.plan.restart and not plan.restart:
        # The rows of the earlier run stay until the server is known to answer.
        await _first_answer(job.plan)
    spool = await _opened(target, job.begun, restart=job.plan.restart)
    if job.warning:
        logger.warning("an earlier run to %r was broken off: %s", str(target), job.warning)
    resumed_rows = spool.rows
    finish = Finish(job, spool, progress)
    try:
        failures = await _fetch(spool, job, progress)
        place, manifest = await finish.run(failures)
    except BaseException as error:
        await in_thread(_let_go, spool)
        if isinstance(error, PeriskopeError) and spool.rows:
            error.add_note(
                f"{spool.rows:,} rows are kept in {str(spool.rows_path)!r}; the same command goes on from there"
            )
        raise
    return ExportResult(path=place, manifest=manifest, resumed_rows=resumed_rows)


def _job_of(plan: ExportPlan, target: Path) -> Job:
    """Work out the job. Raises ConfigError, and ExportError if the file at OUT must not be lost."""
    form = format_of(target.name, plan.format)
    form.check(target)
    table = table_of(plan.listing, has_sources=len(plan.pagers) > 1 and not plan.merge)
    # A whole new file only has to be put in place. The file at OUT may be that one.
    whole = None if plan.restart else whole_one(target)
    there = older_export(plan, form, table, target) if whole is None else None
    is_own = there is not None and not plan.restart and is_of_spool(target, there.manifest)
    older = there if plan.is_update and not is_own else None
    base = whole.base if whole is not None else older.manifest.sha256 if older is not None else ""
    walks = walks_of(plan, older, is_update=bool(base))
    begun = Begun(
        list=plan.listing.key,
        walks=_tokens(walks),
        codec=form.codec,
        is_repaired=plan.repair_text and form.is_lines,
        is_tagged=form.is_lines and not plan.merge and len(plan.pagers) > 1,
        is_merged=plan.merge,
        base=base,
        started=datetime.now(UTC),
    )
    warning = ""
    if plan.is_update and not plan.restart:
        other_walks = walks_of(_other_mode(plan), None, is_update=bool(base))
        twin = replace(begun, walks=_tokens(other_walks))
        # The walks of a list without an order do not tell a sweep from an update.
        is_other = plan.if_exists == "sweep" or twin.walks != begun.walks
        if whole is not None and base and is_other and is_same(whole, twin):
            begun, walks = twin, other_walks
            warning = f"its file is put in place. Run this {plan.if_exists} again to have it done"
        elif why := why_anew(plan, target, begun, twin):
            return replace(_job_of(replace(plan, restart=True), target), warning=f"this one begins anew, as {why}")
    return Job(plan, form, table, older, there.manifest if there is not None else None, walks, begun, warning)


async def _first_answer(plan: ExportPlan) -> None:
    """Ask for one row. Raises the error of the last source if none answers."""
    failures: list[PeriskopeError] = []
    for pager in plan.pagers.values():
        try:
            await pager.first()
        except PeriskopeError as error:
            failures.append(error)
        else:
            return
    raise failures[-1]


def _other_mode(plan: ExportPlan) -> ExportPlan:
    """Give a sweep for an update, and an update for a sweep."""
    return replace(plan, if_exists="sweep" if plan.if_exists == "update" else "update")


def _tokens(walks: Mapping[str, SourceWalk]) -> dict[str, str]:
    return {name: walk.pager.token for name, walk in walks.items()}


async def _fetch(spool: Spool, job: Job, progress: Progress | None) -> dict[str, Exception]:
    """Fetch the rows missing from the spool. Give the errors by source; raises the first if every source failed."""
    if spool.made is not None:
        return {}
    failures = await fill(
        spool,
        job.walks,
        listing=job.plan.listing,
        patience=job.plan.patience,
        org_id=job.there.org_id if job.there is not None else None,
        progress=progress,
    )
    failed_sources = {job.walks[name].source: failure for name, failure in failures.items()}
    if len(failed_sources) == len(job.plan.pagers):
        raise next(iter(failures.values()))
    return failed_sources


async def _opened(target: Path, begun: Begun, *, restart: bool) -> Spool:
    """Open the spool in a thread; a cancel meanwhile leaves it as it was."""
    opened: list[Spool] = []
    try:
        await in_thread(lambda: opened.append(open_spool(target, begun, restart=restart)))
    except asyncio.CancelledError:
        for spool in opened:
            _let_go(spool)
        raise
    return opened[0]


def _let_go(spool: Spool) -> None:
    """Close a spool; an empty one is removed."""
    if spool.is_resumed or spool.pages:
        spool.close()
    else:
        spool.discard()
