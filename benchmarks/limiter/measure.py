"""One run: a fresh server, one contender, and what the server's book says afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, cast
from unittest import mock

import aiohttp
from msgspec import Struct

from benchmarks.limiter.contenders import KEY, Work
from benchmarks.limiter.records import FOREIGN, REFUSED, Arrival, Server
from benchmarks.limiter.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from benchmarks.compare.npm import Node
    from benchmarks.limiter.contenders import Job
    from benchmarks.limiter.scenario import Scenario

__all__ = ["LEARNING_WINDOWS", "Run", "Window", "measure"]

LEARNING_WINDOWS = 3
_MOST_KEPT = 5000
_FOREIGN_HEADERS = {"Authorization": f"Bearer {KEY}", "x-who": FOREIGN}


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
    half_after: float | None = None
    """Seconds until half of what the limit allows had passed within one window; None if it never did."""
    foreign_share: float = 0.0
    """Of the other program's requests after two windows, the part that was refused."""
    windows: list[Window]
    passed_at: list[int]
    """Milliseconds after the first count, of each request that passed; those of the other program left out.

    Empty where there were too many to keep.
    """
    refused_at: list[int]
    """The same of those refused."""
    limit: str = ""
    """What our client thinks of the limit at the end."""

    @property
    def over(self) -> float:
        """The share by which it took longer than the floor."""
        return self.seconds / self.floor - 1

    @property
    def refused_steady(self) -> int:
        """Refusals after the first windows."""
        return self.refused - self.refused_learning


async def measure(scenario: Scenario, contender: str, job: Job, express: Node | None) -> Run:
    """Run it. Raises :class:`NoServerError` where there is no server for the scenario."""
    work = Work()
    failure = ""
    async with serve(scenario, express) as server, _foreign(scenario, server):
        await _until_start(scenario)
        with _local_clock(scenario):
            began = time.monotonic()
            try:
                async with asyncio.timeout(scenario.patience):
                    await job(scenario, server.base_url, work)
            except TimeoutError:
                failure = f"broken off after {len(work.seen) // scenario.page_size} of {scenario.asked} pages"
            except Exception as error:  # noqa: BLE001 - a rival that breaks on a header is a result, too
                failure = f"failed: {_root(error)!r}"
            seconds = time.monotonic() - began
        arrivals = await server.arrivals()
    if work.failed:
        told = ", ".join(f"{count} {name}" for name, count in Counter(work.failed).items())
        failure = f"{failure}; " * bool(failure) + f"calls failed: {told}"
    elif not failure and len(work.seen) != scenario.to_read:
        failure = f"read {len(work.seen)} of {scenario.to_read} chats"
    # The pauses of a timetable are not the limiter's.
    return _judged(scenario, contender, sum(work.busy) or seconds, failure, arrivals, work.limit)


def _judged(
    scenario: Scenario, contender: str, seconds: float, failure: str, arrivals: list[Arrival], limit: str
) -> Run:
    own = [arrival for arrival in arrivals if arrival.who == ""]
    first = own[0].counted if own else 0.0
    learning_until = first + LEARNING_WINDOWS * scenario.window * 1000
    refused = [arrival for arrival in own if arrival.status in REFUSED]
    foreign = [arrival for arrival in arrivals if arrival.who == FOREIGN]
    windows = _windows(scenario, sorted(own + foreign, key=lambda arrival: arrival.counted), first)
    passed_at = [round(arrival.counted - first) for arrival in own if arrival.status == 200]
    served = len(passed_at)
    late = [arrival for arrival in foreign if arrival.counted >= first + 2 * scenario.window * 1000]
    return Run(
        contender=contender,
        seconds=seconds,
        floor=scenario.floor(
            asked=served if scenario.has_proof else None,
            taken=sum(arrival.status == 200 for arrival in foreign),
        ),
        failure=failure,
        served=served,
        refused=len(refused),
        refused_learning=sum(arrival.counted < learning_until for arrival in refused),
        most_refused_a_window=max((window.refused for window in windows[LEARNING_WINDOWS:]), default=0),
        foreign_refused=sum(arrival.status in REFUSED for arrival in foreign),
        half_after=_half_after(scenario, passed_at),
        foreign_share=sum(arrival.status in REFUSED for arrival in late) / max(1, len(late)),
        windows=windows,
        passed_at=passed_at if served <= _MOST_KEPT else [],
        refused_at=[round(arrival.counted - first) for arrival in refused],
        limit=limit,
    )


def _half_after(scenario: Scenario, passed_at: list[int]) -> float | None:
    half = -(-scenario.limit // 2)
    for first, last in zip(passed_at, passed_at[half - 1 :], strict=False):
        if last - first <= scenario.window * 1000:
            return last / 1000
    return None


def _windows(scenario: Scenario, arrivals: list[Arrival], first: float) -> list[Window]:
    if not all(arrival.window for arrival in arrivals) or scenario.store == "redis":
        return []  # the server has none, or each of its answers names another end of the same one
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
                refused=sum(arrival.status in REFUSED for arrival in own),
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
    """Let another program use the same key: once before the start, or a few times in each window until the end."""
    if scenario.opened_before:
        async with aiohttp.ClientSession(headers=_FOREIGN_HEADERS) as session:
            await _ask(session, server.base_url)
        await asyncio.sleep(scenario.opened_before)
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
    due = time.monotonic()
    async with aiohttp.ClientSession(headers=_FOREIGN_HEADERS) as session:
        while True:
            # Somewhere in each of its thirds of a window; a refused one is not sent again.
            at = due if scenario.is_foreign_even else due + rng.uniform(0, gap)
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            await _ask(session, base_url)
            due += gap


async def _ask(session: aiohttp.ClientSession, base_url: str) -> None:
    async with session.get(f"{base_url}/chats?limit=1") as response:
        await response.read()


async def _until_start(scenario: Scenario) -> None:
    """Wait for the part of a second at which the scenario starts."""
    if scenario.starts_at is not None:
        await asyncio.sleep((scenario.starts_at - time.time()) % 1)


def _root(error: Exception) -> Exception:
    """Give the first error of a group, which is what a task group makes of one."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error
