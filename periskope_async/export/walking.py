"""Walks over the sources of an export into its spool: side by side, patient, and each row once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from periskope_async.decoding.body import has_surrogate, mend_escapes
from periskope_async.errors import APIError, ConfigError, ExportError, PeriskopeError, TransportError
from periskope_async.export.checkpoint import PageWritten
from periskope_async.export.compression import compressor, decompressed
from periskope_async.export.jsonl import line_blocks, tagged
from periskope_async.export.plan import Fetched
from periskope_async.export.threads import in_thread
from periskope_async.retry import RETRYABLE_STATUSES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from periskope_async.export.plan import Progress
    from periskope_async.export.spool import Spool
    from periskope_async.paging.pager import Pager
    from periskope_async.paging.run import Page
    from periskope_async.wire.listing import Listing

__all__ = ["fill"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0


async def fill(
    spool: Spool,
    pagers: Mapping[str, Pager[Any]],
    *,
    listing: Listing[Any],
    patience: float,
    until: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Exception]:
    """Walk over every source that has not ended yet. Give the errors of those that failed.

    A source that fails does not stop the others, but a disk that fails stops them all: raises ExportError.
    """
    rows = _Rows(spool, listing, progress)
    await in_thread(rows.recall)
    names = [name for name, kept in spool.kept.items() if kept.report is None]
    failures: dict[str, Exception] = {}

    async def walk(name: str) -> None:
        try:
            await _walk(name, pagers[name], rows, patience=patience, until=until)
        except ExportError:
            raise
        except PeriskopeError as error:
            failures[name] = error

    try:
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(walk(name))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return failures


async def _walk(name: str, pager: Pager[Any], rows: _Rows, *, patience: float, until: float | None) -> None:
    spool = rows.spool
    kept = spool.kept[name]
    try:
        raw = (pager.resuming(kept.token) if kept.token != pager.token else pager).raw()
    except ConfigError as error:
        raise ExportError(f"the checkpoint of {str(spool.rows_path)!r} is damaged: {error}") from error
    async with raw:
        async for page in _patiently(raw.pages(), patience):
            await rows.append(name, page, raw.token)
            if until is not None and _is_known_ground(page, until):
                break
        await in_thread(spool.end, name, raw.report)


def _is_known_ground(page: Page[bytes], until: float) -> bool:
    """Whether a list that is newest first has come to rows that an older export has."""
    time = page.sort_time(len(page.items) - 1) if page.items else None
    return time is not None and time < until


async def _patiently(pages: AsyncIterator[T], patience: float) -> AsyncIterator[T]:
    """Give the pages. Once there was one, a server that is gone is waited for, ``patience`` seconds at most."""
    loop = asyncio.get_running_loop()
    gone_since: float | None = None
    wait = _FIRST_WAIT
    has_met_one = False
    while True:
        try:
            page = await anext(pages)
        except StopAsyncIteration:
            return
        except (TransportError, APIError) as error:
            now = loop.time()
            gone_since = now if gone_since is None else gone_since
            if not has_met_one or not _is_passing(error) or now + wait > gone_since + patience:
                raise
            left = gone_since + patience - now
            logger.warning("the server cannot be reached (%s); trying again for %.0f s more", error, left)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
            continue
        has_met_one, gone_since, wait = True, None, _FIRST_WAIT
        yield page


def _is_passing(error: PeriskopeError) -> bool:
    if isinstance(error, TransportError):
        return error.retryable
    return isinstance(error, APIError) and error.status in RETRYABLE_STATUSES


class _Rows:
    """Puts pages into the spool, without the rows that are in it already."""

    def __init__(self, spool: Spool, listing: Listing[Any], progress: Progress | None) -> None:
        self.spool = spool
        self._identity = listing.identity
        self._progress = progress
        self._compress = compressor(spool.begun.codec)
        self._lock = asyncio.Lock()
        # A walk gives each row once; what several walks gave has to be remembered.
        self._known: set[int] | None = None
        self._org_id = next((page.org_id for page in spool.pages if page.org_id), None)

    def recall(self) -> None:
        """Check what earlier runs wrote, and remember its rows."""
        begun = self.spool.begun
        if begun.is_merged or self.spool.pages:
            self._known = set()
        if self._known is None:
            return
        decoder = _identities(self._identity)
        for page, data in self.spool.read():
            for row in decompressed(data, begun.codec).splitlines():
                self._known.add(self._key(page.source, _identity_of(decoder, row)))

    async def append(self, source: str, page: Page[bytes], token: str) -> None:
        """Put one page into the spool."""
        async with self._lock:
            org_id = page.meta.org_id
            if org_id and self._org_id and org_id != self._org_id:
                raise ExportError(
                    f"{str(self.spool.rows_path)!r} is of the organisation {self._org_id}, and this key is of "
                    f"{org_id}. Use its key again, or add --restart (restart=True) to begin anew"
                )
            self._org_id = self._org_id or org_id
            await in_thread(self._write, source, page, token)

    def _write(self, source: str, page: Page[bytes], token: str) -> None:
        begun = self.spool.begun
        rows = self._new(source, page)
        if begun.is_tagged:
            rows = tagged(rows, {"_source": source})
        blocks = line_blocks(rows)
        mended = [_mended(block) for block in blocks]
        half_emojis = sum(count for _, count in mended)
        if begun.is_repaired:
            blocks = [block for block, _ in mended]
        if begun.codec and rows:
            blocks = [self._compress(b"".join(blocks))]
        written = PageWritten(
            source=source,
            rows=len(rows),
            bytes=sum(map(len, blocks)),
            token=token,
            count=page.count,
            half_emojis=half_emojis,
            org_id=page.meta.org_id,
        )
        self.spool.append(written, blocks)
        if self._progress is not None:
            self._progress(Fetched(source, self.spool.kept[source].rows, page.count, self.spool.size))

    def _new(self, source: str, page: Page[bytes]) -> Sequence[bytes]:
        known = self._known
        if known is None:
            return page.items
        new: list[bytes] = []
        for index, row in enumerate(page.items):
            key = self._key(source, page.identity(index))
            if key not in known:
                known.add(key)
                new.append(row)
        return new

    def _key(self, source: str, identity: Iterable[str | None]) -> int:
        return hash((*identity,) if self.spool.begun.is_merged else (source, *identity))


def _mended(lines: bytes) -> tuple[bytes, int]:
    """Replace half emojis by U+FFFD; give how many there were."""
    if not has_surrogate(lines):
        return lines, 0
    mended = bytes(mend_escapes(lines))
    return mended, mended.count(b"\\ufffd") - lines.count(b"\\ufffd")


def _identities(names: tuple[str, ...]) -> msgspec.json.Decoder[Struct]:
    return msgspec.json.Decoder(msgspec.defstruct("Identity", [(name, Any, None) for name in names]))


def _identity_of(decoder: msgspec.json.Decoder[Struct], row: bytes) -> tuple[str | None, ...]:
    values = msgspec.structs.astuple(decoder.decode(mend_escapes(row)))
    return tuple([str(value) if value not in {None, ""} else None for value in values])
