"""Runs an export: walks into the spool, one conversion after it, and a whole file in OUT's place."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async.errors import ExportError, PeriskopeError
from periskope_async.export.checkpoint import Begun, PageWritten
from periskope_async.export.compression import compressor
from periskope_async.export.files import (
    beside,
    checked_target,
    failed,
    open_private,
    put_in_place,
    remove,
    sync,
    write_all,
)
from periskope_async.export.formats import format_of
from periskope_async.export.manifest import Manifest, SourceResult, manifest_path, read_manifest, state_of
from periskope_async.export.plan import Converted, ExportPlan, ExportResult
from periskope_async.export.spool import open_spool
from periskope_async.export.threads import in_thread
from periskope_async.export.walking import fill
from periskope_async.tables.columns import batches_of, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from periskope_async.export.formats import Format
    from periskope_async.export.plan import Progress
    from periskope_async.export.spool import Spool
    from periskope_async.paging.pager import Pager
    from periskope_async.tables.columns import Batch, Table

__all__ = ["export", "export_chats", "run_plan"]


async def export(
    sources: Pager[Any] | Mapping[str, Pager[Any]],
    path: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> ExportResult:
    """Write every row of ``sources`` to ``path``, in the format that its ending names; see :class:`ExportPlan`.

    The file is there when it is whole. Until then ``path.partial`` and ``path.partial.log`` hold what was fetched.
    After a crash, a cancel or an error the same call goes on where it was. All files are readable by their owner only.
    An older file stays until the new one is whole, and keeps its rights. ``path.manifest.json`` tells what the file is.

    Raises ExportError, ConfigError, and what iterating the pager raises. A target that cannot be written is refused
    before the first request. Where one of several sources fails, the others go on, and ``result.failed`` has it.
    """
    return await run_plan(ExportPlan(sources=sources, **settings), path, progress=progress)


export_chats = export


async def run_plan(plan: ExportPlan, path: str | os.PathLike[str], *, progress: Progress | None = None) -> ExportResult:
    """Do what :func:`export` does, for a plan."""
    target = checked_target(path)
    form = format_of(target.name, plan.format)
    pagers = plan.pagers
    await in_thread(_check, form, target)
    begun = Begun(
        list=plan.listing.key,
        sources={name: pager.token for name, pager in pagers.items()},
        codec=form.codec,
        is_repaired=plan.repair_text and form.is_lines,
        is_tagged=form.is_lines and not plan.merge and len(pagers) > 1,
        is_merged=plan.merge,
        started=datetime.now(UTC),
    )
    spool = await _opened(target, begun, restart=plan.restart)
    resumed_rows = spool.rows
    finish = _Finish(plan, form, spool, progress)
    try:
        failures = await _fetch(spool, plan, progress)
        place, manifest = await finish.run(failures)
    except BaseException as error:
        await in_thread(_let_go, spool)
        if isinstance(error, PeriskopeError) and spool.pages:
            error.add_note(
                f"{spool.rows:,} rows are kept in {str(spool.rows_path)!r}; the same command goes on from there"
            )
        raise
    return ExportResult(path=place, manifest=manifest, resumed_rows=resumed_rows)


async def _fetch(spool: Spool, plan: ExportPlan, progress: Progress | None) -> dict[str, Exception]:
    """Fetch what is not in the spool yet. Raises the first error where every source failed."""
    if spool.made is not None:
        return {}
    failures = await fill(spool, plan.pagers, listing=plan.listing, patience=plan.patience, progress=progress)
    if failures and all(kept.report is None for kept in spool.kept.values()):
        raise next(iter(failures.values()))
    return failures


def _check(form: Format, target: Path) -> None:
    form.check()
    read_manifest(target)


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
    """Close a spool; one that holds nothing is taken away."""
    if spool.is_resumed or spool.pages:
        spool.close()
    else:
        spool.discard()


class _Stopped(Exception):  # noqa: N818 - it says what happened
    """The conversion was cancelled."""


class _Finish:
    """Makes the new file from the spool, and puts it in place."""

    def __init__(self, plan: ExportPlan, form: Format, spool: Spool, progress: Progress | None) -> None:
        self._plan = plan
        self._form = form
        self._spool = spool
        self._progress = progress
        self._stop = threading.Event()
        self._new = beside(spool.target, ".partial.new")

    async def run(self, failures: Mapping[str, Exception]) -> tuple[Path, Manifest]:
        """Convert and put in place; a cancel stops the conversion between two batches."""
        running = asyncio.ensure_future(in_thread(self._finish, failures))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait([running])
            running.exception()
            raise

    def _finish(self, failures: Mapping[str, Exception]) -> tuple[Path, Manifest]:
        spool = self._spool
        target = spool.target
        try:
            if spool.made is not None:
                return self._put_in_place(spool.made, self._product_of_made(spool.made))
            product = self._product(is_copy=bool(failures))
            manifest = self._manifest(product, failures)
            if not failures:
                spool.make(manifest)
                return self._put_in_place(manifest, product)
            return self._place_partial(manifest, product)
        except OSError as error:
            remove(self._new)
            raise failed(target, error) from error

    def _product(self, *, is_copy: bool) -> Path:
        """Make the new file, and wait until it is on the disk."""
        spool = self._spool
        if self._form.is_lines and not is_copy:
            if not spool.size and self._form.codec:
                self._write_empty_frame()
            return spool.rows_path
        remove(self._new)
        os.close(open_private(self._new, is_new=True))
        if self._form.is_lines:
            with self._new.open("r+b") as copy, spool.rows_path.open("rb") as rows:
                shutil.copyfileobj(rows, copy)
        else:
            self._convert()
        _sync_file(self._new)
        return self._new

    def _convert(self) -> None:
        plan, spool = self._plan, self._spool
        table = table_of(plan.listing, has_sources=len(spool.kept) > 1 and not plan.merge)
        facts = {
            "list": plan.listing.key,
            "started": spool.begun.started.isoformat(),
            "csv_escape": "true" if plan.csv_escape else "false",
        }
        self._form.writer()(self._new, table, self._batches(table), facts=facts)

    def _batches(self, table: Table) -> Iterator[Batch]:
        done, total = 0, self._spool.rows
        for page, data in self._spool.read():
            for batch in batches_of(table, data.splitlines(), source=page.source):
                if self._stop.is_set():
                    raise _Stopped
                yield batch
                done += len(batch)
            if self._progress is not None:
                self._progress(Converted(done, total))

    def _write_empty_frame(self) -> None:
        """Let a file without rows be one that every reader takes."""
        spool = self._spool
        name, kept = next(iter(spool.kept.items()))
        frame = compressor(self._form.codec)(b"")
        spool.append(PageWritten(source=name, rows=0, bytes=len(frame), token=kept.token), [frame])

    def _product_of_made(self, manifest: Manifest) -> Path | None:
        """Find the file that an earlier run made; None where it is in OUT's place already."""
        product = self._spool.rows_path if self._form.is_lines else self._new
        for path in (product, self._spool.target):
            if path.exists() and path.stat().st_size == manifest.bytes and _sha256(path) == manifest.sha256:
                return None if path == self._spool.target else path
        raise ExportError(
            f"{str(product)!r} is not what an earlier run made of it. Add --restart (restart=True) to begin anew"
        )

    def _put_in_place(self, manifest: Manifest, product: Path | None) -> tuple[Path, Manifest]:
        target = self._spool.target
        if product is not None:
            put_in_place(product, target)
        _write_manifest(target, manifest)
        self._spool.discard()
        return target, manifest

    def _place_partial(self, manifest: Manifest, product: Path) -> tuple[Path, Manifest]:
        """Show what came although a source failed. An older file stays; the same command goes on."""
        target = self._spool.target
        place = target
        if target.exists():
            place = beside(target, ".incomplete")
        put_in_place(product, place)
        _write_manifest(place, manifest)
        self._spool.close()
        return place, manifest

    def _manifest(self, product: Path, failures: Mapping[str, Exception]) -> Manifest:
        spool = self._spool
        sources: dict[str, SourceResult] = {}
        for name, kept in spool.kept.items():
            failure = failures.get(name)
            sources[name] = SourceResult(
                rows=kept.rows,
                state=state_of([_complete(spool, name, max_items=self._plan.pagers[name].max_items)]),
                report=kept.report,
                error=None if failure is None else f"{type(failure).__name__}: {failure}",
            )
        states = {source.state for source in sources.values()}
        return Manifest(
            list=self._plan.listing.key,
            format=self._form.name,
            state="partial" if "partial" in states else "unknown" if "unknown" in states else "whole",
            rows=spool.rows,
            bytes=product.stat().st_size,
            # The rows were hashed while they were written.
            sha256=spool.digest.hexdigest() if self._form.is_lines else _sha256(product),
            started=spool.begun.started,
            finished=datetime.now(UTC),
            query=dict(self._plan.query),
            sources=sources,
            half_emojis=sum(page.half_emojis for page in spool.pages),
            is_merged=spool.begun.is_merged,
        )


def _complete(spool: Spool, name: str, *, max_items: int | None) -> bool | None:
    """Tell whether all rows that were asked for are there, also where several runs fetched them."""
    kept = spool.kept[name]
    report = kept.report
    if report is None:
        return False
    if max_items is not None and kept.rows >= max_items:
        return True
    if report.complete is None:
        # A resumed walk knows nothing of what lies before the cut. The spool does: as many different rows as the server
        # counted from the first page to the last one.
        counts = {page.count for page in spool.pages if page.source == name} | {report.count_at_end}
        return True if counts == {kept.rows} else None
    return report.complete


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        sync(fd)
    finally:
        os.close(fd)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(target: Path, manifest: Manifest) -> None:
    path = manifest_path(target)
    new = beside(path, ".new")
    remove(new)
    fd = open_private(new, is_new=True)
    try:
        write_all(fd, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        sync(fd)
    finally:
        os.close(fd)
    put_in_place(new, path)
