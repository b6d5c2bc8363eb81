"""The receiver against the real socket.io server from npm, with each of its faults."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ConnectError, Message, PeriskopeClient, RetryPolicy, StreamRefusedError, TimeoutError_
from periskope_async.realtime import Gap, LiveEvent
from periskope_async.testing import no_waiting
from tests.realtime.node import SERVER, Node
from tests.webhooks.bodies import envelope, message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from periskope_async.realtime import EventStream

KEY = "key-of-the-real-server"

# The first run downloads the packages.
pytestmark = [pytest.mark.timeout(150), pytest.mark.usefixtures("nothing_left_over")]


@pytest.fixture
def node() -> Iterator[Node]:
    with Node(SERVER) as running, no_waiting():
        yield running


@asynccontextmanager
async def client_of(port: int) -> AsyncGenerator[PeriskopeClient]:
    async with PeriskopeClient(
        KEY, base_url=f"http://127.0.0.1:{port}/v1", phone="918527184400", retry=RetryPolicy(tries=2, base=0.0)
    ) as client:
        yield client


@asynccontextmanager
async def stream_of(node: Node, options: dict[str, Any] | None = None, **chosen: Any) -> AsyncGenerator[EventStream]:
    async with client_of(node.ask("start", options or {})) as client, client.events(**chosen) as stream:
        yield stream


async def names(stream: EventStream, count: int) -> list[str | None]:
    items = [await anext(stream) for _ in range(count)]
    return [item.object_id if isinstance(item, LiveEvent) else "gap" for item in items]


async def test_events_come_with_key_and_phone(node: Node) -> None:
    async with stream_of(node) as stream:
        node.ask("emit", ["message.created", message(body="👋 \ud83d", message_id="m0")])
        event = await anext(stream)
        assert isinstance(event, LiveEvent)
        assert isinstance(event.data, Message)
        assert event.data.body == "👋 \ufffd"
        assert rb'"body":"' + "👋 ".encode() + rb'\ud83d"' in event.raw
        node.ask("emit", ["message.created", message(message_id="m1"), "another", {"argument": 1}])
        assert await names(stream, 1) == ["m1"]
        assert node.ask("seen") == [{"authorization": f"Bearer {KEY}", "phone": "918527184400"}]


async def test_a_burst_and_a_large_one(node: Node) -> None:
    async with stream_of(node) as stream:
        node.ask("burst", ["message.created", 1_000, message()])
        assert await names(stream, 1_000) == [f"m{number}" for number in range(1_000)]
        node.ask("emit", ["note.created", {"message_id": "n", "media": {"filedata": "A" * 5_000_000}}])
        assert await names(stream, 1) == ["n"]


@pytest.mark.parametrize("recovery", [False, True])
async def test_a_drop(node: Node, *, recovery: bool) -> None:
    options: dict[str, Any] = {"connectionStateRecovery": {}} if recovery else {}
    async with stream_of(node, options) as stream:
        node.ask("emit", ["message.created", message(message_id="m0")])
        assert await names(stream, 1) == ["m0"]
        node.ask("set", {"delay": 0 if recovery else 300})
        node.ask("drop")
        while node.ask("count"):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0)
        node.ask("emit", ["message.created", message(message_id="missed")])
        gap = await anext(stream)
        assert isinstance(gap, Gap)
        assert gap.recovered is recovery
        if recovery:
            assert await names(stream, 1) == ["missed"]
        node.ask("emit", ["message.created", message(message_id="m1")])
        assert await names(stream, 1) == ["m1"]


async def test_a_restart(node: Node) -> None:
    port = node.ask("start", {})
    async with client_of(port) as client, client.events() as stream:
        await asyncio.to_thread(node.ask, "close")
        node.ask("start", {"port": port})
        assert await names(stream, 1) == ["gap"]
        node.ask("emit", ["message.created", message(message_id="m1")])
        assert await names(stream, 1) == ["m1"]


async def test_a_goodbye(node: Node) -> None:
    async with stream_of(node) as stream:
        node.ask("goodbye")
        with pytest.raises(StreamRefusedError, match="goodbye"):
            await anext(stream)


async def test_a_middleware_that_refuses(node: Node) -> None:
    async with stream_of(node) as stream:
        node.ask("set", {"refuse": f"no such key: {KEY}"})
        node.ask("drop")
        with pytest.raises(StreamRefusedError, match=r"no such key: \*\*\*") as caught:
            await anext(stream)
        assert caught.value.status == 101
        assert KEY.encode() not in caught.value.body


async def test_an_upgrade_that_is_refused(node: Node) -> None:
    async with stream_of(node) as stream:
        node.ask("set", {"deny": True})
        node.ask("drop")
        with pytest.raises(StreamRefusedError) as caught:
            await anext(stream)
        assert caught.value.status == 400


async def test_a_slow_middleware(node: Node) -> None:
    port = node.ask("start", {})
    node.ask("set", {"delay": 400})
    async with client_of(port) as client:
        with pytest.raises(TimeoutError_):
            await client.events(open_timeout=0.1).__aenter__()
        async with client.events() as stream:
            node.ask("emit", ["message.created", message(message_id="m0")])
            assert await names(stream, 1) == ["m0"]


async def test_an_envelope(node: Node) -> None:
    async with stream_of(node) as stream:
        whole = json.loads(envelope("message.created", message(message_id="m0")))
        node.ask("emit", ["message.created", whole])
        event = await anext(stream)
        assert isinstance(event, LiveEvent)
        assert (event.object_id, event.org_id) == ("m0", whole["org_id"])
        assert event.timestamp == datetime.fromisoformat(whole["timestamp"])


async def test_an_early_close(node: Node) -> None:
    port = node.ask("start", {})
    node.ask("set", {"delay": 5_000})
    async with client_of(port) as client:
        opening = asyncio.ensure_future(client.events().__aenter__())
        while not node.ask("seen"):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)
        await asyncio.to_thread(node.ask, "close")
        with pytest.raises(ConnectError):
            await opening


@pytest.mark.skipif(sys.platform == "win32", reason="no process can be stopped there")
async def test_a_silent_address(node: Node) -> None:
    """The kernel still takes connections, and nobody answers."""
    async with stream_of(node, heartbeat=0.5, open_timeout=0.3) as stream:
        node.stop()
        while stream.is_connected:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        node.go_on()
        gap = await anext(stream)
        assert isinstance(gap, Gap)
        assert not gap.recovered
        node.ask("emit", ["message.created", message(message_id="m0")])
        assert await names(stream, 1) == ["m0"]


async def test_pings_are_answered(node: Node) -> None:
    async with stream_of(node, {"pingInterval": 50, "pingTimeout": 200}) as stream:
        await asyncio.sleep(0.6)
        node.ask("emit", ["message.created", message(message_id="m0")])
        assert await names(stream, 1) == ["m0"]
