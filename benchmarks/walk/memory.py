"""Part three, first half: what a walk over very many rows keeps in memory."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.limits.headers import LimitHeaders
from periskope_async.meta import ResponseMeta
from periskope_async.paging.page import (
    Consistency,
    Page,
    UnreadPage,
)
from periskope_async.paging.pager import Pager, WalkOptions
from periskope_async.wire.order import Order

if TYPE_CHECKING:
    from periskope_async.call import Costs

__all__ = ["Kept", "measure"]

_PAGE_SIZE = 1000
_PREFETCH = 4
_PAGES_DECODED = 2
_META = ResponseMeta(status=200, rate_limit=LimitHeaders(server_time=2e9))


class Kept(Struct, frozen=True, kw_only=True):
    """The peak of Python's own allocations during a walk, in bytes.

    Traced by tracemalloc rather than read as RSS: it counts what the walk holds, to the byte, and neither what the
    allocator has not given back nor what was there before.
    """

    consistency: Consistency
    rows: int
    peak: int
    in_flight: int
    """Of these, the page that is being read and the one in the reader's hands; those that wait are not made yet."""

    @property
    def above(self) -> int:
        """Bytes above the pages in flight."""
        return max(0, self.peak - self.in_flight)


class _MadePages:
    """Pages of plain rows, newest first, made as they are asked for."""

    def __init__(self, total: int) -> None:
        self._total = total

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool, costs: Costs) -> UnreadPage[int]:
        """Give one page, to be made when it is read."""
        assert not is_reversed
        await asyncio.sleep(0)
        costs.requests += 1
        read = partial(self.read, offset, limit)
        return UnreadPage(read, look_through=read)

    async def read(self, offset: int, limit: int) -> Page[int]:
        """Make the rows of one page."""
        rows = range(offset, max(offset, min(offset + limit, self._total)))
        return Page(
            items=list(rows),
            keys=[hash((f"{row}@g.us", None)) for row in rows],
            identity=lambda index: (f"{rows[index]}@g.us", None),
            count=self._total,
            first_index=offset + 1,
            meta=_META,
            is_all=False,
            sort_time=lambda index: 1e9 - rows[index],
            changed_since=lambda _, since: 0 if since > 1e9 else 1,
        )

    @staticmethod
    def requests_per_second() -> float:
        """Tell a rate; the look-ahead is given here, and does not ask."""
        return 10.0

    @staticmethod
    def requests_at_once() -> int:
        """Tell a burst; the look-ahead is given here, and does not ask."""
        return 10


async def measure(rows: int, consistency: Consistency) -> Kept:
    """Walk over so many rows and keep none of them."""
    pager = Pager(
        _MadePages(rows),
        WalkOptions(
            page_size=_PAGE_SIZE,
            offset=0,
            max_items=None,
            prefetch=_PREFETCH,
            consistency=consistency,
            order=Order(),
            fingerprint="made",
            resume=None,
        ),
    )
    gc.collect()
    tracemalloc.start()
    try:
        page = await _MadePages(rows).read(rows // 2, _PAGE_SIZE)
        in_flight = _PAGES_DECODED * tracemalloc.get_traced_memory()[0]
        del page
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        met = 0
        async for _ in pager:
            met += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert met == rows
    assert pager.report.complete is (True if consistency == "exact" else None)
    return Kept(consistency=consistency, rows=rows, peak=peak - before, in_flight=in_flight)
