"""Walks over the sources of an export into its spool: side by side, patient, and each row once."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.callbacks import notify
from periskope_async.client.base import ListPager
from periskope_async.compact_keys import CompactKeys
from periskope_async.errors import ConfigError, ExportError, PaginationError, PeriskopeError, WaitTooLong
from periskope_async.events import PageRead
from periskope_async.export.checkpoint import PageWritten
from periskope_async.export.compression import compressor, decompressed
from periskope_async.export.jsonl import line_blocks, mend_half_emojis, tagged
from periskope_async.export.keys import RowKeys
from periskope_async.export.older import OVERWRITE
from periskope_async.export.plan import Fetched
from periskope_async.export.threads import in_thread
from periskope_async.newest_first import is_known_ground
from periskope_async.retry import is_passing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from periskope_async.events import Event
    from periskope_async.export.plan import Progress
    from periskope_async.export.spool import Spool
    from periskope_async.paging.page import Page
    from periskope_async.paging.pager import Pager
    from periskope_async.paging.report import WalkReport
    from periskope_async.wire.listing import Listing

__all__ = ["SourceWalk", "fill"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0


class SourceWalk(Struct):
    """One walk of an export."""

    pager: Pager[Any]
    source: str
    """The source of its rows."""
    until: float | None = None
    """The sort time (Unix seconds) up to which an older export has the rows. The walk, newest first, ends there."""
    behind_undated: Pager[Any] | None = None
    """The same walk from near the end of the rows without a time, if they stand first."""


async def fill(
    spool: Spool,
    walks: Mapping[str, SourceWalk],
    *,
    listing: Listing[Any],
    patience: float,
    org_id: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Exception]:
    """Take every unfinished walk to its end. Give the errors of the failed ones, by the walk's name.

    A failed walk does not stop the others. A failed disk stops them all: raises ExportError. So does an answer of
    another organisation than ``org_id``, the owner of the file at OUT.
    """
    rows = _Rows(spool, walks, listing, progress, org_id)
    await in_thread(rows.recall)
    names = [name for name, kept in spool.kept.items() if kept.report is None]
    failures: dict[str, Exception] = {}

    async def walk(name: str) -> None:
        try:
            await _walk(name, walks[name], rows, patience=patience)
        except ExportError:
            raise
        except PeriskopeError as error:
            # Rows of another organisation look like a list that has changed too much to go on.
            rows.check_owner(error.org_id)
            failures[name] = error

    try:
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(walk(name))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return failures


async def _walk(name: str, walk: SourceWalk, rows: _Rows, *, patience: float) -> None:
    if rows.spool.kept[name].token != walk.pager.token:
        if await _read_rest(name, walk, rows, patience=patience):
            return
    elif walk.behind_undated is not None and await _read_to_end(
        name, walk, walk.behind_undated, rows, patience=patience, is_first_undated=True
    ):
        return
    await _read_to_end(name, walk, walk.pager, rows, patience=patience)


async def _read_rest(name: str, walk: SourceWalk, rows: _Rows, *, patience: float) -> bool:
    """Go on with a walk that was cut. False if it has to be read once more from its head."""
    spool, pager = rows.spool, walk.pager
    kept = spool.kept[name]
    try:
        rest = pager.resuming(kept.token)
    except ConfigError as error:
        raise ExportError(f"the checkpoint of {str(spool.rows_path)!r} is damaged: {error}") from error
    try:
        report = await _read(name, walk, rest, rows, patience=patience)
    except PaginationError as error:
        rows.check_owner()
        if pager.max_items is not None:
            # With the other rows from the head there would be too many.
            error.add_note("where that stays so, add --restart (restart=True) to begin anew")
            raise
        # The list may have changed too much since the cut. A server to blame for it fails the walk below as well.
        logger.warning("%s is read once more from its head: %s", name or "the list", error)
        report = None
    if report is not None and walk.until is None and pager.options.consistency == "exact":
        # The rest does not know what was read before the cut.
        if _is_proven_by_counts(spool, name, pager, report):
            report = replace(report, complete=True, why="as many rows came, over all runs, as the server counts")
        elif pager.max_items is None and not kept.is_again:
            # Once is enough: a process with little time would never come to an end.
            report = None
    if report is None:
        await in_thread(spool.begin_again, name)
        return False
    await in_thread(spool.end, name, report)
    return True


def _is_proven_by_counts(spool: Spool, name: str, pager: Pager[Any], report: WalkReport) -> bool:
    """Whether the rows of all runs are as many as the server counts, and none can have moved past a cut."""
    kept = spool.kept[name]
    counts = {page.count for page in spool.pages if page.walk == name} | {report.count_at_end}
    has_moved = kept.dropped or report.duplicates or report.inserted or report.removed or report.steps_back
    sort = pager.query.sort if isinstance(pager, ListPager) else None
    # Between two runs any number of rows may have come, left, and changed places where the sort key lets them.
    return counts == {kept.rows} and not has_moved and sort is not None and not sort.can_move_anywhere


async def _read_to_end(
    name: str, walk: SourceWalk, pager: Pager[Any], rows: _Rows, *, patience: float, is_first_undated: bool = False
) -> bool:
    """Read a walk, and note its end. False, with nothing kept, if its first row should have no time but has one."""
    report = await _read(name, walk, pager, rows, patience=patience, is_first_undated=is_first_undated)
    if report is not None:
        await in_thread(rows.spool.end, name, report)
    return report is not None


async def _read(
    name: str, walk: SourceWalk, pager: Pager[Any], rows: _Rows, *, patience: float, is_first_undated: bool = False
) -> WalkReport | None:
    """Read a walk into the spool. None, with nothing kept, if its first row should have no time but has one."""
    async with pager.raw(hooks=[rows.hear]) as raw:
        report: WalkReport | None = None
        async for page in _patiently(raw.pages(), patience):
            if is_first_undated and page.sort_time(0) is not None:
                return None
            is_first_undated = False
            await rows.append(name, page, raw.token)
            if walk.until is not None and is_known_ground(page, watermark=walk.until):
                report = raw.report
                report.why = "it came to rows that the file has"
                break
            # Its memory serves the next one.
            del page
        rows.check_owner()
        return report or raw.report


async def _patiently(pages: AsyncIterator[T], patience: float) -> AsyncIterator[T]:
    """Give the pages. After the first one, a lost server or a closed limit is awaited for max ``patience`` seconds."""
    loop = asyncio.get_running_loop()
    gone_since: float | None = None
    wait = _FIRST_WAIT
    has_met_one = False
    while True:
        try:
            page = await anext(pages)
        except StopAsyncIteration:
            return
        except PeriskopeError as error:
            now = loop.time()
            gone_since = now if gone_since is None else gone_since
            may_pass = is_passing(error) or isinstance(error, WaitTooLong)
            if not has_met_one or not may_pass or now + wait > gone_since + patience:
                raise
            left = gone_since + patience - now
            logger.warning("the next page does not come (%s); trying again for %.0f s more", error, left)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
            continue
        has_met_one, gone_since, wait = True, None, _FIRST_WAIT
        yield page
        del page


class _Rows:
    """Puts pages into the spool, without the rows in it already."""

    def __init__(
        self,
        spool: Spool,
        walks: Mapping[str, SourceWalk],
        listing: Listing[Any],
        progress: Progress | None,
        org_id: str | None,
    ) -> None:
        self.spool = spool
        self._sources = {name: walk.source for name, walk in walks.items()}
        self._keys = RowKeys(listing, is_merged=spool.begun.is_merged)
        self._progress = progress
        self._compress = compressor(spool.begun.codec)
        self._lock = asyncio.Lock()
        # A walk gives each row once. Several walks may repeat rows, so their rows are remembered.
        self._known: CompactKeys | None = None
        # What a walk gives once more from its head is newer than what is known.
        self._known_again = CompactKeys(set())
        self._owner_of_file = org_id
        self._owner_of_key: str | None = None

    def recall(self) -> None:
        """Check the spool of earlier runs, and remember its rows."""
        self.check_owner()
        begun = self.spool.begun
        if not (begun.is_merged or self.spool.pages or len(set(self._sources.values())) < len(self._sources)):
            return
        self._known = CompactKeys(set())
        for page, data in self.spool.read():
            keys = self._keys.of_lines(self._sources[page.walk], decompressed(data, begun.codec))
            if page.is_again:
                self._known_again.update(keys)
                keys = [key for key in keys if key not in self._known]
            self._known.update(keys)

    async def append(self, name: str, page: Page[bytes], token: str) -> None:
        """Put one page of a walk into the spool."""
        async with self._lock:
            self.check_owner()
            await in_thread(self._write, name, page, token)

    def hear(self, event: Event) -> None:
        """Learn the owner of the key from a page read, even from one without rows."""
        if isinstance(event, PageRead):
            self._owner_of_key = event.meta.org_id or self._owner_of_key

    def check_owner(self, said: str | None = None) -> None:
        """Raise ExportError if key, spool and file at OUT are known to be of several organisations.

        ``said`` is the owner of the key by another answer than a page.
        """
        key = self._owner_of_key = said or self._owner_of_key
        spool, file = self.spool.org_id, self._owner_of_file
        rows, out = str(self.spool.rows_path), str(self.spool.target)
        if spool and key and spool != key:
            raise ExportError(
                f"{rows!r} is of the organisation {spool}, and this key is of {key}. Use its key again, or add "
                "--restart (restart=True) to begin anew"
            )
        if file and (other := key or spool) and file != other:
            whose = "this key" if key else repr(rows)
            raise ExportError(
                f"{out!r} is an export of the organisation {file}, and {whose} is of {other}. {OVERWRITE}"
            )

    def _write(self, name: str, page: Page[bytes], token: str) -> None:
        begun, known = self.spool.begun, self._known
        is_again = self.spool.kept[name].is_again
        rows: Sequence[bytes] = page.items
        taken: dict[int, bytes] = {}
        replacing: dict[int, bytes] = {}
        if known is not None:
            taken = self._new(self._sources[name], page, self._known_again if is_again else known)
            replacing = {key: row for key, row in taken.items() if key in known} if is_again else {}
            rows = [*taken.values()]
        if begun.is_tagged:
            rows = tagged(rows, {"_source": self._sources[name]})
        blocks = line_blocks(rows)
        mended = [mend_half_emojis(block) for block in blocks]
        half_emojis = sum(count for _, count in mended) - mend_half_emojis(b"".join(replacing.values()))[1]
        if begun.is_repaired:
            blocks = [block for block, _ in mended]
        if begun.codec and rows:
            blocks = [self._compress(b"".join(blocks))]
        server_time = page.meta.rate_limit.server_time
        written = PageWritten(
            walk=name,
            rows=len(rows),
            dropped=len(page.items) - len(rows),
            replaced=len(replacing),
            is_again=is_again,
            bytes=sum(map(len, blocks)),
            token=token,
            count=page.count,
            half_emojis=half_emojis,
            org_id=page.meta.org_id,
            date=None if server_time is None else datetime.fromtimestamp(server_time, UTC),
        )
        self.spool.append(written, blocks)
        # A row that found no room is still to come: the page behind it may find some.
        if known is not None:
            known.update(taken.keys() - replacing.keys())
        if is_again:
            self._known_again.update(taken)
        if self._progress is not None:
            fetched = Fetched(name, self.spool.kept[name].rows, page.count, self.spool.size)
            notify(self._progress, fetched, name="progress")

    def _new(self, source: str, page: Page[bytes], known: CompactKeys) -> dict[int, bytes]:
        rows = {self._keys.of_identity(source, page.identity(index)): row for index, row in enumerate(page.items)}
        return {key: row for key, row in rows.items() if key not in known}
