"""What the limiter and the tests themselves ask of an event loop, whichever it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from periskope_async import RateLimit, RateLimiter
from periskope_async.limits.alarm import Alarm

if TYPE_CHECKING:
    from tests.flow.conftest import Opened


async def test_the_loop_is_the_one_that_was_chosen(request: pytest.FixtureRequest) -> None:
    """Else each flow test would run twice on the same loop."""
    loop = asyncio.get_running_loop()
    assert loop.get_debug()
    assert ("uvloop" in type(loop).__module__) is ("uvloop" in request.node.name)


@pytest.mark.parametrize("first", [-1.0, 0.0, 0.0001, 0.0005, 0.001, 0.5])
@pytest.mark.parametrize("second", [-0.5, 0.0, 0.0004, 1.0])
async def test_the_gate_sets_its_timer_anew(first: float, second: float) -> None:
    """For moments on which uvloop's timers are plain handles, too."""
    loop = asyncio.get_running_loop()
    rang = asyncio.Event()
    alarm = Alarm(rang.set)
    began = loop.time()
    alarm.set(loop, began + first)
    alarm.set(loop, began + second)
    assert alarm.is_set
    if min(first, second) < 0.5:
        await rang.wait()
    alarm.stop()
    assert not alarm.is_set


async def test_many_tasks_wait_for_a_short_window(opened: Opened) -> None:
    """Tokens come back a few at a time, so that the timer is set for moments that are next to now."""
    limiter = RateLimiter(assume=RateLimit(50, 0.05))
    async with opened(sandbox={"limit": 100_000}, limiter=limiter) as (sandbox, client):
        pages = await asyncio.gather(*(client.list_chats(limit=1) for _ in range(150)))
    assert len(pages) == len(sandbox.requests) == 150
