"""Calls with their retries against a limit that names nothing, in virtual time: how many fail, and are refused."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from periskope_async.errors import RateLimitError, ServerError
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.meta import ResponseMeta
from periskope_async.retry import RetryPolicy, may_ask_again, next_wait
from tests.limits.servers import FixedWindow, LeakyBucket, Server, SlidingLog
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
        self.refused_at: list[float] = []
        self.failed = 0

    async def call(self) -> None:
        """Try as :class:`~periskope_async.call.Call` does."""
        loop, in_line, refusals = asyncio.get_running_loop(), 0.0, 0
        began = first_refused_at = loop.time()
        for tries in itertools.count(1):
            permit = await self.gate.acquire(is_retry=tries > 1)
            in_line += permit.seconds_waited
            permit.sent()
            status = self.answer(loop.time() - self.began)
            await asyncio.sleep(SECONDS_OF_AN_ANSWER)
            permit.answered(NOTHING_SAID, status=status)
            if status == 200:
                self.passed_at.append(loop.time() - self.began)
                return
            self.refused_at.append(loop.time() - self.began)
            meta = ResponseMeta(status=status)
            if status == 429:
                first_refused_at = first_refused_at if refusals else loop.time()
                refusals += 1
                error = RateLimitError("no", status=status, meta=meta)
                if not may_ask_again(POLICY, error, refused_for=loop.time() - first_refused_at):
                    break
            else:
                wait = next_wait(
                    POLICY,
                    attempt=tries - refusals,
                    error=ServerError("no", status=status, meta=meta),
                    elapsed=loop.time() - began - in_line,
                    rng=self.rng,
                )
                if wait is None:
                    break
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


def bare(server: Server, status: int) -> Callable[[float], int]:
    return lambda at: status if server.count(at).is_refused else 200


def leaky(rate: float, status: int) -> Callable[[float], int]:
    return bare(LeakyBucket(rate, early=0), status)


@pytest.mark.parametrize("tasks", [1, 5, 30])
@pytest.mark.parametrize("rate", [0.25, 0.5, 1, 2, 10])
@pytest.mark.parametrize("status", [429, 503, 529])
def test_no_call_fails_however_slow_the_limit_is(status: int, rate: float, tasks: int) -> None:
    """The pace comes down before a call has spent its tries."""
    for seed in range(4):
        done = run(leaky(rate, status), calls=25, tasks=tasks, seed=seed)
        assert done.failed == 0
        refused = len(done.refused_at)
        assert refused <= 0.3 * (25 + refused)
        assert done.passed_at[-1] <= 2 * 25 / rate


@pytest.mark.parametrize("tasks", [1, 30])
@pytest.mark.parametrize("down", [3.0, 30.0])
def test_a_server_that_was_down_is_soon_asked_as_before(down: float, tasks: int) -> None:
    """The 503s at the beginning of an outage may be a limit's, and slow everybody down."""
    back, limited = 20.0 + down, leaky(10, 429)
    done = run(lambda at: 503 if 20 <= at < back else limited(at), calls=10**6, tasks=tasks, seed=1, until=back + 90)
    assert min(at for at in done.passed_at if at >= back) <= back + 5
    assert sum(at >= back + 80 for at in done.passed_at) >= 0.8 * 10 * 10


@pytest.mark.parametrize("tasks", [1, 20])
@pytest.mark.parametrize("kind", [FixedWindow, SlidingLog])
@pytest.mark.parametrize(("limit", "window"), [(100, 60.0), (10, 60.0), (20, 5.0)])
def test_a_long_window_fails_no_call_and_is_learned(
    kind: type[FixedWindow | SlidingLog], limit: int, window: float, tasks: int
) -> None:
    done = run(bare(kind(limit, window), 429), calls=10**6, tasks=tasks, seed=1, until=360.0)
    assert done.failed == 0
    for minute in range(6):
        refused = sum(60 * minute <= at < 60 * minute + 60 for at in done.refused_at)
        assert refused <= (10 if minute == 0 else 6)
    assert sum(at < 360 for at in done.passed_at) >= 0.9 * 360 * limit / window


@pytest.mark.parametrize("tasks", [1, 20])
def test_a_window_spent_by_an_earlier_program_fails_no_call(tasks: int) -> None:
    server = FixedWindow(100, 60.0)
    server.ends_at, server.hits = 55.0, 100
    done = run(bare(server, 429), calls=10**6, tasks=tasks, seed=1, until=240.0)
    assert done.failed == 0
    assert sum(at < 60 for at in done.refused_at) <= 8
    assert sum(at < 240 for at in done.passed_at) >= 0.7 * 3 * 100


def test_a_server_that_refuses_for_good_ends_a_call_in_minutes() -> None:
    done = run(lambda _: 429, calls=1, tasks=1, seed=1)
    assert done.failed == 1
    assert len(done.refused_at) <= 13
    assert 180 < done.refused_at[-1] <= 215


@pytest.mark.parametrize("every", [5.0, 30.0])
def test_a_short_spell_of_refusals_does_not_slow_a_program_that_rests(every: float) -> None:
    """What it sent before tells what it wanted, and not what the limit allows."""
    done = Run(lambda at: 429 if 300 <= at < 301.5 else 200, seed=1)
    waits: list[float] = []

    async def call_now_and_then() -> None:
        loop = asyncio.get_running_loop()
        done.began = loop.time()
        for _ in range(int(600 / every)):
            began = loop.time()
            await done.call()
            waits.append(loop.time() - began)
            await asyncio.sleep(every - waits[-1])

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(call_now_and_then())
    assert done.failed == 0
    assert len(done.refused_at) >= 2
    assert sum(wait > 1 for wait in waits) <= 1
