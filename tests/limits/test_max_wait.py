"""Nobody waits longer than ``max_wait``, and nobody is sent away by an estimate that may be wrong."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import Any

import pytest
from msgspec.structs import replace

from periskope_async.errors import ClosedError, WaitTooLong
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit
from tests.limits.servers import FixedWindow, headers_of

pytestmark = pytest.mark.usefixtures("nothing_left_over")

ONE = RateLimit(1, 1.0)
NOTHING_SAID = LimitHeaders()
TIMER = 0.01
"""Of the tests' loop and the gate's, together."""


def limiter(assume: RateLimit | None = ONE, **kwargs: Any) -> RateLimiter:
    return RateLimiter(assume=assume, rng=random.Random(1), **kwargs)


def now() -> float:
    return asyncio.get_running_loop().time()


async def ask(gate: RateLimiter, server: FixedWindow, *, ahead: float = 0.0, others: int = 0) -> None:
    """Send a request until it passes. The server's clock is so far ahead of a proxy's, which writes Date."""
    while True:
        permit = await gate.acquire()
        permit.sent()
        if now() >= server.ends_at:
            server.count(now())
            server.hits = others
        counted = server.count(now())
        await asyncio.sleep(0.01)
        headers = headers_of(counted, now())
        headers = replace(headers, resets_in=headers.resets_in + ahead if headers.resets_in is not None else None)
        permit.answered(headers, status=429 if counted.is_refused else 200)
        if not counted.is_refused:
            return


@pytest.mark.parametrize("max_wait", [0.0, 1.0, 2.0, 5.0])
@pytest.mark.parametrize(
    ("limit", "window", "others", "calls", "assume"),
    [
        (10, 20.0, 0, 20, None),
        (10, 20.0, 8, 20, None),
        (5, 20.0, 0, 9, None),
        (10, 1.0, 9, 20, None),
        (10, 1.0, 5, 40, None),
        (10, 20.0, 0, 20, RateLimit(10, 1.0)),
        (10, 20.0, 0, 20, RateLimit(100, 1.0)),
    ],
)
async def test_nobody_waits_longer(
    limit: int, window: float, others: int, calls: int, assume: RateLimit | None, max_wait: float
) -> None:
    """Whatever the answers tell after joining the line. A refused try begins a new wait."""
    gate, server = limiter(assume, max_wait=max_wait), FixedWindow(limit, window)
    began, took = now(), list[float]()

    async def one() -> None:
        try:
            await ask(gate, server, others=others)
        except WaitTooLong as error:
            assert error.needed >= max_wait  # noqa: PT017 - the others pass
            took.append(now() - began)

    await asyncio.gather(*(one() for _ in range(calls)))
    refused_again = 1 if gate.snapshot().refusals else 0
    assert max(took, default=0.0) <= max_wait * (1 + refused_again) + TIMER * (1 + refused_again)
    assert gate.snapshot().waiting == 0


@pytest.mark.parametrize(
    ("ahead", "max_wait"), [(0.0, 5.0), (8.0, 5.0), (30.0, 20.0), (400.0, 5.0), (400.0, None), (800.0, None)]
)
async def test_a_reset_of_two_clocks_sends_nobody_away(ahead: float, max_wait: float | None) -> None:
    """The next window opens after a second, whatever the reset says."""
    gate, server = limiter(None, max_wait=max_wait), FixedWindow(10, 1.0)
    began = now()
    for _ in range(60):
        await ask(gate, server, ahead=ahead)
    assert now() - began <= 7.0


async def test_a_sure_wait_raises_at_once() -> None:
    """The caller has told the window's length, or a refusal closes the budget."""
    sure, closed = limiter(RateLimit(1, 10.0), max_wait=5.0), limiter(None, max_wait=5.0)
    for gate in (sure, closed):
        (await gate.acquire()).answered(LimitHeaders(retry_after=10.0), status=200 if gate is sure else 429)
        began = now()
        with pytest.raises(WaitTooLong):
            await gate.acquire()
        assert now() == began


async def test_a_line_that_does_not_move_is_left_after_five_minutes() -> None:
    """Without ``max_wait``: whoever has the only token keeps it. With infinity all wait on."""
    gates = [limiter(), limiter(max_wait=math.inf)]
    stuck = [await gate.acquire() for gate in gates]
    patient, endless = [[asyncio.create_task(gate.acquire()) for _ in range(3)] for gate in gates]
    await asyncio.sleep(299.0)
    assert not any(task.done() for task in patient)
    await asyncio.sleep(1.1)
    assert all(task.done() for task in patient)
    results = await asyncio.gather(*patient, return_exceptions=True)
    assert [type(result) for result in results] == [WaitTooLong] * 3
    await asyncio.sleep(1000.0)
    assert not any(task.done() for task in endless)
    gates[1].close()
    await asyncio.gather(*endless, return_exceptions=True)
    for permit in stuck:
        permit.lost()


async def test_each_is_let_off_at_the_end_of_its_own_patience() -> None:
    """Also a page, and a retry at the head of the line, which came later than those behind it."""
    # By the estimate all would go within half a second.
    gate = limiter(RateLimit(1, 0.1), max_wait=2.0)
    stuck = await gate.acquire()
    began = now()

    async def wait(**kwargs: Any) -> float:
        with pytest.raises(WaitTooLong, match="more than the 2 s allowed by the limiter's max_wait; nothing was sent"):
            await gate.acquire(**kwargs)
        return now() - began

    tasks = [asyncio.create_task(wait())]
    for kwargs in ({"is_bulk": True}, {"is_retry": True}, {}):
        await asyncio.sleep(0.5)
        tasks.append(asyncio.create_task(wait(**kwargs)))
    assert await asyncio.gather(*tasks) == pytest.approx([2.0, 2.5, 3.0, 3.5], abs=TIMER)
    stuck.lost()
    assert gate.snapshot().waiting == 0


@pytest.mark.parametrize("end", ["cancel", "cancel before", "close"])
async def test_an_end_in_the_step_of_another_is_counted_once(end: str) -> None:
    gate = limiter(RateLimit(1, 0.1), max_wait=2.0)
    stuck = await gate.acquire()
    tasks = [asyncio.create_task(gate.acquire()) for _ in range(3)]
    await asyncio.sleep(0)
    if end == "cancel before":
        tasks[0].cancel()
    loop = asyncio.get_running_loop()
    # The gate's own timer rings in the same step, before or after this one.
    loop.call_later(2.0, gate.close if end == "close" else tasks[1].cancel)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    allowed = {"close": (ClosedError, WaitTooLong)}.get(end, (asyncio.CancelledError, WaitTooLong))
    assert all(isinstance(result, allowed) for result in results)
    assert gate.snapshot().waiting == 0
    stuck.unused()
    if end != "close":
        (await gate.acquire()).unused()


@pytest.mark.parametrize("is_sure", [True, False])
async def test_a_length_that_is_not_sure_is_told_as_likely(caplog: pytest.LogCaptureFixture, *, is_sure: bool) -> None:
    gate = limiter(RateLimit(10, 31.0) if is_sure else None)
    headers = NOTHING_SAID if is_sure else LimitHeaders(limit=10, remaining=0, resets_in=31.0)
    for permit in [await gate.acquire() for _ in range(10 if is_sure else 1)]:
        permit.sent()
        permit.answered(headers, status=200)
    (await gate.acquire()).unused()
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ("10 requests in probably " in said) is not is_sure
