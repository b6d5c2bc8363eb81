"""Calls of a store run in its thread, one after the other."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import MirrorError
from periskope_async.mirror.async_store import AsyncStore
from periskope_async.mirror.database import database_for
from periskope_async.mirror.store import Store
from periskope_async.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

pytestmark = [pytest.mark.usefixtures("nothing_left_over")]


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[AsyncStore]:
    store = AsyncStore(Store(database_for(Secret(str(folder / "mirror.sqlite")))), clock=lambda: datetime.now(UTC))
    await store.open([])
    try:
        yield store
    finally:
        await store.close()


async def test_calls_that_wait_wake_the_loop_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go, done = threading.Event(), list[int]()
    async with opened(tmp_path) as store:
        first = asyncio.create_task(store.call(may_go.wait))
        await asyncio.sleep(0)
        others = [asyncio.create_task(store.call(done.append, number)) for number in range(20)]
        await asyncio.sleep(0)
        loop, wakes = asyncio.get_running_loop(), list[object]()
        wake = loop.call_soon_threadsafe

        def counted(*call: Any) -> object:
            wakes.append(call)
            return wake(*call)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        may_go.set()
        await asyncio.gather(first, *others)
    assert done == list(range(20))
    # One for the first, one for those behind it, and one for closing.
    assert len(wakes) <= 3


async def test_an_error_is_that_of_one_call(tmp_path: Path) -> None:
    def fail() -> None:
        raise MirrorError("full")

    async with opened(tmp_path) as store:
        results = await asyncio.gather(store.call(int), store.call(fail), store.call(str), return_exceptions=True)
    assert results[0] == 0
    assert isinstance(results[1], MirrorError)
    assert results[2] == ""


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancel_waits_for_the_end(tmp_path: Path, cancels: int) -> None:
    may_go, done = threading.Event(), list[str]()

    def work() -> None:
        may_go.wait()
        done.append("work")

    async with opened(tmp_path) as store:
        running = asyncio.create_task(store.call(work))
        waiting = asyncio.create_task(store.call(done.append, "waiting"))
        for _ in range(cancels):
            await asyncio.sleep(0.001)
            running.cancel()
            waiting.cancel()
        await asyncio.sleep(0.001)
        assert not running.done()
        assert not waiting.done()
        may_go.set()
        await asyncio.wait([running, waiting])
        assert (running.cancelled(), waiting.cancelled()) == (True, True)
        assert done == ["work", "waiting"]
        # The thread goes on.
        assert await store.call(int) == 0


async def test_a_cancel_while_the_store_closes(tmp_path: Path) -> None:
    may_go = threading.Event()
    async with opened(tmp_path) as store:
        running = asyncio.create_task(store.call(may_go.wait))
        await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        running.cancel()
        may_go.set()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await running
