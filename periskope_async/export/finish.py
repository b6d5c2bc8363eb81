"""The end of an export: makes the new file from the spool, and puts it in OUT's place with its manifest."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from periskope_async.callbacks import notify
from periskope_async.compact_keys import CompactKeys
from periskope_async.errors import ExportError
from periskope_async.export.account import Account
from periskope_async.export.checkpoint import PageWritten
from periskope_async.export.compression import compressor, decompressed
from periskope_async.export.files import copy, failed, open_private, put_in_place, remove, sync, write_all, write_json
from periskope_async.export.jsonl import mend_half_emojis, untagged
from periskope_async.export.keys import RowKeys
from periskope_async.export.manifest import Manifest, incomplete_path, manifest_path, read_manifest
from periskope_async.export.older import OVERWRITE, Older, manifest_at, refuse_open_database, sha256
from periskope_async.export.plan import Converted
from periskope_async.export.spool import new_path
from periskope_async.export.threads import to_its_end
from periskope_async.export.update import batches, line_blocks, updated
from periskope_async.tables.columns import ROWS_A_STEP, batches_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from periskope_async.export.formats import Row
    from periskope_async.export.job import Job
    from periskope_async.export.plan import Progress
    from periskope_async.export.spool import Spool
    from periskope_async.tables.columns import Batch

__all__ = ["Finish"]

_ROWS_A_TURN = 1_000
# The default buffer would be filled anew for each few rows.
_READ_BYTES = 256 * 1024


class _Stopped(Exception):  # noqa: N818 - it says what happened
    """The conversion was cancelled."""


class Finish:
    """Makes the new file from the spool, and puts it in place."""

    def __init__(self, job: Job, spool: Spool, progress: Progress | None) -> None:
        self._job = job
        self._spool = spool
        self._progress = progress
        self._stop = threading.Event()
        self._new = new_path(spool.target)
        self._account = Account(job, spool)

    async def run(self, failures: Mapping[str, Exception]) -> tuple[Path, Manifest]:
        """Convert and put in place; a cancel stops the conversion between two batches.

        ``failures`` are the errors of the failed sources.
        """
        return await to_its_end(asyncio.to_thread(self._finish, failures), on_cancel=self._stop.set)

    def _finish(self, failures: Mapping[str, Exception]) -> tuple[Path, Manifest]:
        spool = self._spool
        target = spool.target
        try:
            if spool.made is not None:
                self._check_made(spool.made)
                return self._put_in_place(spool.made, self._product_of_made(spool.made))
            product = self._product(is_copy=bool(failures))
            manifest = self._account.manifest(product, failures)
            if not failures:
                self._check_unchanged()
                spool.make(manifest)
                return self._put_in_place(manifest, product)
            return self._place_partial(manifest, product)
        except OSError as error:
            if spool.made is None:
                remove(self._new)
            raise failed(target, error) from error

    def _check_unchanged(self) -> None:
        """Raise ExportError if another file has come to OUT meanwhile."""
        there, target = self._job.there, self._spool.target
        found = manifest_at(target, self._job.plan.if_exists)
        if found is not None and (there is None or there.sha256 != found.sha256):
            raise ExportError(f"{str(target)!r} is another export than at the start. {OVERWRITE}")

    # -- the new file ----------------------------------------------------------------------------------------------

    def _product(self, *, is_copy: bool) -> Path:
        """Make the new file, and wait until it is on the disk."""
        job, spool = self._job, self._spool
        is_one_to_one = job.form.is_lines and job.older is None and not spool.has_replaced
        if is_one_to_one and not is_copy:
            if not spool.size and job.form.codec:
                self._write_empty_frame()
            return spool.rows_path
        remove(self._new)
        os.close(open_private(self._new, is_new=True))
        if not job.form.is_lines:
            self._convert()
        elif job.older is not None:
            self._write_lines(self._updated_rows(job.older))
        elif is_one_to_one:
            copy(spool.rows_path, self._new)
        else:
            self._write_lines(self._fresh_rows())
        if not self._new.stat().st_size:
            # No reader takes a compressed file of no bytes.
            self._new.write_bytes(compressor(job.form.codec)(b""))
        _sync_file(self._new)
        return self._new

    def _convert(self) -> None:
        job = self._job
        facts = {
            "list": job.plan.listing.key,
            "started": self._spool.begun.started.isoformat(),
            "csv_escape": "true" if job.plan.csv_escape else "false",
        }
        some = self._fresh_batches() if job.older is None else batches(job.table, self._updated_rows(job.older))
        job.form.writer()(self._new, job.table, some, facts=facts)

    def _fresh_batches(self) -> Iterator[Batch]:
        done, total = 0, self._spool.rows
        is_last = self._last_versions()
        # A few rows at a time: those of a whole page, several times over, would take tens of megabytes.
        with self._spool.rows_path.open("rb", buffering=_READ_BYTES) as file:
            for page in self._spool.pages:
                lines = islice(file, page.rows)
                while rows := [line[:-1] for line in islice(lines, ROWS_A_STEP)]:
                    if self._stop.is_set():
                        raise _Stopped
                    last = [row for row in rows if is_last(page, row)]
                    yield from batches_of(self._job.table, last, source=page.walk)
                    done += len(last)
                if self._progress is not None:
                    notify(self._progress, Converted(done, total), name="progress")

    def _write_lines(self, rows: Iterator[Row]) -> None:
        begun = self._spool.begun
        with self._new.open("r+b", buffering=0) as file:
            for block in line_blocks(rows, is_tagged=begun.is_tagged, compress=compressor(begun.codec)):
                write_all(file.fileno(), block)

    def _updated_rows(self, older: Older) -> Iterator[Row]:
        """Give the rows of the updated file."""
        spool, plan = self._spool, self._job.plan
        states = {source: self._account.state_of_walks(source) for source in plan.pagers}
        swept = {source for source, state in states.items() if plan.if_exists == "sweep" and state == "whole"}
        if plan.merge:
            # A row missing from one source may belong to another, and older JSON lines do not name theirs.
            swept = {*swept, ""} if len(swept) == len(states) else set[str]()
        keys = RowKeys(plan.listing, is_merged=plan.merge)
        fresh = spool.rows
        total = fresh + older.manifest.rows
        merged = updated(
            self._fresh_rows(), older.rows(), keys, self._account.changes, swept=swept, now=self._spool.begun.started
        )
        for number, row in enumerate(merged):
            if self._stop.is_set():
                raise _Stopped
            if number >= fresh:
                self._account.older_half_emojis += mend_half_emojis(row[0])[1]
            if self._progress is not None and number % _ROWS_A_TURN == 0:
                notify(self._progress, Converted(number, total), name="progress")
            yield row

    def _fresh_rows(self) -> Iterator[Row]:
        begun, is_last = self._spool.begun, self._last_versions()
        for page, data in self._spool.read():
            if self._stop.is_set():
                raise _Stopped
            source = self._job.walks[page.walk].source
            for line in decompressed(data, begun.codec).splitlines():
                if is_last(page, line):
                    yield (untagged(line)[0] if begun.is_tagged else line), source, None

    def _last_versions(self) -> Callable[[PageWritten, bytes], bool]:
        """Give a function to tell whether a row of a page is the last version of it that came."""
        spool, walks = self._spool, self._job.walks
        if not spool.has_replaced:
            return lambda _page, _row: True
        keys = RowKeys(self._job.plan.listing, is_merged=spool.begun.is_merged)
        newer = CompactKeys(set())
        for page, data in spool.read():
            if self._stop.is_set():
                raise _Stopped
            if page.is_again:
                newer.update(keys.of_lines(walks[page.walk].source, decompressed(data, spool.begun.codec)))
        return lambda page, row: page.is_again or keys.of_row(walks[page.walk].source, row) not in newer

    def _write_empty_frame(self) -> None:
        """Write an empty frame, so that every reader takes a file without rows."""
        spool = self._spool
        name, kept = next(iter(spool.kept.items()))
        frame = compressor(self._job.form.codec)(b"")
        spool.append(PageWritten(walk=name, rows=0, bytes=len(frame), token=kept.token), [frame])

    # -- in OUT's place --------------------------------------------------------------------------------------------

    def _check_made(self, made: Manifest) -> None:
        """Raise ExportError if the file made by an earlier run is not as asked for."""
        plan, form = self._job.plan, self._job.form
        if (made.format, made.csv_escape) != (form.name, plan.csv_escape):
            escape = "" if made.csv_escape == plan.csv_escape else f" with csv_escape={made.csv_escape}"
            raise ExportError(
                f"an earlier run made {str(self._spool.target)!r} as {made.format}{escape}, and has only to put it in "
                "place. Run that one again, or add --restart (restart=True) to begin anew"
            )

    def _product_of_made(self, manifest: Manifest) -> Path | None:
        """Find the file made by an earlier run; None if it is in OUT's place already."""
        target = self._spool.target
        for path in (self._new, self._spool.rows_path, target):
            if path.exists() and path.stat().st_size == manifest.bytes and sha256(path) == manifest.sha256:
                return None if path == target else path
        raise ExportError(
            f"what an earlier run made for {str(target)!r} was changed or is gone. Add --restart (restart=True) to "
            "begin anew"
        )

    def _put_in_place(self, manifest: Manifest, product: Path | None) -> tuple[Path, Manifest]:
        target = self._spool.target
        self._spool.close_rows()
        if product is not None:
            self._replace(target, product)
        write_json(manifest_path(target), manifest)
        _remove_incomplete(target)
        self._spool.discard()
        return target, manifest

    def _replace(self, place: Path, product: Path) -> None:
        form = self._job.form
        if self._job.plan.if_exists == "overwrite":
            for log in form.logs_of(place):
                remove(log)
        refuse_open_database(place, form)
        put_in_place(product, place)

    def _place_partial(self, manifest: Manifest, product: Path) -> tuple[Path, Manifest]:
        """Put in place the rows of the other sources if one failed. An older file stays; the same command goes on."""
        target = self._spool.target
        place = target
        if target.exists():
            place = incomplete_path(target)
        self._replace(place, product)
        write_json(manifest_path(place), manifest)
        self._spool.close()
        return place, manifest


def _sync_file(path: Path) -> None:
    # Windows syncs no file that is open to read only.
    fd = os.open(path, os.O_RDWR)
    try:
        sync(fd)
    finally:
        os.close(fd)


def _remove_incomplete(target: Path) -> None:
    """Remove the incomplete file of an earlier run."""
    with suppress(ExportError):
        if read_manifest(incomplete_path(target)) is not None:
            remove(incomplete_path(target))
            remove(manifest_path(incomplete_path(target)))
