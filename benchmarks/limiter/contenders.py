"""Our client and its rivals at one job: the same pages, the same number of tasks."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Protocol

import aiohttp
import msgspec
from msgspec import Struct

from benchmarks.limiter.rivals import RIVALS, Rival
from periskope_async import NotFoundError, PeriskopeClient, PeriskopeError, RateLimit, RateLimiter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.limiter.scenario import Scenario

__all__ = ["KEY", "OURS", "Job", "Work", "contenders"]

OURS = "periskope_async"
KEY = "benchmark-key"
_TOLD = ("limit", "window", "is_window_sure", "is_fixed", "margin", "foreign", "refusals")


class Work:
    """What a job comes to, told while it goes on."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        """The chats' ids."""
        self.failed: list[str] = []
        """The error of each call that should have been answered."""
        self.busy: list[float] = []
        """Seconds from a group's start to its end."""
        self.limit = ""
        """What our client thinks of the limit at the end."""


class Job(Protocol):
    """Reads all pages of a scenario from a base URL."""

    def __call__(self, scenario: Scenario, base_url: str, work: Work, /) -> Awaitable[None]:
        """Read."""
        ...


class _Row(Struct):
    chat_id: str


class _Page(Struct):
    chats: list[_Row]


def contenders(*, with_rivals: bool) -> dict[str, Job]:
    """Give each contender's job by its name, ours first."""
    jobs: dict[str, Job] = {OURS: _ours}
    if with_rivals:
        jobs.update({name: _rival(make) for name, make in RIVALS.items()})
    return jobs


async def _ours(scenario: Scenario, base_url: str, work: Work) -> None:
    """Read with a client just made, as it comes."""
    assume = RateLimit(scenario.limit, scenario.window) if scenario.is_told else None
    async with PeriskopeClient(KEY, base_url=base_url, limiter=RateLimiter(assume=assume)) as client:
        try:
            await _read_with(client, scenario, work)
        finally:
            snapshot = msgspec.structs.asdict(client.rate_limit)
            work.limit = ", ".join(f"{name} {snapshot[name]}" for name in _TOLD if name in snapshot)


async def _read_with(client: PeriskopeClient, scenario: Scenario, work: Work) -> None:
    if scenario.way == "iter_chats":
        # The proof that nothing was lost costs requests of its own, and is not what most rows ask about.
        walk = client.iter_chats(page_size=scenario.page_size, consistency="exact" if scenario.has_proof else "none")
        async for chat in walk:
            work.seen.add(chat.chat_id)
        return

    async def read(page: int) -> None:
        try:
            answer = await client.list_chats(offset=page * scenario.page_size, limit=scenario.page_size)
        except PeriskopeError as error:
            if not (scenario.is_failing(page) and isinstance(error, (NotFoundError, ValidationError))):
                work.failed.append(type(error).__name__)
        else:
            work.seen.update(chat.chat_id for chat in answer)

    if scenario.groups:
        await _in_groups(scenario, read, work)
    else:
        await _in_tasks(scenario, read)


def _rival(make: Callable[[int, float], Rival]) -> Job:
    async def job(scenario: Scenario, base_url: str, work: Work) -> None:
        limiter = make(scenario.limit, scenario.window)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

            async def read(page: int) -> None:
                url = f"{base_url}/chats?offset={page * scenario.page_size}&limit={scenario.page_size}"
                body = await _read_page(session, url, limiter)
                work.seen.update(row.chat_id for row in msgspec.json.decode(body, type=_Page).chats)

            await _in_tasks(scenario, read)

    return job


async def _read_page(session: aiohttp.ClientSession, url: str, limiter: Rival) -> bytes:
    await limiter.before()
    try:
        while True:
            async with session.get(url) as response:
                limiter.learn(response.status, response.headers)
                body = await response.read()
            if response.status == 200:
                return body
            await asyncio.sleep(float(response.headers["Retry-After"]))
            if limiter.asks_again:
                await limiter.before()
    finally:
        await limiter.after()


async def _in_tasks(scenario: Scenario, read: Callable[[int], Awaitable[None]]) -> None:
    """Let the tasks take page after page from one pile."""
    pile = iter(range(scenario.pages))

    async def worker() -> None:
        for page in pile:
            await read(page)

    async with asyncio.TaskGroup() as group:
        for _ in range(scenario.tasks):
            group.create_task(worker())


async def _in_groups(scenario: Scenario, read: Callable[[int], Awaitable[None]], work: Work) -> None:
    """Ask for each group's pages at once, as the timetable says."""
    pages = iter(range(scenario.asked))
    start = time.monotonic()
    for group in scenario.groups:
        await asyncio.sleep(max(0.0, start + group.at - time.monotonic()))
        began = time.monotonic()
        await asyncio.gather(*(read(page) for page in itertools.islice(pages, group.pages)))
        work.busy.append(time.monotonic() - began)
