"""Long waits at the gate: who is told, who is held, and who is let off; and that looking changes nothing."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import WaitTooLong
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit
from tests.limits.servers import FixedWindow, headers_of
from tests.limits.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async.limits.permit import Permit

pytestmark = pytest.mark.usefixtures("nothing_left_over")

NOTHING_SAID = LimitHeaders()


def limiter(assume: RateLimit | None, **kwargs: Any) -> RateLimiter:
    return RateLimiter(assume=assume, rng=random.Random(1), **kwargs)


def now() -> float:
    return asyncio.get_running_loop().time()


def waits_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and record.getMessage().startswith("waiting ")
    ]


async def use(gate: RateLimiter) -> None:
    permit = await gate.acquire()
    permit.sent()
    permit.answered(NOTHING_SAID, status=200)


@pytest.mark.parametrize(("window", "told"), [(1.0, 0), (9.0, 0), (11.0, 1), (60.0, 1)])
async def test_one_warning_tells_of_a_long_wait(window: float, told: int, caplog: pytest.LogCaptureFixture) -> None:
    """However many wait; the command line, which shows the wait itself, knows it by its first word."""
    gate = limiter(RateLimit(1, window))
    await asyncio.gather(*(use(gate) for _ in range(4)))
    assert len(waits_told(caplog)) == told


@pytest.mark.parametrize(
    ("headers", "told_by"),
    [
        (LimitHeaders(limit=10, remaining=0, resets_in=60.0), "by the limit's reset"),
        (LimitHeaders(limit=10, remaining=0, resets_in=60.0, retry_after=60.0), "by Retry-After"),
    ],
    ids=["reset", "Retry-After"],
)
async def test_the_warning_names_what_told_of_the_wait(
    headers: LimitHeaders, told_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    gate = limiter(RateLimit(10, 60.0))
    (await gate.acquire()).answered(headers, status=429 if headers.retry_after else 200)
    await use(gate)
    assert told_by in waits_told(caplog)[0]


async def test_a_server_that_asks_for_a_wait_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Its 503 need not be a limit's."""
    gate = limiter(RateLimit(10, 1.0))
    (await gate.acquire()).answered(LimitHeaders(limit=10, remaining=9, resets_in=1.0), status=200)
    (await gate.acquire()).answered(LimitHeaders(retry_after=30.0), status=503)
    await use(gate)
    assert "by Retry-After" in waits_told(caplog)[0]


async def test_the_next_long_wait_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    """Once the line was empty, it is another wait."""
    gate = limiter(RateLimit(1, 20.0))
    for _ in range(3):
        await use(gate)
    assert len(waits_told(caplog)) == 2


async def test_the_second_call_after_a_day_long_wait_fails_at_once() -> None:
    """Nobody who set no ``max_wait`` asked to be held for a day."""
    gate = limiter(RateLimit(10, 1.0))
    (await gate.acquire()).answered(LimitHeaders(retry_after=86_400.0), status=429)
    began = now()
    with pytest.raises(WaitTooLong) as caught:
        await gate.acquire()
    assert now() == began
    assert caught.value.needed >= 86_400.0


async def test_those_who_wait_are_let_off_by_a_day_long_wait() -> None:
    gate = limiter(RateLimit(1, 1.0))
    permit = await gate.acquire()
    waiting = [asyncio.create_task(gate.acquire(is_bulk=bool(number % 2))) for number in range(4)]
    await asyncio.sleep(0.1)
    permit.answered(LimitHeaders(retry_after=86_400.0), status=429)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [WaitTooLong] * 4
    assert gate.snapshot().waiting == 0


@pytest.mark.parametrize(
    ("max_wait", "retry_after", "is_let_off"),
    [(None, 290.0, False), (None, 301.0, True), (1_000.0, 900.0, False), (float("inf"), 86_400.0, False)],
)
async def test_how_long_a_call_is_held(max_wait: float | None, retry_after: float, *, is_let_off: bool) -> None:
    """Five minutes where nothing was said, else as long as ``max_wait`` says."""
    gate = limiter(RateLimit(10, 1.0), max_wait=max_wait)
    (await gate.acquire()).answered(LimitHeaders(retry_after=retry_after), status=429)
    if is_let_off:
        with pytest.raises(WaitTooLong):
            await gate.acquire()
        return
    began = now()
    (await gate.acquire()).unused()
    assert retry_after <= now() - began <= retry_after + 1.0


async def test_a_long_line_alone_fails_nobody() -> None:
    """Without ``max_wait`` it may be as long as it likes: each window serves some."""
    gate = limiter(RateLimit(1, 10.0))
    began = now()
    await asyncio.gather(*(use(gate) for _ in range(50)))
    assert now() - began >= 490.0


async def test_a_quarter_of_an_hour_is_asked_about_after_a_minute() -> None:
    """One answer's word, as of a limiter whose clock is off, holds nobody up for longer."""
    gate = limiter(None)
    permit = await gate.acquire()
    permit.sent()
    permit.answered(LimitHeaders(limit=10, remaining=0, resets_in=899.0), status=200)
    began = now()
    await use(gate)
    assert now() - began <= 61.0


async def test_a_503_of_a_limit_is_a_refusal() -> None:
    """Two of them among passes; one alone is a server's own trouble and closes nothing."""
    gate = limiter(RateLimit(10, 1.0))
    for status in (200, 200, 503):
        (await gate.acquire()).answered(NOTHING_SAID, status=status)
    assert gate.snapshot().refusals == 0
    (await gate.acquire()).answered(NOTHING_SAID, status=503)
    assert gate.snapshot().refusals == 1
    assert gate.requests_at_once == 1


async def test_a_503_that_names_a_wait_is_obeyed() -> None:
    """It is no refusal, yet nobody is to ask before."""
    gate = limiter(RateLimit(10, 1.0))
    (await gate.acquire()).answered(LimitHeaders(retry_after=7.0), status=503)
    began = now()
    (await gate.acquire()).unused()
    assert 7.0 <= now() - began <= 7.2
    assert gate.snapshot().refusals == 0


async def test_limiters_of_two_processes_do_not_come_back_in_step() -> None:
    """Their jitter is not of a state that a fork would copy."""
    gates = [RateLimiter(assume=RateLimit(10, 1.0)) for _ in range(2)]
    assert all(isinstance(gate._rng, random.SystemRandom) for gate in gates)
    returned: list[float] = []
    for gate in gates:
        (await gate.acquire()).answered(LimitHeaders(retry_after=2.0), status=429)
        returned.append(gate.snapshot().resets_in)
    assert returned[0] != returned[1]


async def a_program(seed: int, look: Callable[[RateLimiter], None]) -> list[tuple[int, float]]:
    """Run random requests, some of them cancelled, lost or given back; give who went when."""
    rng, gate = random.Random(seed), limiter(None)
    server = FixedWindow(7, 2.0)
    went: list[tuple[int, float]] = []

    async def one(number: int, rest: float, end: float, work: float) -> None:
        await asyncio.sleep(rest)
        look(gate)
        permit: Permit = await gate.acquire(is_bulk=number % 3 == 0)
        look(gate)
        if end < 0.1:
            permit.unused()
            return
        permit.sent()
        went.append((number, round(now() - began, 5)))
        counted = server.count(now())
        await asyncio.sleep(work)
        look(gate)
        if end < 0.2:
            permit.lost()
        else:
            permit.answered(headers_of(counted, now()), status=429 if counted.is_refused else 200)
        look(gate)

    began = now()
    tasks = [
        asyncio.create_task(one(number, rng.uniform(0, 12), rng.random(), rng.uniform(0, 0.5))) for number in range(60)
    ]
    for task in rng.sample(tasks, 8):
        asyncio.get_running_loop().call_later(rng.uniform(0, 12), task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    return went


@pytest.mark.parametrize("seed", range(6))
def test_looking_changes_nothing(seed: int) -> None:
    """Any number of looks at any moments of a run: the same requests go at the same moments."""

    def looks(gate: RateLimiter) -> None:
        for _ in range(3):
            gate.snapshot()
            _ = gate.requests_per_second, gate.requests_at_once

    def looks_away(_: RateLimiter) -> None: ...

    runs: list[list[tuple[int, float]]] = []
    for look in (looks, looks_away):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runs.append(runner.run(a_program(seed, look)))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("after", [0.0, 0.05, 0.5, 0.95])
@pytest.mark.parametrize("burst", [None, 1])
async def test_a_cancel_at_any_await_costs_nobody_a_place(after: float, burst: int | None) -> None:
    """In the line, or at the bucket behind it: what was held is there for the next."""
    gate = limiter(RateLimit(2, 1.0), burst=burst)
    await use(gate)
    doomed = [asyncio.create_task(gate.acquire()) for _ in range(5)]
    await asyncio.sleep(after)
    for task in doomed:
        task.cancel()
    results = await asyncio.gather(*doomed, return_exceptions=True)
    for result in results:
        if not isinstance(result, BaseException):
            result.unused()
    view = gate.snapshot()
    assert (view.waiting, view.in_flight) == (0, 0)
    began = now()
    await use(gate)
    assert now() - began <= 1.05


async def test_a_timer_without_a_moment_does_no_harm() -> None:
    """On uvloop, what is due at once is a plain handle, which cannot be asked when it rings."""
    gate = limiter(RateLimit(1, 0.0002))
    await asyncio.gather(*(use(gate) for _ in range(50)))
    assert gate.snapshot().waiting == 0
