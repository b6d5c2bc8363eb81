"""Yielding to the other tasks of the event loop, between two long pieces of work."""

from __future__ import annotations

import asyncio

__all__ = ["give_way", "pause"]

# First pass: timers and sockets due meanwhile queue behind this task. Second pass: they wake their tasks, again behind
# this task. Those have run before the third pass.
_TURNS = 3


async def give_way() -> None:
    """Let all other ready tasks run, and those waiting for timers or sockets due meanwhile."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def pause(seconds: float) -> None:
    """Sleep before a retry outside of calls. ``no_waiting()`` makes it return at once in users' tests."""
    await asyncio.sleep(seconds)
