"""A callback that turns out to be async is told of, wherever one can be given."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from periskope_async import PeriskopeClient
from periskope_async.export import export
from periskope_async.mirror import Mirror
from periskope_async.sandbox import Sandbox, Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest

    from periskope_async.events import Event


class Queue(asyncio.Queue[Any]):
    """A queue with a method of its own for each test: each is warned of once."""

    async def put_from_hook(self, item: object) -> None:
        await self.put(item)

    async def put_from_mirror(self, item: object) -> None:
        await self.put(item)

    async def put_from_export(self, item: object) -> None:
        await self.put(item)


@asynccontextmanager
async def served(chats: int, **settings: Any) -> AsyncGenerator[tuple[Sandbox, PeriskopeClient]]:
    async with (
        Sandbox(chats=chats) as running,
        PeriskopeClient(running.api_key, base_url=running.base_url, **settings) as client,
    ):
        yield running, client


async def test_a_hook(caplog: pytest.LogCaptureFixture) -> None:
    queue = Queue()

    def hook(event: Event) -> object:
        return queue.put_from_hook(event)

    async with served(1, hooks=[hook]) as (_, client):
        for _ in range(2):
            await client.list_chats(limit=1)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "a hook gives a coroutine of Queue.put_from_hook, which is not awaited" in record.getMessage()
    assert "put_nowait" in record.getMessage()


async def test_those_of_a_mirror(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    queue = Queue()
    synced = asyncio.Event()

    def on_sync(result: object) -> object:
        synced.set()
        return queue.put_from_mirror(result)

    lists = ["chats"]
    async with served(1, retry=1) as (running, client), Mirror(client, tmp_path / "m.sqlite", lists=lists) as mirror:
        running.script(Status(500))
        watching = asyncio.create_task(mirror.watch(every=0.01, on_sync=on_sync, on_error=queue.put_from_mirror))
        await synced.wait()
        watching.cancel()
        await asyncio.wait([watching])
    for name in ("on_sync", "on_error"):
        assert caplog.text.count(f"{name} gives a coroutine of Queue.put_from_mirror") == 1


async def test_the_progress_of_an_export(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(3) as (_, client):
        await export(client.iter_chats(page_size=1), tmp_path / "out.csv", progress=Queue().put_from_export)
    assert caplog.text.count("progress gives a coroutine of Queue.put_from_export") == 1
