"""Giving way to the other tasks of the event loop, between two pieces of work that would hold it."""

from __future__ import annotations

import asyncio

__all__ = ["give_way"]


async def give_way() -> None:
    """Let the other tasks that are ready, or become so, have their turn.

    It takes two turns of the loop: the next one begins with this task again, and what came due meanwhile stands behind
    it.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)
