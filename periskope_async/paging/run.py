"""One run of a walk: pages fetched at once and delivered in order, with no task left when it ends early.

A waiting page stays bytes, and is decoded when it is next. Bytes take a third of the memory of decoded rows, and the
garbage collector need not look at them.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from periskope_async.errors import (
    BodyError,
    ClosedError,
    PaginationError,
    ServerError,
    TimeoutError_,
    ValidationError,
    WrongLoopError,
)
from periskope_async.events import PageRead, announce
from periskope_async.paging.depth import Depth
from periskope_async.turns import give_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.events import Hook
    from periskope_async.meta import ResponseMeta
    from periskope_async.paging.page import Ask, Page, Source, UnreadPage
    from periskope_async.paging.walk import Walk

__all__ = ["WalkRun"]

T = TypeVar("T")


class WalkRun(Generic[T]):
    """Drives one :class:`Walk` over a source.

    A cancel of :meth:`next_page` cancels the pages in flight and loses nothing: the next call asks for them again.
    """

    def __init__(
        self,
        walk: Walk,
        source: Source[T],
        *,
        prefetch: int | None,
        hooks: Sequence[Hook],
        leaving: set[asyncio.Task[Any]],
        are_rows_late: bool,
    ) -> None:
        self.walk = walk
        self._source = source
        self._prefetch = prefetch
        self._hooks = hooks
        self._leaving = leaving
        self._are_rows_late = are_rows_late
        self._tasks: dict[Ask, asyncio.Task[UnreadPage[T]]] = {}
        """The tasks of the pages in flight, oldest first."""
        self._depth = Depth()
        self._began = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def next_page(self) -> Page[T] | None:
        """Give the next page with new rows, or None when the walk is over.

        Raises the errors of fetching and decoding; a further call tries the same page again.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._began, self._loop = loop.time(), loop
        elif self._loop is not loop:
            raise WrongLoopError("this walk was begun in another event loop; keep pager.token, and resume from it here")
        here = [self._tasks[ask].done() for ask in self.walk.out]
        self._depth.came_back(loop.time(), are_all_here=bool(here) and all(here))
        while not self.walk.is_over:
            self._fill()
            ask = self.walk.out[0]
            try:
                unread = await self._answer_of(self._tasks[ask])
                began = loop.time()
                fetched = await (unread.look_through() if self._are_rows_late else unread.read())
                self._check_open()
            except (ValidationError, ServerError, TimeoutError_, BodyError) as error:
                # The size of the page may be the cause. A walk that chose it can do with less.
                await self._drop()
                self._check_open()
                is_refused = isinstance(error, ValidationError) and error.is_about("limit")
                if not self.walk.ask_for_less(ask, is_refused=is_refused):
                    raise
                continue
            except BaseException:
                await self._drop()
                raise
            page = self._place(ask, fetched, loop.time())
            self._depth.was_read(loop.time() - began)
            if page is not None:
                if self._pages_wanted() > 1:
                    # The next pages are in flight while the caller works on this one.
                    self._fill()
                self._depth.went_out(loop.time())
                return page
        await self._drop()
        return None

    async def _answer_of(self, task: asyncio.Task[UnreadPage[T]]) -> UnreadPage[T]:
        """Wait for an answer. Yields to the loop even if it is there already."""
        if task.done():
            await give_way()
        else:
            loop, began, before = task.get_loop(), task.get_loop().time(), time.thread_time()
            # A cancel of the caller does not reach the task here. Awaiting the task itself would pass it on.
            await asyncio.wait((task,))
            self._depth.was_waited_for(loop.time() - began, busy=time.thread_time() - before)
        self._check_open()
        return task.result()

    async def close(self) -> None:
        """Cancel the pages in flight and wait until their connections are free."""
        self._is_closed = True
        await self._drop()

    def let_go(self) -> None:
        """Cancel the pages in flight without waiting for them. The walk asks for them again."""
        self.walk.ask_again()
        for task in self._tasks.values():
            # A task of a closed loop cannot be cancelled, and need not be.
            if not (task.done() or task.get_loop().is_closed()):
                task.cancel()
                # The pager keeps a reference to it until it has ended.
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)
        self._tasks.clear()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the pager was closed; iterate over it anew")

    def _fill(self) -> None:
        """Add the pages worth having in flight, and start a task for each page without one."""
        walk, wanted = self.walk, self._pages_wanted()
        while walk.next_ask(wanted) is not None:
            pass
        for ask in walk.out:
            if ask not in self._tasks:
                fetching = self._source.fetch(
                    offset=ask.offset, limit=ask.limit, is_reversed=ask.is_reversed, costs=walk.report
                )
                task = asyncio.create_task(fetching, name=f"periskope page at {ask.offset}")
                # asyncio warns of an error that nobody has asked for, as on a page given up.
                task.add_done_callback(lambda task: task.cancelled() or task.exception())
                self._tasks[ask] = task

    def _pages_wanted(self) -> int:
        if self._prefetch is not None:
            return self._prefetch
        rate, burst = self._source.requests_per_second(), self._source.requests_at_once()
        return self._depth.pages(requests_per_second=rate, requests_at_once=burst)

    def _place(self, ask: Ask, fetched: Page[T], now: float) -> Page[T] | None:
        """Let the walk place a page. Nothing is awaited here: placed rows must reach the caller."""
        walk = self.walk
        pages = walk.report.pages
        try:
            fresh = walk.place(ask, fetched)
        except PaginationError as error:
            error.meta = fetched.meta
            self.let_go()
            raise
        finally:
            # A page counts even if the walk then raises. One that has waited was counted before.
            if walk.report.pages > pages:
                self._learn(fetched.meta, now)
        if ask in walk.out:
            # It waits, as bytes again, for the pages before it.
            return None
        del self._tasks[ask]
        if not walk.out:
            # The walk is over, or goes on at another offset.
            self.let_go()
        if self._hooks:
            announce(
                self._hooks,
                PageRead(
                    offset=ask.offset,
                    rows=len(fetched.keys),
                    placed=len(fresh),
                    delivered=walk.report.rows_placed,
                    count=fetched.count,
                    meta=fetched.meta,
                ),
            )
        return fetched.only(fresh, ask) if fresh else None

    def _learn(self, meta: ResponseMeta, now: float) -> None:
        report = self.walk.report
        report.bytes += meta.body_bytes
        report.bytes_saved += meta.bytes_saved
        report.not_modified += meta.bytes_saved > 0
        report.seconds = now - self._began
        self._depth.was_answered(meta.seconds, size=meta.body_bytes + meta.bytes_saved)

    async def _drop(self) -> None:
        """Cancel the pages in flight, and wait until their connections are free, and those given up earlier."""
        self.let_go()
        if self._leaving:
            await asyncio.wait(set(self._leaving))
