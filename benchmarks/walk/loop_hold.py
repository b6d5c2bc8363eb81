"""Part three, second half: how long the event loop is held while pages are read, as another task sees it."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from benchmarks.walk.host import hosted
from periskope_async import PeriskopeClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from periskope_async.models import ChatPage

__all__ = ["Held", "measure"]

_KEY = "sandbox-key"
_WALK_PAGES = 5


class Held(Struct, frozen=True, kw_only=True):
    """The longest gaps between two turns of a ticking task, one for each round, in milliseconds."""

    name: str
    page_rows: int
    gaps: list[float]

    @property
    def median(self) -> float:
        """The middle of the rounds' longest gaps."""
        return statistics.median(self.gaps)


async def measure(sizes: tuple[int, ...], *, oversized: int, rounds: int) -> list[Held]:
    """Tick while walks read pages of each size, and while answers come that hold more rows than can be asked for.

    What this program holds beside the walk is kept from the garbage collector: a pass over all of it takes 20 ms, and
    whoever makes the next object has to wait for it.
    """
    gc.collect()
    gc.freeze()
    alone = [await _longest(partial(asyncio.sleep, 0.2)) for _ in range(rounds)]
    found = [Held(name="nothing else", page_rows=0, gaps=alone)]
    for size in sizes:
        one_by_one: list[float] = []
        at_once: list[float] = []
        by_row: list[float] = []
        async with hosted(size * _WALK_PAGES) as base_url, PeriskopeClient(_KEY, base_url=base_url) as client:
            for _ in range(rounds + 1):
                one_by_one.append(await _longest(partial(_walk, client, size, prefetch=1)))
                at_once.append(await _longest(partial(_walk, client, size, prefetch=None)))
                by_row.append(await _longest(partial(_walk_by_row, client, size)))
        # The first round also makes the decoder and opens the connections.
        found.append(Held(name="by page, prefetch=1", page_rows=size, gaps=one_by_one[1:]))
        found.append(Held(name="by page", page_rows=size, gaps=at_once[1:]))
        found.append(Held(name="by row", page_rows=size, gaps=by_row[1:]))
    async with hosted(oversized, is_one_page=True) as base_url, PeriskopeClient(_KEY, base_url=base_url) as client:
        gaps = [await _longest(partial(_page, client, oversized)) for _ in range(rounds + 1)]
    found.append(Held(name="list_chats, sent more than asked", page_rows=oversized, gaps=gaps[1:]))
    gc.unfreeze()
    return found


async def _walk(client: PeriskopeClient, size: int, *, prefetch: int | None) -> None:
    rows = 0
    async for page in client.iter_chats(page_size=size, prefetch=prefetch).pages():
        rows += len(page.items)
    assert rows == size * _WALK_PAGES


async def _walk_by_row(client: PeriskopeClient, size: int) -> None:
    rows = 0
    async for _ in client.iter_chats(page_size=size):
        rows += 1
    assert rows == size * _WALK_PAGES


async def _page(client: PeriskopeClient, rows: int) -> ChatPage:
    page = await client.list_chats(limit=2000)
    assert len(page.chats) == rows
    return page


async def _longest(job: Callable[[], Awaitable[object]]) -> float:
    """Run a job beside a task that takes every turn it gets; give the longest time it had to wait for one, in ms."""
    longest = 0.0
    is_over = False

    async def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not is_over:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        # To let go of what came of it takes time as well; when, is the caller's choice.
        kept = await job()
    finally:
        is_over = True
        await ticking
    del kept
    return longest * 1000
