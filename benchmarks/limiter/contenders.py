"""Our client and its rivals at one job: the same pages, the same number of tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import aiohttp
import msgspec
from msgspec import Struct

from benchmarks.limiter.rivals import RIVALS, Rival
from benchmarks.limiter.scenarios import ROWS_A_PAGE
from periskope_async import PeriskopeClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.limiter.scenarios import Scenario

__all__ = ["KEY", "OURS", "Job", "contenders"]

OURS = "periskope_async"
KEY = "benchmark-key"


class Job(Protocol):
    """Reads all pages of a scenario from a base URL and puts the chats' ids into the set."""

    def __call__(self, scenario: Scenario, base_url: str, seen: set[str], /) -> Awaitable[None]:
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


async def _ours(scenario: Scenario, base_url: str, seen: set[str]) -> None:
    """Read with a client just made, as it comes."""
    async with PeriskopeClient(KEY, base_url=base_url) as client:
        if scenario.way == "iter_chats":
            # Without the proof that nothing was lost, which costs requests of its own: the limiter is what is asked.
            walk = client.iter_chats(page_size=ROWS_A_PAGE, consistency="none")
            seen.update([chat.chat_id async for chat in walk])
            return

        async def read(page: int) -> None:
            answer = await client.list_chats(offset=page * ROWS_A_PAGE, limit=ROWS_A_PAGE)
            seen.update(chat.chat_id for chat in answer)

        await _in_tasks(scenario, read)


def _rival(make: Callable[[int, float], Rival]) -> Job:
    async def job(scenario: Scenario, base_url: str, seen: set[str]) -> None:
        limiter = make(scenario.limit, scenario.window)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

            async def read(page: int) -> None:
                url = f"{base_url}/chats?offset={page * ROWS_A_PAGE}&limit={ROWS_A_PAGE}"
                body = await _read_page(session, url, limiter)
                seen.update(row.chat_id for row in msgspec.json.decode(body, type=_Page).chats)

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
