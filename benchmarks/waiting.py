"""What a place in the limiter's queue costs: 10,000 requests at once, beside as many tasks that only await a future."""

from __future__ import annotations

import asyncio
import math
import platform
import statistics
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from periskope_async import RateLimit, RateLimiter
from periskope_async.limits.headers import LimitHeaders

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["run"]

_Job: TypeAlias = "Callable[[int], Coroutine[Any, Any, float]]"


def run(*, is_smoke: bool) -> None:
    """Print the CPU time for one waiter, above the bare future's, and for one that is cancelled."""
    waiters, rounds = (200, 1) if is_smoke else (10_000, 7)
    rows = [
        (_seconds(_bare, waiters), _seconds(_limited, waiters), _seconds(_cancelled, waiters)) for _ in range(rounds)
    ]
    bare, limited, cancelled = (statistics.median(column) * 1e6 / waiters for column in zip(*rows, strict=True))
    print(
        f"a queue of {waiters:,}, {rounds} rounds, Python {platform.python_version()}, median CPU time for one waiter"
    )
    print(f"  a task that awaits a future    {bare:6.1f} us")
    print(f"  a request that waits its turn  {limited:6.1f} us  {limited / bare:.1f} times as much")
    print(f"    of that, being served        {_seconds(_served, waiters) * 1e6 / waiters:6.1f} us")
    print(f"  one that is cancelled          {cancelled:6.1f} us")


def _seconds(job: _Job, waiters: int) -> float:
    """Time a job, or take the time that it has measured itself."""
    began = time.process_time()
    told = asyncio.run(job(waiters))
    assert told == waiters or isinstance(told, float)
    return told if isinstance(told, float) else time.process_time() - began


async def _bare(waiters: int) -> int:
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(waiters)]

    async def wait(future: asyncio.Future[None]) -> int:
        await future
        return 1

    tasks = [asyncio.create_task(wait(future)) for future in futures]
    await asyncio.sleep(0)
    for future in futures:
        future.set_result(None)
    return sum(await asyncio.gather(*tasks))


async def _limited(waiters: int) -> int:
    gate = RateLimiter(assume=RateLimit(max(1, waiters // 10), 0.05))

    async def wait() -> int:
        permit = await gate.acquire()
        permit.sent()
        permit.answered(LimitHeaders(), status=200)
        return 1

    return sum(await asyncio.gather(*(wait() for _ in range(waiters))))


async def _served(waiters: int) -> float:
    """Time the step in which everybody in line is handed a token."""
    gate = RateLimiter(assume=RateLimit(waiters, 3600.0), max_wait=math.inf)
    holders = [await gate.acquire() for _ in range(waiters)]
    tasks = [asyncio.create_task(gate.acquire()) for _ in range(waiters)]
    await asyncio.sleep(0)
    # So that all of the tokens are free at once, and nobody was told.
    for holder in holders[1:]:
        gate._budget.give_back(holder._token[1])  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - else this step is not seen alone
    began = time.process_time()
    holders[0].unused()
    took = time.process_time() - began
    await asyncio.gather(*tasks)
    return took


async def _cancelled(waiters: int) -> int:
    gate = RateLimiter(assume=RateLimit(1, 3600.0), max_wait=math.inf)
    (await gate.acquire()).answered(LimitHeaders(), status=200)
    tasks = [asyncio.create_task(gate.acquire()) for _ in range(waiters)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert gate.snapshot().waiting == 0
    return len(ended)
