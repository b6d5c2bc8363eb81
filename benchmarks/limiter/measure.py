"""One run: a fresh server, one contender, and what the server's book says afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from itertools import groupby
from typing import TYPE_CHECKING, cast
from unittest import mock

import aiohttp
from msgspec import Struct

from benchmarks.limiter.contenders import KEY
from benchmarks.limiter.scenarios import ROWS_A_PAGE, Scenario
from benchmarks.limiter.server import FOREIGN, Arrival, Express, Server, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from benchmarks.limiter.contenders import Job

__all__ = ["LEARNING_WINDOWS", "Run", "Window", "measure"]

LEARNING_WINDOWS = 3


class Window(Struct, frozen=True, kw_only=True):
    """One window of the server; times in milliseconds after the first count."""

    opened: float
    idle: float
    """How long the server had no window open before this one: time that nobody gets back."""
    served: int
    refused: int
    foreign: int
    """Requests of the other program."""
    limit: int


class Run(Struct, frozen=True, kw_only=True):
    """One contender in one scenario."""

    contender: str
    seconds: float
    """From the start of the first call to the last page read; where it failed, to the end of patience."""
    floor: float
    failure: str
    """Why the job was not done; empty where it was."""
    served: int
    refused: int
    refused_learning: int
    most_refused_a_window: int
    """Of the windows after the first ones."""
    foreign_refused: int
    windows: list[Window]
    passed_at: list[int]
    """Milliseconds after the first count, of each request that passed; those of the other program left out."""
    refused_at: list[int]
    """The same of those refused."""

    @property
    def over(self) -> float:
        """The share by which it took longer than the floor."""
        return self.seconds / self.floor - 1

    @property
    def refused_steady(self) -> int:
        """Refusals after the first windows."""
        return self.refused - self.refused_learning


async def measure(scenario: Scenario, contender: str, job: Job, express: Express | None) -> Run:
    """Run it. Raises :class:`NoServerError` where there is no server for the scenario."""
    seen: set[str] = set()
    failure = ""
    async with serve(scenario, express) as server, _foreign(scenario, server):
        with _local_clock(scenario):
            began = time.monotonic()
            try:
                async with asyncio.timeout(scenario.patience):
                    await job(scenario, server.base_url, seen)
            except TimeoutError:
                failure = f"broken off after {len(seen) // ROWS_A_PAGE} pages"
            except Exception as error:  # noqa: BLE001 - a rival that breaks on a header is a result, too
                failure = f"failed: {_root(error)!r}"
            seconds = time.monotonic() - began
        arrivals = await server.arrivals()
    if not failure and len(seen) != scenario.rows:
        failure = f"read {len(seen)} of {scenario.rows} chats"
    return _judged(scenario, contender, seconds, failure, arrivals)


def _judged(scenario: Scenario, contender: str, seconds: float, failure: str, arrivals: list[Arrival]) -> Run:
    own = [arrival for arrival in arrivals if arrival.who != FOREIGN]
    first = own[0].counted if own else 0.0
    learning_until = first + LEARNING_WINDOWS * scenario.window * 1000
    refused = [arrival for arrival in own if arrival.status == 429]
    windows = _windows(scenario, arrivals, first)
    foreign = [arrival for arrival in arrivals if arrival.who == FOREIGN]
    return Run(
        contender=contender,
        seconds=seconds,
        floor=scenario.floor(taken=sum(arrival.status == 200 for arrival in foreign)),
        failure=failure,
        served=sum(arrival.status == 200 for arrival in own),
        refused=len(refused),
        refused_learning=sum(arrival.counted < learning_until for arrival in refused),
        most_refused_a_window=max((window.refused for window in windows[LEARNING_WINDOWS:]), default=0),
        foreign_refused=sum(arrival.status == 429 for arrival in foreign),
        windows=windows,
        passed_at=[round(arrival.counted - first) for arrival in own if arrival.status == 200],
        refused_at=[round(arrival.counted - first) for arrival in refused],
    )


def _windows(scenario: Scenario, arrivals: list[Arrival], first: float) -> list[Window]:
    if scenario.kind != "fixed":
        return []
    found: list[Window] = []
    ended = None
    for _, group in groupby(arrivals, key=lambda arrival: arrival.window):
        counted = list(group)
        opened = counted[0].counted
        own = [arrival for arrival in counted if arrival.who != FOREIGN]
        found.append(
            Window(
                opened=round(opened - first, 1),
                idle=0.0 if ended is None else round(opened - ended, 1),
                served=sum(arrival.status == 200 for arrival in own),
                refused=sum(arrival.status == 429 for arrival in own),
                foreign=len(counted) - len(own),
                limit=counted[-1].limit,
            )
        )
        ended = opened + scenario.window * 1000
    return found


@contextlib.contextmanager
def _local_clock(scenario: Scenario) -> Generator[None]:
    """Step the wall clock of this process as the scenario says."""
    if not scenario.clock_steps:
        yield
        return
    true_time, began = time.time, time.monotonic()

    def stepped() -> float:
        past = time.monotonic() - began
        return true_time() + sum(step for at, step in scenario.clock_steps if past >= at)

    with mock.patch.object(time, "time", stepped):
        yield


@contextlib.asynccontextmanager
async def _foreign(scenario: Scenario, server: Server) -> AsyncGenerator[None]:
    """Let another program use the same key, a few requests in each window, as long as the block runs."""
    if not scenario.foreign:
        yield
        return
    task = asyncio.create_task(_send_foreign(scenario, server.base_url))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _send_foreign(scenario: Scenario, base_url: str) -> None:
    rng = random.Random(1)
    gap = scenario.window / scenario.foreign
    headers = {"Authorization": f"Bearer {KEY}", "x-who": FOREIGN}
    due = time.monotonic()
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            # Somewhere in each of its thirds of a window; a refused one is not sent again.
            await asyncio.sleep(max(0.0, due + rng.uniform(0, gap) - time.monotonic()))
            async with session.get(f"{base_url}/chats?limit=1") as response:
                await response.read()
            due += gap


def _root(error: Exception) -> Exception:
    """Give the first error of a group, which is what a task group makes of one."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error
