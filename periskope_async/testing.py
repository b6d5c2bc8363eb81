"""For the tests of programs with the client: ``Sandbox``, a Periskope to run against, and ``no_waiting()``.

The pytest fixture ``periskope_sandbox`` needs no import; it comes with the installed package.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from periskope_async.call import Call
from periskope_async.limits.permit import Permit

if TYPE_CHECKING:
    from collections.abc import Generator

    from periskope_async.sandbox import Sandbox

__all__ = ["Sandbox", "no_waiting"]


@contextmanager
def no_waiting() -> Generator[None]:
    """Send at once, whatever the limit says, and retry without a pause; for tests against fakes without a limit.

    It holds for every client of this process until the block ends. Earlier requests still on their way are booked as
    ever. A server with a limit will refuse.
    """
    with (
        patch.object(Call, "wait_for_limit", _leave_at_once),
        patch.object(Call, "pause", _no_pause),
        patch("periskope_async.realtime.feed.pause", _no_turn),
    ):
        yield


async def _leave_at_once(_: Call) -> Permit:
    return Permit()


async def _no_pause(_: Call, seconds: float) -> None:
    pass


async def _no_turn(_: float) -> None:
    await asyncio.sleep(0)


def __getattr__(name: str) -> Any:
    """Load the sandbox, and aiohttp's server with it, on first use."""
    if name == "Sandbox":
        from periskope_async.sandbox import Sandbox  # noqa: PLC0415 - see above

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
