"""A stream ends when it is left, closed or cancelled at any moment, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ClosedError, ConfigError, RetryPolicy
from tests.realtime.test_stream import emit, ids, take, until

if TYPE_CHECKING:
    from tests.flow.conftest import Opened

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize("step", range(12))
async def test_opening_may_be_cancelled_at_any_await(opened: Opened, step: int) -> None:
    async with opened() as (_, client):
        task = asyncio.ensure_future(client.events().__aenter__())
        for _ in range(step):
            await asyncio.sleep(0.0005)
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(results[0], BaseException):
            await results[0].close()


async def test_a_stream_left_at_once_closes_its_connection(opened: Opened) -> None:
    async with opened() as (_, client):
        async with client.events() as stream:
            link = stream._feed.link
        assert link is not None
        assert link._socket.closed


async def test_closing_the_client_ends_its_streams(opened: Opened) -> None:
    async with opened() as (_, client):
        stream = await client.events().__aenter__()
        waiting = asyncio.create_task(take(stream, 1))
        await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(ClosedError, match="its streams with it"):
            await waiting
        with pytest.raises(ClosedError):
            await client.events().__aenter__()


@pytest.mark.parametrize("fault", [{"status": 503}, {"connect_delay": 5.0}, {"hello_delay": 5.0}], ids=str)
@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_closing_the_client_ends_the_opening_of_a_stream(
    opened: Opened, fault: dict[str, Any], seconds: float
) -> None:
    # Between its tries it waits for minutes.
    retry = RetryPolicy(base=1e3, ceiling=1e3, max_elapsed=1e6)
    async with opened(retry=retry) as (sandbox, client):
        vars(sandbox.sockets.faults).update(fault)
        opening = asyncio.ensure_future(client.events().__aenter__())
        await asyncio.sleep(seconds)
        async with asyncio.timeout(2):
            await client.close()
            with pytest.raises(ClosedError, match="closed"):
                await opening


async def test_closing_the_stream_ends_its_iteration(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        async with client.events() as stream:
            emit(sandbox, 0)
            await until(lambda: sandbox.sockets.connected == 1)
            await asyncio.sleep(0.05)
        assert ids([item async for item in stream]) == ["m0"]
        with pytest.raises(ConfigError, match="entered before"):
            await stream.__aenter__()
