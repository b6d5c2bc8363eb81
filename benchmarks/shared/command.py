"""Run the same job in 1, 2, 4 and 8 processes, by each kind of limiter, and say what the server counted."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from enum import Enum
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from benchmarks.limiter.programs import NoServerError
from benchmarks.limiter.records import REFUSED
from benchmarks.limiter.scenario import Scenario
from benchmarks.limiter.server import express_here, serve
from benchmarks.shared.kinds import Kind, Part
from benchmarks.shared.store import running_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from benchmarks.compare.npm import Node

__all__ = ["run"]

_LIMITS = (10, 100)
_WINDOWS = 15
_TASKS = 12
# What a process that has no export does: a few calls, one after the other.
_CALLS = 3
_SECONDS_BETWEEN_CALLS = 4.0
_PATIENCE_SECONDS = 180


# Seconds that a request takes to the count, where the server is not on this machine.
_WAY = 0.005, 0.04


class Load(Enum):
    """How the work is spread over the processes, and where the server is."""

    EVEN = "even"
    UNEVEN = "one exports"
    """One process has all pages, and each of the others makes a few calls."""
    FAR = "one exports, far"
    """The same over a network: requests take 5 to 40 ms to the server."""


_LOADS = {1: [Load.EVEN], 2: [Load.EVEN, Load.UNEVEN], 4: list(Load), 8: [Load.EVEN, Load.UNEVEN]}
"""By the number of processes."""


class _Run(Struct):
    """What the server counted."""

    seconds: float
    """From the first request that it counted to the last one that passed."""
    passed: int
    refused: int

    def over_floor(self, limit: int) -> float:
        """Give the time over the fastest that the limit allows: a full window of requests, then the next."""
        return self.seconds / (-(-self.passed // limit) - 1)


def run(*, is_smoke: bool) -> None:
    """Print a table; the floor is the fastest that the limit allows."""
    found = express_here()
    express = None if isinstance(found, str) else found
    print(f"one key, many processes; {express.version if express else f'no Express ({found}); the sandbox counts'}")
    print("limit   processes  load              limiter                     time over the floor  refused of")
    if is_smoke:
        ours = _compare(Load.EVEN, 10, 2, 2, express, kinds=[Kind.SHARED])
        assert ours[Kind.SHARED].refused == 0, "the shared limiter was refused"
        return
    for limit in _LIMITS:
        for processes, loads in _LOADS.items():
            for load in loads:
                _judge(_compare(load, limit, processes, _WINDOWS, express, kinds=list(Kind)), limit)


def _compare(
    load: Load, limit: int, processes: int, windows: int, express: Node | None, *, kinds: Sequence[Kind]
) -> dict[Kind, _Run]:
    found: dict[Kind, _Run] = {}
    for kind in kinds:
        found[kind] = counted = asyncio.run(_measure(kind, load, limit, processes, windows, express))
        print(
            f"{limit:4}/1 s {processes:8}   {load.value:17} {kind.value:26} {counted.over_floor(limit):20.3f}  "
            f"{counted.refused:6} {counted.passed + counted.refused:6}",
            flush=True,
        )
    return found


def _judge(found: dict[Kind, _Run], limit: int) -> None:
    """Say how much faster ours is than the best of the others, and how much faster any limiter could be."""
    rivals = {kind: run for kind, run in found.items() if kind is not Kind.SHARED and not run.refused}
    if not rivals:
        print("    each of the others was refused")
        return
    best = min(rivals, key=lambda kind: rivals[kind].over_floor(limit))
    most = rivals[best].over_floor(limit)
    print(
        f"    the fastest other without a refusal: {best.value}; shared over Redis is "
        f"{most / found[Kind.SHARED].over_floor(limit):.2f} times as fast, and the floor {most:.2f} times",
        flush=True,
    )


async def _measure(kind: Kind, load: Load, limit: int, processes: int, windows: int, express: Node | None) -> _Run:
    delay = _WAY if load is Load.FAR else (0.0, 0.0)
    scenario = Scenario(name="shared", title="shared", limit=limit, pages=limit * windows, page_size=1, delay=delay)
    with tempfile.TemporaryDirectory() as folder:
        async with running_store(folder) as redis_url, serve(scenario, express) as server:
            share = Part(
                kind=kind,
                base_url=server.base_url,
                redis_url=redis_url,
                limit=limit,
                window=1.0,
                processes=processes,
                pages=limit * windows // processes,
                tasks=max(_TASKS, limit),
            )
            if load is Load.EVEN:
                parts = [share] * processes
            else:
                calls = msgspec.structs.replace(share, pages=_CALLS, tasks=1, pause=_SECONDS_BETWEEN_CALLS)
                pages = limit * windows - _CALLS * (processes - 1)
                parts = [msgspec.structs.replace(share, pages=pages), *[calls] * (processes - 1)]
            await _work(parts)
            arrivals = await server.arrivals()
    passed = [arrival.counted for arrival in arrivals if arrival.status not in REFUSED]
    return _Run((max(passed) - min(passed)) / 1000, len(passed), len(arrivals) - len(passed))


async def _work(parts: Sequence[Part]) -> None:
    """Start a process for each part, let them begin together, and wait for the last one."""
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(_worker(part)) for part in parts]
        for worker in workers:
            assert worker.stdout is not None
            await worker.stdout.readline()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(b"go\n")
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                codes = await asyncio.gather(*(worker.wait() for worker in workers))
        except TimeoutError:
            print(f"broken off after {_PATIENCE_SECONDS} s:")
            return
        if any(codes):
            raise NoServerError(f"workers ended with {codes}")


@contextlib.asynccontextmanager
async def _worker(part: Part) -> AsyncGenerator[asyncio.subprocess.Process]:
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.shared.worker",
        msgspec.json.encode(part).decode(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()
