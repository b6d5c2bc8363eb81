"""An async iterable over all rows of a query."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import aclosing
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.arrow import ArrowBatches, arrow_table
from periskope_async.decoding.late_rows import next_batch
from periskope_async.errors import ConfigError
from periskope_async.paging.handover import Handover
from periskope_async.paging.report import WalkReport
from periskope_async.paging.resume import Place, read_token
from periskope_async.paging.run import WalkRun
from periskope_async.paging.walk import Walk
from periskope_async.turns import give_way
from periskope_async.typed import is_whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from typing import Self

    from periskope_async.events import Hook
    from periskope_async.paging.page import Consistency, Page, Source
    from periskope_async.wire.listing import Listing
    from periskope_async.wire.order import Order

__all__ = ["Pager", "WalkOptions"]

T_co = TypeVar("T_co", covariant=True)

_CONSISTENCIES = ("exact", "dedupe", "none")
# Batches decoded during delivery, before a yield to the loop.
_BATCHES_A_TURN = 16


class WalkOptions(Struct, frozen=True, kw_only=True):
    """The options of a walk, checked once before any request. Raises ConfigError.

    The query checks ``page_size`` and ``offset``, and ``read_token`` checks ``resume``.
    """

    page_size: int
    offset: int
    max_items: int | None
    prefetch: int | None
    consistency: Consistency
    order: Order
    fingerprint: str
    resume: Place | None

    def __post_init__(self) -> None:
        items, pages = self.max_items, self.prefetch
        for name, is_right, advice in (
            ("max_items", items is None or is_whole(items, least=0), "give a whole number from 0 up, or None for all"),
            ("prefetch", pages is None or is_whole(pages, least=1), "give 1 or more, or None to follow the limit"),
            ("consistency", self.consistency in _CONSISTENCIES, f"it takes one of {_CONSISTENCIES}"),
        ):
            if not is_right:
                raise ConfigError(f"{name} is {getattr(self, name)!r:.100}; {advice}", parameter=name)

    def walk(self) -> Walk:
        """Begin a fresh walk."""
        return Walk(
            page_size=self.page_size,
            offset=self.offset,
            max_items=self.max_items,
            consistency=self.consistency,
            order=self.order,
            resume=self.resume,
        )

    def handover(self) -> Handover:
        """Begin the account of a fresh walk's delivered rows."""
        begun = self.resume or Place(self.fingerprint, self.offset, 0, ())
        return Handover(begun, is_newest_first=self.order.is_newest_first)


class Pager(Generic[T_co]):
    """All rows of a query: ``async for row in pager``.

    Each ``async for`` is a fresh walk; :attr:`report` and :attr:`token` speak of the latest one. Asking for the first
    row sends the first request. A walk may wait for the limit. It raises the errors of a request, and PaginationError.

    Several tasks may share one walk: give each of them the same iterator, ``rows = aiter(pager)``. Each row goes to one
    of them, and so do the pages of :meth:`pages` and :meth:`arrow_batches`. A task cancelled in its wait takes no row
    with it. An error goes to every waiting task; the next call tries the same page again.

    A ``break`` gives up the pages in flight at once; ``async with pager:`` also waits until their connections are free.
    """

    def __init__(
        self,
        source: Source[T_co],
        options: WalkOptions,
        *,
        hooks: Sequence[Hook] = (),
        raw: Callable[[], Source[bytes]] | None = None,
        listing: Listing[Any] | None = None,
    ) -> None:
        self._source = source
        self.options = options
        self._hooks = hooks
        self._raw = raw
        self.listing = listing
        """The list of the rows; None if it is not known."""
        self._report = WalkReport()
        self._handover = options.handover()
        self._runs: weakref.WeakSet[WalkRun[T_co]] = weakref.WeakSet()
        self._leaving: set[asyncio.Task[Any]] = set()

    def __aiter__(self) -> AsyncIterator[T_co]:
        """Begin a fresh walk, row by row."""
        return _Rows(*self._begin(are_late=True))

    def pages(self) -> AsyncIterator[Page[T_co]]:
        """Begin a fresh walk, page by page; each page holds only new rows."""
        return _Pages(*self._begin())

    def raw(self, *, hooks: Sequence[Hook] = ()) -> Pager[bytes]:
        """Give the same walk with each row as its original JSON bytes; ``hooks`` are told of its pages too."""
        if self._raw is None:
            raise ConfigError("this pager gives raw rows already")
        return Pager(self._raw(), self.options, hooks=(*self._hooks, *hooks))

    async def first(self) -> T_co | None:
        """Give the first row, or None if there is none. Asks for one row. Raises the errors of iterating."""
        async with self._with(max_items=1 if self.max_items is None else min(1, self.max_items), prefetch=1) as pager:
            return await anext(aiter(pager), None)

    async def collect(self) -> list[T_co]:
        """Give all rows as a list. Iterating takes far less memory with many rows."""
        rows: list[T_co] = []
        async with aclosing(_Pages(*self._begin())) as pages:
            async for page in pages:
                rows += page.items
        return rows

    def arrow_batches(self, rows: int = 20_000) -> ArrowBatches:
        """Begin a fresh walk that gives ``pyarrow.RecordBatch`` objects of ``rows`` rows, the last one of fewer.

        Polars, DuckDB and pandas take them without a copy. The columns are those of a Parquet export, ``raw_json``
        among them. Needs pyarrow (the extra ``parquet``). Raises ConfigError, and the errors of iterating.
        """
        return ArrowBatches(self.listing, self._raw_pages, rows=rows)

    async def to_arrow(self) -> Any:
        """Walk, and give all rows as one ``pyarrow.Table``; see :meth:`arrow_batches`."""
        return await arrow_table(self.listing, self._raw_pages)

    async def count(self) -> int | None:
        """Give the server's count of the rows, documented as their total, from a page of one; None if it gives none."""
        unread = await self._source.fetch(offset=self.options.offset, limit=1, is_reversed=False, costs=WalkReport())
        return (await unread.read()).count

    @property
    def report(self) -> WalkReport:
        """The account of the latest walk as it stands now: a copy, so it does not change any more."""
        return copy(self._report)

    @property
    def token(self) -> str:
        """The cut of the latest walk: pass it as ``resume=`` to go on behind its last delivered row.

        A row is delivered once the iterator has given it to a task, even if the task is not done with it.
        """
        return self._handover.cut().token()

    @property
    def max_items(self) -> int | None:
        """The number of wanted rows; None for all."""
        return self.options.max_items

    def resuming(self, token: str) -> Pager[T_co]:
        """Give the same walk, to go on behind ``token``. ``max_items`` counts the rows delivered before it.

        Raises ConfigError if the token is of another query.
        """
        place = read_token(token, query=self.options.fingerprint)
        left = None if self.max_items is None else max(0, self.max_items - place.delivered)
        return self._with(resume=place, max_items=left)

    async def close(self) -> None:
        """End every walk of this pager, and wait for its tasks."""
        for run in list(self._runs):
            await run.close()
        if self._leaving:
            # They belong to runs without a reference.
            await asyncio.wait(set(self._leaving))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Pager {self._report.rows_placed} rows placed, {self._report.why}>"

    def _raw_pages(self) -> Any:
        return _Pages(*self._begin(self._raw and self._raw()))

    def _begin(self, source: Source[Any] | None = None, *, are_late: bool = False) -> tuple[WalkRun[T_co], Handover]:
        run = WalkRun(
            self.options.walk(),
            source or self._source,
            prefetch=self.options.prefetch,
            hooks=self._hooks,
            leaving=self._leaving,
            are_rows_late=are_late,
        )
        self._report = run.walk.report
        self._handover = self.options.handover()
        self._runs.add(run)
        return run, self._handover

    def _with(self, **changes: Any) -> Pager[T_co]:
        options = replace(self.options, **changes)
        return Pager(self._source, options, hooks=self._hooks, raw=self._raw, listing=self.listing)


class _Iterator(Generic[T_co]):
    """The base of both iterators: a run, dropped with its last reference."""

    def __init__(self, run: WalkRun[T_co], handover: Handover) -> None:
        self._run = run
        self._handover = handover
        self._is_asking = False
        self._waiting: list[asyncio.Future[Exception | None]] = []

    def __aiter__(self) -> Self:
        return self

    def __del__(self) -> None:
        """Cancel the pages in flight after a ``break``, with the last reference."""
        self._run.let_go()

    async def aclose(self) -> None:
        """End the walk and wait for its tasks, as an async generator would."""
        await self._run.close()

    async def _next_page(self) -> Page[T_co] | None:
        """Give the next page, or None if it went to another task with this iterator.

        One task asks, the others wait for it. All of them get its error; another one asks if it is cancelled.
        """
        if self._is_asking:
            self._waiting.append(asyncio.get_running_loop().create_future())
            if (error := await self._waiting[-1]) is not None:
                raise error
            return None
        self._is_asking = True
        try:
            self._handover.settle()
            page = await self._run.next_page()
        except Exception as error:
            self._wake(error)
            raise
        finally:
            self._is_asking = False
            self._wake(None)
        if page is None:
            raise StopAsyncIteration
        return page

    def _wake(self, error: Exception | None) -> None:
        """Let the waiting tasks look again, or raise the error."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            # It may have been cancelled meanwhile.
            if not waiter.done():
                waiter.set_result(error)


class _Rows(_Iterator[T_co]):
    def __init__(self, run: WalkRun[T_co], handover: Handover) -> None:
        super().__init__(run, handover)
        self._rows: Iterator[T_co] = iter(())
        self._rest: Sequence[T_co] = ()
        self._batches_in_turn = 0

    async def __anext__(self) -> T_co:
        while True:
            for row in self._rows:
                return row
            # Another task may move this iterator on during an await, so each round checks all state anew.
            if not self._rest:
                # Empty late rows still hold the bytes of their page.
                self._rest = ()
                page = await self._next_page()
                if page is not None:
                    self._handover.turn_to(page)
                    self._rest, self._batches_in_turn = page.items, 0
            elif self._batches_in_turn >= _BATCHES_A_TURN:
                self._batches_in_turn = 0
                await give_way()
            else:
                batch, self._rest = next_batch(self._rest)
                self._rows = self._handover.take(batch)
                self._batches_in_turn += 1


class _Pages(_Iterator[T_co]):
    async def __anext__(self) -> Page[T_co]:
        while (page := await self._next_page()) is None:
            pass
        self._handover.turn_to(page, is_handed_over=True)
        return page
