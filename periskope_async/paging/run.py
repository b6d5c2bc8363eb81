"""One run of a walk: pages fetched at once, delivered in order, and nothing left behind when it ends early."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from msgspec import Struct

from periskope_async.errors import ClosedError, PaginationError, ValidationError, WrongLoopError
from periskope_async.events import PageRead, announce
from periskope_async.paging.ask import Answered, Ask
from periskope_async.paging.token import mark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from periskope_async.events import Hook
    from periskope_async.meta import ResponseMeta
    from periskope_async.paging.token import Place
    from periskope_async.paging.walk import Walk

__all__ = ["FetchedPage", "Page", "Source", "WalkRun"]

T = TypeVar("T")

# Decoded rows take several times the bytes they came in; what is out at once stays far from the memory's end.
_MOST_BYTES_AHEAD = 64 * 1024 * 1024
_MOST_PAGES_AHEAD = 256


class FetchedPage(Struct, Generic[T], frozen=True):
    """A page as it came."""

    rows: Sequence[T]
    identities: Sequence[tuple[str, str | None]]
    """What tells each row from the others: ``chat_id`` and ``org_phone``, since no document says whether a chat on two
    phones is one row or two."""
    count: int | None
    first_index: int | None
    meta: ResponseMeta
    is_all: bool
    """Whether this is known to be everything: the one chat that was asked for by its id."""
    sort_time: Callable[[int], float | None]
    """Reads a row's sort time in Unix seconds; called for the few rows where it matters."""


class Source(Protocol[T]):
    """Where pages come from: the client, bound to one query."""

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool) -> FetchedPage[T]:
        """Fetch one page; retries and the limit are its own business."""
        ...

    def requests_per_second(self) -> float:
        """Tell what the limit allows, as well as it is known."""
        ...


class Page(Struct, Generic[T], frozen=True):
    """The rows of one answer that had not been met before, in order."""

    items: Sequence[T]
    offset: int
    """Where the page lay when it was asked for, counted from 0."""
    count: int | None
    """The server's count of all rows, where it gave one: a plan, never a promise."""
    meta: ResponseMeta
    identities: Sequence[tuple[str, str | None]]
    """``(chat_id, org_phone)`` of each item."""
    ends: Sequence[int] | None
    """One past each item's place in the list; None for rows caught up behind the reader."""


class WalkRun(Generic[T]):
    """Drives one :class:`Walk` over a source.

    A cancel of :meth:`next_page` cancels what is out and loses nothing: the walk asks for it again when it goes on.
    """

    def __init__(
        self,
        walk: Walk,
        source: Source[T],
        *,
        prefetch: int | None,
        hooks: Sequence[Hook] = (),
        resume: Place | None = None,
    ) -> None:
        self.walk = walk
        self._source = source
        self._prefetch = prefetch
        self._hooks = hooks
        self._marks = frozenset(resume.tail) if resume is not None else frozenset[str]()
        self._out: deque[tuple[Ask, asyncio.Task[FetchedPage[T]]]] = deque()
        self._latency = 0.0
        self._page_bytes = 0
        self._began: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def next_page(self) -> Page[T] | None:
        """Give the next page that holds new rows, or None when the walk is over.

        Raises what fetching raises; a further call tries the same page again.
        """
        if self._is_closed:
            raise ClosedError("the pager was closed; iterate over it anew")
        loop = asyncio.get_running_loop()
        if self._began is None or self._loop is None:
            self._began, self._loop = loop.time(), loop
        elif self._loop is not loop:
            raise WrongLoopError("this walk was begun in another event loop; keep pager.token, and resume from it here")
        while not self.walk.is_over:
            self._fill()
            ask, task = self._out[0]
            try:
                # Unlike awaiting the task itself, this leaves it whole when the caller is cancelled.
                await asyncio.wait((task,))
                fetched = task.result()
            except ValidationError as error:
                await self._drop()
                if "limit" not in error.fields or not self.walk.halve_page(ask):
                    raise
                continue
            except BaseException:
                await self._drop()
                raise
            self._out.popleft()
            page = await self._place(ask, fetched, loop.time() - self._began)
            if page is not None:
                if self._depth() > 1:
                    # The next pages are on their way while the caller works on this one.
                    self._fill()
                return page
        return None

    async def close(self) -> None:
        """Cancel what is out and wait until it has let go of its connections."""
        self._is_closed = True
        await self._drop()

    def abandon(self) -> None:
        """Cancel what is out without waiting: for a run that nobody holds any more."""
        for _, task in self._out:
            # A task of a loop that has ended cannot be cancelled, and need not be.
            if not task.get_loop().is_closed():
                task.cancel()
        self._out.clear()

    def _fill(self) -> None:
        depth = self._depth()
        while (ask := self.walk.next_ask(depth)) is not None:
            fetching = self._source.fetch(offset=ask.offset, limit=ask.limit, is_reversed=ask.is_reversed)
            task = asyncio.create_task(fetching, name=f"periskope page at {ask.offset}")
            task.add_done_callback(_note_error)
            self._out.append((ask, task))

    def _depth(self) -> int:
        """How many pages to have out at once: what the limit allows during one answer (Little's law), and a spare."""
        if self._prefetch is not None:
            return self._prefetch
        wanted = math.ceil(self._source.requests_per_second() * self._latency) + 1
        affordable = _MOST_BYTES_AHEAD // max(1, self._page_bytes)
        return max(1, min(wanted, affordable, _MOST_PAGES_AHEAD))

    async def _place(self, ask: Ask, fetched: FetchedPage[T], seconds: float) -> Page[T] | None:
        walk, meta, identities = self.walk, fetched.meta, fetched.identities
        self._learn(meta, seconds)
        try:
            fresh = walk.place(
                ask,
                Answered(
                    keys=[hash(identity) for identity in identities],
                    count=fetched.count,
                    first_index=fetched.first_index,
                    is_all=fetched.is_all,
                    resumed_after=self._find_cut(identities) if walk.is_resuming else None,
                    time_of=fetched.sort_time,
                    date=meta.rate_limit.server_time,
                ),
            )
        except PaginationError as error:
            error.meta = meta
            await self._drop()
            raise
        if walk.must_restart or walk.is_over:
            await self._drop()
        announce(
            self._hooks,
            PageRead(
                offset=ask.offset,
                rows=len(identities),
                placed=len(fresh),
                delivered=walk.report.rows_placed,
                count=fetched.count,
                meta=meta,
            ),
        )
        if not fresh:
            return None
        is_whole = len(fresh) == len(fetched.rows)
        return Page(
            items=fetched.rows if is_whole else [fetched.rows[index] for index in fresh],
            offset=ask.offset,
            count=fetched.count,
            meta=meta,
            identities=identities if is_whole else [identities[index] for index in fresh],
            ends=None if ask.is_behind else [ask.offset + index + 1 for index in fresh],
        )

    def _learn(self, meta: ResponseMeta, seconds: float) -> None:
        report = self.walk.report
        report.requests += meta.attempts
        report.bytes += meta.body_bytes
        report.bytes_saved += meta.bytes_saved
        report.not_modified += meta.bytes_saved > 0
        report.seconds = seconds
        report.seconds_waited += meta.waited
        self._latency = meta.seconds if not self._latency else 0.7 * self._latency + 0.3 * meta.seconds
        # A page that was not sent again takes as much memory when it is read.
        self._page_bytes = max(self._page_bytes, meta.body_bytes + meta.bytes_saved)

    def _find_cut(self, identities: Sequence[tuple[str, str | None]]) -> int | None:
        """Find the last row on the page that the token names."""
        for index in range(len(identities) - 1, -1, -1):
            if mark(identities[index]) in self._marks:
                return index
        return None

    async def _drop(self) -> None:
        """Cancel what is out, and tell the walk to ask for it again."""
        self.walk.drop_asked()
        tasks = [task for _, task in self._out]
        self._out.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _note_error(task: asyncio.Task[FetchedPage[T]]) -> None:
    """Keep asyncio from complaining of an error on a page that nobody came to read any more."""
    if not task.cancelled():
        task.exception()
