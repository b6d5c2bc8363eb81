"""What all tests share: hypothesis profiles, the event loops, and the check that nothing is left behind."""

from __future__ import annotations

import asyncio
import asyncio.constants
import gc
import math
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# No deadlines: the machines that run these are shared. Unicode tables take seconds to build on a fresh one. The same
# examples each time, so that a change is red for what it did; HYPOTHESIS_PROFILE=nightly looks for new ones.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("nightly", settings.get_profile("default"), max_examples=20_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Debug mode keeps the whole stack of whoever makes a task, a future or a callback: that is half of the tests' time.
# asyncio's own number serves callbacks and coroutines (its type says that programs leave it alone); its C code calls
# the function without one.
asyncio.constants.DEBUG_STACK_DEPTH = 1  # type: ignore[misc]
traceback.extract_stack.__defaults__ = (None, 1)

# Else the test runner's first look for "the current loop" makes one that nobody closes.
asyncio.set_event_loop(None)


def patient(make: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    """Have debug mode log nothing of how long a step took: on a busy machine any step may take long."""

    def made() -> asyncio.AbstractEventLoop:
        loop = make()
        loop.slow_callback_duration = math.inf
        return loop

    return made


LOOPS = {"asyncio": patient(asyncio.new_event_loop)}
if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = patient(uvloop.new_event_loop)

# Where tests open sockets: folders of this one, and files in it.
ON_SOCKETS = {"flow", "realtime", "sandbox", "shared", "typing", "webhooks", "test_readme.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests that open sockets on uvloop too, which servers such as uvicorn choose by themselves."""
    is_on_sockets = item.path.relative_to(Path(__file__).parent).parts[0] in ON_SOCKETS
    return LOOPS if is_on_sockets else {"asyncio": LOOPS["asyncio"]}


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> None:
    """Take what is there already out of the collector's sight: after each test it then looks at that test's objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def nothing_left_over() -> AsyncIterator[None]:
    """Fail a test that leaves a task behind; what is not closed warns, and warnings are errors."""
    before = asyncio.all_tasks()
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before - {asyncio.current_task()} if not task.done()}
    assert not left, f"tasks left over: {left}"
    gc.collect()
