"""The gate's tests run in virtual time: no test here sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.limits.virtual import BareHandleLoop, VirtualLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    import pytest


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each on a loop with uvloop's habit too: timers that are due at once have no moment to be asked for."""
    return {"virtual": VirtualLoop, "bare handles": BareHandleLoop}
