"""Giving way to the other tasks of the event loop, between two pieces of work that would hold it."""

from __future__ import annotations

import asyncio

__all__ = ["give_way", "pause"]

# In the first turn timers and sockets that came due meanwhile come behind this task, in the second they wake the tasks
# that wait for them, behind this task again, and before the third one those have run.
_TURNS = 3


async def give_way() -> None:
    """Let all other tasks run that are ready, or that have waited for what came due meanwhile."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def pause(seconds: float) -> None:
    """Sleep before a further try of what no call makes. Tests of users have it return at once (``no_waiting()``)."""
    await asyncio.sleep(seconds)
