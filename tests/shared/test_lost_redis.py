"""How long anybody waits for Redis, and when it is returned to: in virtual time, with a Redis that is made up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ClosedError, PeriskopeClient, RateLimit, SharedLimiter
from periskope_async.events import Throttled
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.link import RedisLost
from tests.limits.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Self

    from periskope_async.events import Event, Hook

LIMIT, PROCESSES = 100, 4
MICROSECONDS = 1_000_000


class FakeRedis:
    """Answers both scripts as Redis does for one of four processes, while it is there."""

    def __init__(self) -> None:
        self.is_there = True
        self.refuses_with: Exception | None = None
        self.seconds = 0.001
        self.trips = 0
        self.standings: list[str] = []
        """What the process has said of itself, with each question."""
        self.out: set[int] = set()
        """Numbers of the tickets that were given, and of which nothing was heard."""

    async def __call__(self, *, keys: list[str], args: list[Any]) -> list[int]:  # noqa: ARG002 - as redis-py calls it
        loop = asyncio.get_running_loop()
        self.trips += 1
        if self.refuses_with:
            raise self.refuses_with
        if not self.is_there:
            await asyncio.sleep(1e9)
        await asyncio.sleep(self.seconds)
        now = round(loop.time() * MICROSECONDS)
        word = [now, LIMIT, MICROSECONDS, 1, 0]
        if isinstance(args[0], int):
            # The one that settles: the news of each ticket stands behind fifteen others.
            self.out -= {int(token.partition(":")[2]) for token in args[15::2]}
            return word
        _, first, wanted, _, _, _, standing, _ = args
        self.standings.append(standing)
        given = range(first, first + min(wanted, LIMIT // PROCESSES))
        self.out |= set(given)
        return [*word, PROCESSES, 0, 100_000, self.trips, 0, LIMIT, LIMIT - len(given), *[now] * len(given)]


class Calls:
    """A limiter over such a Redis, and how long each call waits in it."""

    def __init__(self, *, max_wait: float | None = None) -> None:
        self.redis = FakeRedis()
        self.limiter = SharedLimiter("redis://127.0.0.1:1", max_wait=max_wait)
        PeriskopeClient("key", limiter=self.limiter)
        self.limiter._link._reserve = self.limiter._link._settle = self.redis  # type: ignore[assignment]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.limiter.__aexit__(None, None, None)

    async def call(self, *hooks: Hook) -> float:
        permit = await self.limiter.acquire(hooks=hooks)
        permit.sent()
        await asyncio.sleep(0.01)
        permit.answered(LimitHeaders(), status=200)
        return permit.seconds_waited

    async def call_many(self, count: int) -> list[float]:
        return await asyncio.gather(*(self.call() for _ in range(count)))


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


@pytest.fixture(autouse=True)
def patience() -> None:
    """Take the time that users have, in place of the other tests'."""


def test_a_redis_that_never_answers_is_waited_for_once(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with Calls() as calls:
            calls.redis.is_there = False
            waiting = asyncio.ensure_future(calls.call())
            await asyncio.sleep(0.2)
            # This one comes while the trip is under way.
            assert max(await calls.call(), await waiting) <= 0.46
            assert caplog.text.count("Redis is away") == 1

    run(work())


def test_a_trip_that_fails_late_loses_redis_once(caplog: pytest.LogCaptureFixture) -> None:
    """It began before, and Redis is back when it fails."""

    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            await asyncio.sleep(1.0)
            limiter = calls.limiter

            async def late(_: Sequence[str | float]) -> list[int]:
                await asyncio.sleep(2.0)
                raise RedisLost("no answer within 2 s")

            settle, limiter._link.settle = limiter._link.settle, late  # type: ignore[method-assign,assignment]
            await calls.call()
            await asyncio.sleep(0.1)
            limiter._link.settle = settle  # type: ignore[method-assign]
            limiter._lose("no answer within 0.4 s")
            await asyncio.sleep(5.0)
            assert "with Redis" in repr(limiter)
            assert caplog.text.count("Redis is away") == 1

    run(work())


@pytest.mark.parametrize("error", [None, ConnectionRefusedError()], ids=["hangs", "refuses"])
def test_nobody_waits_longer_than_half_a_second(error: Exception | None) -> None:
    """Beside the window that is let pass, since it may be spent: whenever the call comes."""

    async def work() -> None:
        for offset in range(12):
            async with Calls() as calls:
                await calls.call_many(10)
                await asyncio.sleep(5.0)
                calls.redis.is_there, calls.redis.refuses_with = False, error
                others = asyncio.ensure_future(calls.call_many(3))
                await asyncio.sleep(offset * 0.03)
                assert await calls.call() <= 0.5 + 1.0
                assert max(await others) <= 0.5 + 1.0
                # From then on it is not waited for at all.
                await asyncio.sleep(2.0)
                assert max(await calls.call_many(10)) < 0.01

    run(work())


def test_a_process_alone_keeps_to_its_share() -> None:
    async def work() -> None:
        async with Calls() as calls:
            await calls.call_many(10)
            calls.redis.is_there = False
            loop = asyncio.get_running_loop()
            began = loop.time()
            await calls.call_many(10 * LIMIT // PROCESSES)
            assert 10.0 <= loop.time() - began <= 12.0

    run(work())


def test_it_returns_within_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            calls.redis.is_there = False
            await calls.call()
            await asyncio.sleep(60.0)
            calls.redis.is_there = True
            await asyncio.sleep(5.3)
            assert "with Redis" in repr(calls.limiter)
            assert caplog.text.count("Redis is back") == 1

    run(work())


@pytest.mark.parametrize(("sends", "standing"), [(True, "rejoins"), (False, "knows")])
def test_only_what_was_sent_alone_closes_the_budget(standing: str, *, sends: bool) -> None:
    """Else a process with a bad way to Redis would stop all others again and again, and want nothing itself."""

    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            calls.redis.is_there = False
            calls.limiter._lose("no answer within 0.45 s")
            if sends:
                await calls.call()
            await asyncio.sleep(3.0)
            calls.redis.is_there = True
            await asyncio.sleep(6.0)
            assert "with Redis" in repr(calls.limiter)
            assert calls.redis.standings[-1] == standing

    run(work())


def test_an_error_of_no_known_kind_is_a_loss_too(caplog: pytest.LogCaptureFixture) -> None:
    """redis-py raises RuntimeError now and then, as for a buffer that is closed."""

    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            calls.redis.refuses_with = RuntimeError("Buffer is closed.")
            await calls.call()
            await asyncio.sleep(30.0)
            calls.redis.refuses_with = None
            await asyncio.sleep(5.3)
            assert "with Redis" in repr(calls.limiter)
            assert caplog.text.count("Redis is away") == 1

    run(work())


def test_a_loop_that_was_held_up_loses_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The answer was there in time, but nobody looked."""

    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            calls.redis.seconds = 0.1
            waiting = asyncio.ensure_future(calls.call())
            await asyncio.sleep(0.05)
            loop.seconds += 3.0
            await waiting
            assert not caplog.records

    run(work())


def test_a_slow_redis_costs_latency_and_not_the_limit() -> None:
    async def work() -> None:
        async with Calls() as calls:
            calls.redis.seconds = 0.1
            assert max(await calls.call_many(20)) <= 0.11
            assert calls.limiter.snapshot().limit == LIMIT

    run(work())


def test_a_short_max_wait_leaves_redis_its_time_to_answer() -> None:
    """A first trip connects and loads a script too."""

    async def work() -> None:
        async with Calls(max_wait=0.1) as calls:
            calls.redis.seconds = 0.4
            assert max(await calls.call_many(3)) <= 0.41

    run(work())


def test_only_those_are_told_of_a_wait_who_wait_for_the_limit() -> None:
    """Asking Redis is no wait of the kind."""

    async def work() -> None:
        async with Calls() as calls:
            told: list[Event] = []
            for _ in range(3):
                await calls.call(told.append)
            assert not told
            # One trip gives a quarter of the limit.
            share = LIMIT // PROCESSES
            await asyncio.gather(*(calls.call(told.append) for _ in range(share + 2)))
            assert [event.waiting for event in told if isinstance(event, Throttled)] == [2, 2]
            calls.redis.is_there = False
            await calls.call(told.append)
            assert len(told) == 3

    run(work())


def test_each_is_told_of_its_wait_in_its_own_task() -> None:
    """A hook for OpenTelemetry knows the request by its task, and logs know theirs by its context."""

    async def work() -> None:
        async with Calls() as calls:
            told: list[asyncio.Task[Any] | None] = []
            hook: Hook = lambda _: told.append(asyncio.current_task())  # noqa: E731 - one expression, in its place
            tasks = [asyncio.create_task(calls.call(hook)) for _ in range(LIMIT)]
            await asyncio.gather(*tasks)
            assert len(told) == len(set(told)) == LIMIT - LIMIT // PROCESSES
            assert set(told) <= set(tasks)

    run(work())


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_one_who_waits_to_hear_of_redis_leaves_nothing_behind(*, is_cancelled: bool) -> None:
    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            calls.redis.seconds = 0.1
            task = asyncio.create_task(calls.call(lambda _: None))
            await asyncio.sleep(0.05)
            task.cancel() if is_cancelled else calls.limiter.close()
            with pytest.raises(asyncio.CancelledError if is_cancelled else ClosedError):
                await task
            assert not calls.limiter.snapshot().waiting

    run(work())


def test_a_request_sent_alone_during_the_trip_back_closes_the_budget_too() -> None:
    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            calls.redis.is_there = False
            calls.limiter._lose("no answer within 0.45 s")
            await asyncio.sleep(3.0)
            calls.redis.is_there, calls.redis.seconds = True, 0.4
            trips = calls.redis.trips
            for _ in range(1_000):
                await asyncio.sleep(0.01 if calls.redis.trips == trips else 0)
            await calls.call()
            await asyncio.sleep(12.0)
            assert "with Redis" in repr(calls.limiter)
            assert calls.redis.standings[-1] == "rejoins"

    run(work())


def test_the_limit_is_assumed_where_redis_was_never_there() -> None:
    async def work() -> None:
        limiter = SharedLimiter("redis://127.0.0.1:1", assume=RateLimit(7, 1.0))
        PeriskopeClient("key", limiter=limiter)
        redis = FakeRedis()
        redis.refuses_with = ConnectionRefusedError()
        limiter._link._reserve = limiter._link._settle = redis  # type: ignore[assignment]
        async with limiter:
            permit = await limiter.acquire()
            permit.unused()
            assert limiter.snapshot().limit == 7

    run(work())


@pytest.mark.parametrize("after", [0.001, 0.02, 0.03, 0.06, 0.12])
def test_closing_gives_back_what_was_reserved(after: float) -> None:
    """Wherever the trips are, and in half a second if Redis hangs."""

    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            calls.redis.seconds = 0.05
            waiting = asyncio.ensure_future(calls.call_many(3))
            await asyncio.sleep(after)
            waiting.cancel()
            await asyncio.wait([waiting])
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 0.2
        assert not calls.redis.out

    run(work())


def test_closing_waits_no_longer_than_half_a_second() -> None:
    async def work() -> None:
        async with Calls() as calls:
            await calls.call()
            calls.redis.is_there = False
            waiting = asyncio.ensure_future(calls.call_many(3))
            await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began <= 0.51

    run(work())
