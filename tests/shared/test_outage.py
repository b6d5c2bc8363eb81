"""Redis goes and comes back while several limiters run: the real ones and the real scripts, in virtual time."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import PeriskopeClient, SharedLimiter
from periskope_async.limits.scripts import RESERVE, SETTLE
from tests.limits.servers import FixedWindow, headers_of
from tests.limits.virtual import VirtualLoop
from tests.shared.processes import timed

if TYPE_CHECKING:
    from tests.shared.stores import Store

LIMIT = 20


class Outage:
    """Limiters on one server, with work without end, and a Redis that is away for some time."""

    def __init__(self, redis: Any, *, window: float = 1.0) -> None:
        self.redis = redis
        self.away = (math.inf, math.inf)
        """From when until when Redis is away. Each limiter loses it a little later than the one before."""
        self.server = FixedWindow(LIMIT, window)
        self.passed: list[float] = []
        self.refused: list[float] = []

    def limiter(self, late: float) -> SharedLimiter:
        made = SharedLimiter("redis://127.0.0.1:1")
        PeriskopeClient("key", limiter=made)

        def script(text: str) -> Any:
            run = timed(self.redis, text)

            async def trip(*, keys: list[str], args: list[Any]) -> list[int]:
                await asyncio.sleep(0.0005)
                now = asyncio.get_running_loop().time()
                since, until = self.away
                if since + late <= now < until:
                    raise ConnectionRefusedError
                reply = run(keys, args, now)
                await asyncio.sleep(0.0005)
                return reply

            return trip

        made._link._reserve, made._link._settle = script(RESERVE), script(SETTLE)
        return made

    async def work(self, limiter: SharedLimiter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            permit = await limiter.acquire()
            permit.sent()
            await asyncio.sleep(0.002)
            counted = self.server.count(loop.time())
            headers = headers_of(counted, loop.time())
            await asyncio.sleep(0.01)
            (self.refused if counted.is_refused else self.passed).append(loop.time())
            permit.answered(headers, status=429 if counted.is_refused else 200)


@pytest.fixture(autouse=True)
def patience() -> None:
    """Take the time that users have, in place of the other tests'."""


@pytest.mark.parametrize("seconds", [3.0, 70.0])
def test_hardly_anybody_is_refused_while_redis_goes_and_comes(store: Store, seconds: float) -> None:
    """Where one process still has Redis, and others have not, their shares may overlap for a moment."""

    async def work() -> None:
        run = Outage(store.admin())
        limiters = [run.limiter(late) for late in (0.0, 0.7, 1.1, 1.9)]
        began = asyncio.get_running_loop().time()
        tasks = [asyncio.ensure_future(run.work(limiter)) for limiter in limiters for _ in range(LIMIT)]
        run.away = began + 5.03, began + 5.03 + seconds
        await asyncio.sleep(5.03 + seconds)
        store.admin().flushall()
        await asyncio.sleep(20.0)
        assert all("with Redis" in repr(limiter) for limiter in limiters)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for limiter in limiters:
            await limiter.close()
        ends = began + 5 + seconds
        assert len(run.refused) <= LIMIT / 4, run.refused
        in_outage = [moment for moment in run.passed if began + 7 < moment < ends]
        # A refusal holds everybody up until the next window.
        assert len(in_outage) >= 0.7 * LIMIT * (seconds - 2)
        # Nearly all of it again when everybody is back.
        assert len([moment for moment in run.passed if moment > ends + 12]) >= 0.7 * LIMIT * 8

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())


@pytest.mark.parametrize("window", [1.0, 5.0])
def test_a_process_that_starts_before_redis_soon_has_the_whole_limit(store: Store, window: float) -> None:
    """What it has sent alone is nobody else's use."""

    async def work() -> None:
        run = Outage(store.admin(), window=window)
        limiter = run.limiter(0.0)
        began = asyncio.get_running_loop().time()
        run.away = began, began + 2.3
        tasks = [asyncio.ensure_future(run.work(limiter)) for _ in range(2 * LIMIT)]
        await asyncio.sleep(40.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await limiter.close()
        assert not run.refused
        assert len([moment for moment in run.passed if moment > began + 10]) >= 0.9 * LIMIT * 30 / window

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())
