"""Part two: answers that take a second. What pages at once are worth, and what they cost who breaks off."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from benchmarks.walk.contenders import CONTENDERS, GATHER
from benchmarks.walk.scenarios import Scenario
from periskope_async import PeriskopeClient
from periskope_async.events import PageRead
from periskope_async.paging.page import Page, UnreadPage
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from periskope_async.events import Event

__all__ = [
    "LATENCY",
    "LIMIT",
    "OVERLAP",
    "PAGE_SIZE",
    "WINDOW",
    "Costs",
    "Walked",
    "floor",
    "measure_costs",
    "measure_walks",
    "pages_of",
]

PAGE_SIZE = 20
LIMIT, WINDOW, LATENCY = 100, 1.0, 1.0
_WORK_SECONDS = 0.2
OVERLAP = 2
"""Rows that pages of 20 share with the page before, in an exact walk."""

_Job: TypeAlias = "Callable[[PeriskopeClient, list[str]], Awaitable[object]]"


class Walked(Struct, frozen=True, kw_only=True):
    """One way to read so many pages; times in seconds."""

    name: str
    pages: int
    """Pages that the way itself needs for the list: an exact walk overlaps them, and looks at the head again."""
    floor: float
    seconds: list[float]
    requests: int
    is_in_order: bool

    @property
    def over(self) -> float:
        """The median time as a multiple of the floor."""
        return statistics.median(self.seconds) / self.floor


class Costs(Struct, frozen=True, kw_only=True):
    """What is out, held and spent."""

    most_out: int
    """Requests under way at once, waiting for the limit included."""
    most_held: int
    """Answers in memory at once, the one that is being read included."""
    most_decoded: int
    """Pages decoded and not let go of yet, the one in the reader's hands included."""
    after_break: int
    """Requests that the server saw of a walk that was broken off after its first row."""
    first: int
    max_items: dict[int, int]
    """Requests for so many items."""


def rows_of(pages: int) -> int:
    """Give the length of a list of so many pages, the last of which is half full, so that it shows the end."""
    return pages * PAGE_SIZE - PAGE_SIZE // 2


def pages_of(rows: int, *, overlap: int = 0) -> int:
    """Count the pages of a list whose pages overlap."""
    return -(-(rows - overlap) // (PAGE_SIZE - overlap))


def floor(pages: int) -> float:
    """Give the fastest time that limit and latency allow, in seconds.

    The first page goes alone, since nobody knows how many there are. It opens the server's first window, which is over
    when its answer is there; from then on each window lets ``LIMIT`` pass at once, and the last answer takes its time.
    """
    windows = -(-(pages - 1) // LIMIT)
    last_sent = max(LATENCY, WINDOW) + (windows - 1) * WINDOW if windows else 0.0
    return last_sent + LATENCY


async def measure_walks(pages: int, *, rounds: int, one_by_one: int, latency: float = LATENCY) -> list[Walked]:
    """Read the same list in several ways, in turn; only ``one_by_one`` pages without look-ahead."""
    rows = rows_of(pages)
    exact = pages_of(rows, overlap=OVERLAP)
    few = rows_of(one_by_one)
    ways: list[tuple[str, int, int, float, _Job]] = [
        ("iter_chats", rows, exact, floor(exact), _iterate()),
        ("iter_chats, oldest first", rows, exact, floor(exact), _iterate(sort_order="asc")),
        ('iter_chats, "dedupe"', rows, pages, floor(pages), _iterate(consistency="dedupe")),
        (GATHER, rows, pages, floor(pages), _gather),
        ('prefetch=1, "dedupe"', few, one_by_one, one_by_one * LATENCY, _iterate(prefetch=1, consistency="dedupe")),
    ]
    runs: dict[str, list[tuple[float, int, bool]]] = {name: [] for name, *_ in ways}
    for number in range(rounds):
        for name, chats, _, _, job in ways:
            if number == 0 or chats == rows:
                runs[name].append(await _run(chats, job, latency, is_reversed="oldest" in name))
    return [
        Walked(
            name=name,
            pages=own_pages,
            floor=fastest,
            seconds=[seconds for seconds, _, _ in runs[name]],
            requests=max(requests for _, requests, _ in runs[name]),
            is_in_order=all(is_in_order for *_, is_in_order in runs[name]),
        )
        for name, _, own_pages, fastest, _ in ways
    ]


async def measure_costs(pages: int, *, latency: float = LATENCY) -> Costs:
    """Count what is out and held during a whole walk, and what the early ends cost."""
    watch = _Watch()
    async with _sandbox(rows_of(pages), latency) as sandbox:
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, hooks=(watch,)) as client:
            async for _ in client.iter_chats(page_size=PAGE_SIZE):
                pass
        after_break = await _broken_off(sandbox)
        # Until the window is over that the walk has used up; a refusal would be sent again, and counted twice.
        await asyncio.sleep(WINDOW + latency)
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            sandbox.clear()
            await client.iter_chats(page_size=PAGE_SIZE).first()
            first = len(sandbox.requests)
            max_items: dict[int, int] = {}
            for wanted in (1, PAGE_SIZE, 2 * PAGE_SIZE, 5 * PAGE_SIZE):
                sandbox.clear()
                got = await client.iter_chats(page_size=PAGE_SIZE, max_items=wanted).collect()
                assert len(got) == wanted
                max_items[wanted] = len(sandbox.requests)
    return Costs(
        most_out=watch.most_out,
        most_held=watch.most_held,
        most_decoded=watch.most_decoded,
        after_break=after_break,
        first=first,
        max_items=max_items,
    )


async def _broken_off(sandbox: Sandbox) -> int:
    """Work a while on the first row, so that the look-ahead gets under way, then break off.

    The client knows the limit: with a fresh one the first answer has to come before anything else goes.
    """
    async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        await client.list_chats(limit=1)
        sandbox.clear()
        async with client.iter_chats(page_size=PAGE_SIZE) as pager:
            async for _ in pager:
                await asyncio.sleep(_WORK_SECONDS)
                break
    return len(sandbox.requests)


class _Watch:
    """Counts requests under way, and the pages that are alive whenever one is placed."""

    def __init__(self) -> None:
        self.most_out = self.most_held = self.most_decoded = self._out = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, PageRead):
            # The pages cannot be referred to weakly; the collector knows those that are alive.
            kinds: list[object] = [type(each) for each in gc.get_objects()]
            self.most_held = max(self.most_held, kinds.count(UnreadPage))
            self.most_decoded = max(self.most_decoded, kinds.count(Page))
        else:
            self._out += {"RequestSent": 1, "ResponseReceived": -1}.get(type(event).__name__, 0)
            self.most_out = max(self.most_out, self._out)


def _sandbox(chats: int, latency: float) -> Sandbox:
    return Sandbox(chats=chats, limit=LIMIT, window=WINDOW, latency=latency)


async def _run(chats: int, job: _Job, latency: float, *, is_reversed: bool) -> tuple[float, int, bool]:
    ids: list[str] = []
    async with _sandbox(chats, latency) as sandbox:
        expected = sandbox.chat_ids(sort_order="asc" if is_reversed else "desc")
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            began = time.perf_counter()
            await job(client, ids)
            seconds = time.perf_counter() - began
        return seconds, len(sandbox.requests), ids == expected


def _iterate(**options: Any) -> _Job:
    async def iterate(client: PeriskopeClient, ids: list[str]) -> None:
        async for chat in client.iter_chats(page_size=PAGE_SIZE, **options):
            ids.append(chat.chat_id)  # noqa: PERF401 - the list is the caller's

    return iterate


async def _gather(client: PeriskopeClient, ids: list[str]) -> None:
    scenario = Scenario(name="", title="", page_size=PAGE_SIZE, sort_by="created_at")
    await CONTENDERS[GATHER](client, scenario, ids)
