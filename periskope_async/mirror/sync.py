"""Brings one list of a mirror up to date: by its newest rows if they are enough, otherwise by all rows."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.errors import ConfigError
from periskope_async.mirror.lists import key_of
from periskope_async.mirror.merge import Outcome
from periskope_async.mirror.store import Sweep
from periskope_async.newest_first import OVERLAP_SECONDS, UNDATED_MARGIN, is_known_ground

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from periskope_async.client import PeriskopeClient
    from periskope_async.mirror.async_store import AsyncStore
    from periskope_async.mirror.lists import MirroredList, Order
    from periskope_async.mirror.store import ListState
    from periskope_async.paging.page import Page
    from periskope_async.paging.pager import Pager

__all__ = ["ListResult", "ListSync"]

PAGE_SIZE = 1000
# Max number of full sweeps in one sync if the server's count goes on to differ.
_MOST_SWEEPS = 3


class ListResult(Struct, frozen=True, kw_only=True):
    """The result of a sync for one list."""

    name: str
    rows: int
    """The number of rows, deleted ones not counted."""
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    restored: int = 0
    requests: int = 0
    full: str | None = None
    """The reason to read every row; None if the newest ones were enough."""
    complete: bool | None = None
    """Whether the full read met every row, as in :class:`WalkReport`. None too if the newest ones were enough."""

    @property
    def changes(self) -> int:
        """The number of changed rows."""
        return self.inserted + self.updated + self.deleted + self.restored


class ListSync:
    """One sync of one list.

    ``bind`` gets the organisation of the answers. A list older than ``full_every`` is read whole.
    """

    def __init__(
        self,
        client: PeriskopeClient,
        store: AsyncStore,
        mirrored: MirroredList,
        *,
        bind: Callable[[str | None], Awaitable[None]],
        full_every: timedelta,
    ) -> None:
        self._client = client
        self._store = store
        self._list = mirrored
        self._bind = bind
        self._full_every = full_every
        self._done: Counter[Outcome] = Counter()
        self._requests = 0
        self._count: int | None = None
        self._counts: set[int] = set()
        self._complete: bool | None = None

    async def run(self, *, is_full: bool) -> ListResult:
        """Run the sync. Raises the errors of iterating a pager, and MirrorError."""
        why = "it was asked for" if is_full else self._why_full()
        if why is None:
            difference = await self._read_newest()
            if self._is_drifting(difference):
                why = f"the server counts {difference:+,} rows against the mirror"
        if why is not None:
            difference = None
            for _ in range(_MOST_SWEEPS):
                difference = await self._read_all()
                if not self._is_drifting(difference):
                    break
            await self._note_difference(difference)
        done = self._done
        return ListResult(
            name=self._list.name,
            rows=await self._store.count(self._list),
            inserted=done[Outcome.INSERTED],
            updated=done[Outcome.UPDATED],
            deleted=done[Outcome.DELETED],
            restored=done[Outcome.RESTORED],
            requests=self._requests,
            full=why,
            complete=self._complete,
        )

    @property
    def _state(self) -> ListState:
        return self._store.state(self._list)

    def _why_full(self) -> str | None:
        state = self._state
        if state.sweep is not None:
            return "the last time it was broken off"
        if state.swept_at is None:
            return "it is the first time"
        if not self._list.orders:
            return "the list has no known order"
        age = self._store.now() - state.swept_at
        if self._is_recent(age):
            return None
        hours = age.total_seconds() / 3600
        return (
            f"the last time was {hours:.0f} hours ago" if hours >= 0 else "the clock was set back since the last time"
        )

    def _is_recent(self, age: timedelta) -> bool:
        # An age below 0 is unknown: the clock ran ahead then.
        return timedelta() <= age < self._full_every

    # -- all rows --------------------------------------------------------------------------------------------------

    async def _read_all(self) -> int | None:
        """Read every row, then the changes meanwhile; give the server's count minus the rows."""
        self._counts.clear()
        had_come = self._has_come
        was_resumed = await self._sweep()
        difference = await self._read_newest()
        is_at_rest = len(self._counts) == 1 and self._has_come == had_come and not was_resumed
        if difference is not None and difference < 0 and is_at_rest:
            # No row came or went meanwhile, and the server counts just the rows met: the others are gone.
            gone = await self._store.drop_missed(self._list, expected=-difference)
            self._done[Outcome.DELETED] += gone
            difference += gone
        return difference

    @property
    def _has_come(self) -> int:
        return self._done[Outcome.INSERTED] + self._done[Outcome.RESTORED]

    async def _sweep(self) -> bool:
        """Read every row, or go on with a broken-off sweep; tell which."""
        began = self._store.now()
        sweep = self._state.sweep
        if sweep is not None and not self._is_recent(began - sweep.began):
            sweep = None
        pager = self._pager_of_all(sweep)
        if pager is None:
            sweep, pager = None, self._walk()
        was_resumed = sweep is not None
        if sweep is None:
            await self._store.begin_sweep(self._list)
        raw = pager.raw()
        async with raw:
            async for page in raw.pages():
                if sweep is None:
                    # Before the database has its time.
                    self._store.note_date(page.meta)
                    head = page.meta.rate_limit.server_time or began.timestamp()
                    sweep = Sweep(token=raw.token, began=began, head=head)
                await self._bind(page.meta.org_id)
                state = replace(self._state, sweep=replace(sweep, token=raw.token))
                await self._merge(page, as_of=began, state=state)
        report = raw.report
        self._requests += report.requests
        self._complete = report.complete
        began, head = (sweep.began, sweep.head) if sweep is not None else (began, began.timestamp())
        state = replace(
            self._state, sweep=None, swept_at=began, watermarks={order.name: head for order in self._list.orders}
        )
        # A resumed walk proves nothing about the rows read before.
        complete = None if was_resumed and report.complete else report.complete
        self._done[Outcome.DELETED] += await self._store.finish_sweep(self._list, state, complete=complete)
        return was_resumed

    def _pager_of_all(self, sweep: Sweep | None) -> Pager[Any] | None:
        """Give the walk over all rows, resumed if a sweep was broken off; None if its token is refused."""
        try:
            return self._walk(resume=sweep.token if sweep is not None else None)
        except ConfigError:
            # Another version of this package wrote the token.
            return None

    # -- the newest rows -------------------------------------------------------------------------------------------

    async def _read_newest(self) -> int | None:
        """Read the head of each order down to known ground; give the server's count minus the rows."""
        self._count = None
        for order in self._list.orders:
            await self._read_head(order)
        count = self._count
        if count is None:
            return None
        rows = await self._store.count(self._list)
        if max(self._counts, default=0) > PAGE_SIZE and not self._state.counts_all:
            await self._store.save_state(self._list, replace(self._state, counts_all=True))
        # No document tells whether a list counts all rows or those of its page. A count above a page's size counts all.
        return count - rows if rows <= PAGE_SIZE or self._state.counts_all else None

    async def _read_head(self, order: Order) -> None:
        """Read an order from its newest row on."""
        undated = await self._store.count(self._list, without=order.column)
        is_undated_first = self._state.undated_first.get(order.name) is not False
        offset = max(0, undated - UNDATED_MARGIN) if is_undated_first else 0
        if not await self._read_down(order, offset):
            await self._read_down(order, 0)

    async def _read_down(self, order: Order, offset: int) -> bool:
        """Read an order from an offset down to known ground; tell whether the head was there.

        Rows without a sort time may stand before the newest one: four of five chats of an organisation may have no
        message. Reading begins a little before their end. The first row has a time if they stand last instead, and then
        nothing is read.
        """
        state, began = self._state, self._store.now()
        watermark = state.watermarks.get(order.name, -math.inf) - OVERLAP_SECONDS
        head: float | None = None
        is_first = True
        pager = self._walk(**order.arguments, offset=offset, prefetch=1).raw()
        try:
            async with pager:
                async for page in pager.pages():
                    if is_first:
                        is_first = False
                        # Before the database has its time.
                        self._store.note_date(page.meta)
                        is_undated = page.sort_time(0) is None
                        if offset and not is_undated:
                            return False
                        state = replace(state, undated_first={**state.undated_first, order.name: is_undated})
                    await self._bind(page.meta.org_id)
                    times = map(page.sort_time, range(len(page.items)))
                    newest = next((time for time in times if time is not None), None)
                    if head is None and newest is not None:
                        # A phone with a wrong clock may date a message in the future.
                        head = min(newest, page.meta.rate_limit.server_time or newest)
                    outcomes = await self._merge(page, as_of=began)
                    news = [outcome in order.news for outcome in outcomes]
                    if is_known_ground(page, watermark=watermark, news=news):
                        break
        finally:
            self._requests += pager.report.requests
        if head is not None:
            state = replace(state, watermarks={**state.watermarks, order.name: head})
        await self._store.save_state(self._list, state)
        return True

    # -- what both share -------------------------------------------------------------------------------------------

    def _walk(self, **arguments: Any) -> Pager[Any]:
        return self._list.walk(self._client, page_size=PAGE_SIZE, **arguments)

    async def _merge(self, page: Page[bytes], *, as_of: datetime, state: ListState | None = None) -> list[Outcome]:
        if page.count is not None:
            self._counts.add(page.count)
        # If it counts the rows of a page, that is all rows only on a first page.
        if page.offset == 0 or self._state.counts_all:
            self._count = page.count
        rows = [(key_of(page.identity(index)), raw) for index, raw in enumerate(page.items)]
        outcomes = await self._store.merge(self._list, rows, as_of=as_of, state=state)
        self._done.update(outcomes)
        return outcomes

    def _is_drifting(self, difference: int | None) -> bool:
        """Tell whether rows came or went unseen by any order."""
        state = self._state
        is_usual = state.is_difference_usual and difference == state.difference
        return bool(difference) and not is_usual

    async def _note_difference(self, difference: int | None) -> None:
        """Remember the error of the server's count after a full sweep.

        This server always counts so if it is too high by the same as the last time, and nothing has come meanwhile.
        """
        is_usual = (difference or 0) > 0 and difference == self._state.difference and not self._has_come
        state = replace(self._state, difference=difference, is_difference_usual=is_usual)
        await self._store.save_state(self._list, state)
