"""CPython's clock ticks every 15.6 ms on Windows before 3.13: an answer may come up to a tick later than it tells."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from periskope_async.limits import gate as gate_module
from periskope_async.limits.gate import RateLimiter
from tests.limits.servers import FixedWindow, headers_of

TICK = 1 / 64


@pytest.mark.parametrize("seed", range(4))
async def test_no_request_is_early_by_a_tick(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    loop: Any = asyncio.get_running_loop()
    rng = random.Random(seed)
    loop.seconds += rng.random()
    monkeypatch.setattr(loop, "time", lambda: loop.seconds // TICK * TICK)
    # asyncio, too, asks for it: timers ring up to a tick early.
    monkeypatch.setattr(loop, "_clock_resolution", TICK)
    monkeypatch.setattr(gate_module, "_TICK", TICK)
    gate, server = RateLimiter(rng=rng), FixedWindow(10, 1.0)
    began, refused = loop.time(), 0

    async def send(number: int) -> None:
        nonlocal refused
        await asyncio.sleep(number / 100)
        permit = await gate.acquire()
        permit.sent()
        counted = server.count(loop.seconds)
        refused += counted.is_refused
        await asyncio.sleep(rng.uniform(0.0005, 0.003))
        permit.answered(headers_of(counted, loop.seconds), status=429 if counted.is_refused else 200)

    await asyncio.gather(*map(send, range(200)))
    assert refused == 0
    # All of the limit is used, but for a tick or two in each window.
    assert loop.time() - began < 19 * (1 + 2 * TICK)
