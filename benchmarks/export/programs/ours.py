"""This package's export, of this build or of an older one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.export.programs.harness import KEY, Job, Outcome, main
from periskope_async import PeriskopeClient
from periskope_async.export import export_chats

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_TICK_SECONDS = 0.001


async def _export(job: Job, outcome: Outcome) -> None:
    async with PeriskopeClient(KEY, base_url=job.base_url) as client:
        pager = client.iter_chats(page_size=job.page_size)
        if not job.is_held:
            await export_chats(pager, job.out)
            return
        async with _watched(outcome):
            await export_chats(pager, job.out)


@contextlib.asynccontextmanager
async def _watched(outcome: Outcome) -> AsyncGenerator[None]:
    """Run a task that sleeps a millisecond at a time, and note when it gets its turn."""
    turns: list[float] = []

    async def tick() -> None:
        while True:
            turns.append(time.perf_counter())
            await asyncio.sleep(_TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    yield
    turns.append(time.perf_counter())
    ticking.cancel()
    gaps = sorted((after - before - _TICK_SECONDS) * 1000 for before, after in pairwise(turns))
    outcome.held_ms, outcome.held_most_ms = gaps[int(len(gaps) * 0.99)], gaps[-1]


if __name__ == "__main__":
    main(lambda job, outcome: asyncio.run(_export(job, outcome)))
