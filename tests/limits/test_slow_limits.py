"""Calls with their retries against a limit that names nothing, in virtual time: how many fail, and are refused."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from periskope_async.errors import RateLimitError, ServerError
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.meta import ResponseMeta
from periskope_async.retry import RetryPolicy, next_wait
from tests.limits.servers import LeakyBucket
from tests.limits.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING_SAID = LimitHeaders()
POLICY = RetryPolicy()
SECONDS_OF_AN_ANSWER = 0.01


class Run:
    """Tasks that call a server by one gate."""

    def __init__(self, answer: Callable[[float], int], *, seed: int) -> None:
        self.answer = answer
        """Gives the status of a request by the seconds since the start."""
        self.rng = random.Random(seed)
        self.gate = RateLimiter(rng=random.Random(seed))
        self.passed_at: list[float] = []
        self.refused = self.failed = 0

    async def call(self) -> None:
        loop, waited = asyncio.get_running_loop(), 0.0
        began = loop.time()
        for tries in range(1, POLICY.tries + 1):
            permit = await self.gate.acquire(is_retry=tries > 1)
            waited += permit.seconds_waited
            permit.sent()
            status = self.answer(loop.time() - self.began)
            await asyncio.sleep(SECONDS_OF_AN_ANSWER)
            permit.answered(NOTHING_SAID, status=status)
            if status == 200:
                self.passed_at.append(loop.time() - self.began)
                return
            self.refused += 1
            kind = RateLimitError if status == 429 else ServerError
            error = kind("no", status=status, meta=ResponseMeta(status=status))
            elapsed = loop.time() - began - waited
            wait = next_wait(POLICY, attempt=tries, error=error, elapsed=elapsed, rng=self.rng)
            if wait is not None:
                await asyncio.sleep(wait)
        self.failed += 1

    async def work(self, calls: Iterator[int], *, until: float) -> None:
        for _ in calls:
            await self.call()
            if asyncio.get_running_loop().time() > self.began + until:
                return

    async def all(self, calls: int, tasks: int, until: float) -> None:
        self.began = asyncio.get_running_loop().time()
        waiting = iter(range(calls))
        await asyncio.gather(*(self.work(waiting, until=until) for _ in range(tasks)))


def run(answer: Callable[[float], int], *, calls: int, tasks: int, seed: int, until: float = 1e6) -> Run:
    done = Run(answer, seed=seed)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(done.all(calls, tasks, until))
    return done


def leaky(rate: float, status: int) -> Callable[[float], int]:
    server = LeakyBucket(rate, early=0)
    return lambda at: status if server.count(at).is_refused else 200


@pytest.mark.parametrize("tasks", [1, 5, 30])
@pytest.mark.parametrize("rate", [0.25, 0.5, 1, 2, 10])
@pytest.mark.parametrize("status", [429, 503, 529])
def test_no_call_fails_however_slow_the_limit_is(status: int, rate: float, tasks: int) -> None:
    """The pace comes down before a call has spent its tries."""
    for seed in range(4):
        done = run(leaky(rate, status), calls=25, tasks=tasks, seed=seed)
        assert done.failed == 0
        assert done.refused <= 0.3 * (25 + done.refused)
        assert done.passed_at[-1] <= 2 * 25 / rate


@pytest.mark.parametrize("tasks", [1, 30])
@pytest.mark.parametrize("down", [3.0, 30.0])
def test_a_server_that_was_down_is_soon_asked_as_before(down: float, tasks: int) -> None:
    """The 503s at the beginning of an outage may be a limit's, and slow everybody down."""
    back, limited = 20.0 + down, leaky(10, 429)
    done = run(lambda at: 503 if 20 <= at < back else limited(at), calls=10**6, tasks=tasks, seed=1, until=back + 90)
    assert min(at for at in done.passed_at if at >= back) <= back + 5
    assert sum(at >= back + 80 for at in done.passed_at) >= 0.8 * 10 * 10
