"""Run the same job in 1, 2, 4 and 8 processes, by each kind of limiter, and say what the server counted."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
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
    from collections.abc import AsyncGenerator

    from benchmarks.compare.npm import Node

__all__ = ["run"]

_LIMITS = (10, 100)
_PROCESSES = (1, 2, 4, 8)
_WINDOWS = 15
_TASKS = 12
_PATIENCE_SECONDS = 90


class _Run(Struct):
    """What the server counted."""

    seconds: float
    """From the first request that it counted to the last one that passed."""
    passed: int
    refused: int


def run(*, is_smoke: bool) -> None:
    """Print a table; the floor is the fastest that the limit allows."""
    found = express_here()
    express = None if isinstance(found, str) else found
    print(f"one key, many processes; {express.version if express else f'no Express ({found}); the sandbox counts'}")
    print("limit   processes  limiter                     ratio to the floor  refused of")
    for limit in (10,) if is_smoke else _LIMITS:
        for processes in (2,) if is_smoke else _PROCESSES:
            for kind in (Kind.SHARED,) if is_smoke else Kind:
                found_out = asyncio.run(_measure(kind, limit, processes, 2 if is_smoke else _WINDOWS, express))
                windows = -(-found_out.passed // limit)
                ratio = found_out.seconds / (windows - 1)
                print(
                    f"{limit:4}/1 s {processes:8}   {kind.value:26} {ratio:16.3f}  {found_out.refused:6} "
                    f"{found_out.passed + found_out.refused:6}",
                    flush=True,
                )
                if is_smoke:
                    assert found_out.refused == 0, "the shared limiter was refused"


async def _measure(kind: Kind, limit: int, processes: int, windows: int, express: Node | None) -> _Run:
    scenario = Scenario(name="shared", title="shared", limit=limit, pages=limit * windows, page_size=1)
    with tempfile.TemporaryDirectory() as folder:
        async with running_store(folder) as redis_url, serve(scenario, express) as server:
            part = Part(
                kind=kind,
                base_url=server.base_url,
                redis_url=redis_url,
                limit=limit,
                window=1.0,
                processes=processes,
                pages=limit * windows // processes,
                tasks=max(_TASKS, limit),
            )
            await _work_in(processes, part)
            arrivals = await server.arrivals()
    passed = [arrival.counted for arrival in arrivals if arrival.status not in REFUSED]
    return _Run((max(passed) - min(passed)) / 1000, len(passed), len(arrivals) - len(passed))


async def _work_in(processes: int, part: Part) -> None:
    """Start all, let them begin together, and wait for the last one."""
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(_worker(part)) for _ in range(processes)]
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
