"""Gaps filled by reading the lists of messages: every message comes once, by whichever way."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from periskope_async.realtime import Gap, LiveEvent, feed
from periskope_async.sandbox import HeaderChange, Status
from periskope_async.testing import no_waiting
from tests.realtime.test_stream import emit, ids, take, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.realtime import EventStream
    from periskope_async.sandbox import Sandbox
    from tests.flow.conftest import Opened

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with no_waiting():
        yield


async def until_event(stream: EventStream, name: str) -> list[LiveEvent | Gap]:
    """Take all up to an event of this name, which is left out."""
    items: list[LiveEvent | Gap] = []
    while True:
        item = await anext(stream)
        if isinstance(item, LiveEvent) and item.name == name:
            return items
        items.append(item)


async def test_missed_messages_come_from_the_list_and_each_once(opened: Opened) -> None:
    async with (
        opened() as (sandbox, client),
        client.events("message.created", "note.created", fill_gaps=True) as stream,
    ):
        known = set(sandbox.ids("messages"))
        for chat in (0, 1, 1):
            sandbox.wake(chat)
        before = [await anext(stream) for _ in range(3)]
        sandbox.clear()
        for _ in range(2):
            sandbox.sockets.faults.status = 503
            sandbox.sockets.drop()
            await until(lambda: not stream.is_connected)
            for chat in (1, 2, 2, 3):  # one chat speaks twice
                sandbox.wake(chat)
            sandbox.sockets.faults.status = None
            await until(lambda: sandbox.sockets.connected and stream.is_connected)
            sandbox.wake(4)  # the list has it too, and the stream brings it
        sandbox.emit("note.created", {})
        items = [*before, *await until_event(stream, "note.created")]
        paths = {request.path for request in sandbox.requests}
        spoken = set(sandbox.ids("messages")) - known
    events = [item for item in items if isinstance(item, LiveEvent)]
    assert len(spoken) == 13
    assert sorted(str(event.object_id) for event in events) == sorted(spoken)
    assert [event.source for event in events].count("walk") >= 8
    assert "/v1/chats/messages" in paths
    for gap in items:
        if isinstance(gap, Gap):
            assert (gap.filled, gap.error) == (("message.created",), None)


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
async def test_what_came_before_the_stream_is_not_brought(opened: Opened, ahead: float) -> None:
    """A program before this one has handled it."""
    async with opened(sandbox={"clock_skew": ahead}) as (sandbox, client):
        world = sandbox._org.world
        clock = world.clock
        world.clock = lambda: clock() - 10
        sandbox.wake(4)
        sandbox.insert()
        world.clock = clock
        async with client.events("chat.created", "message.created", fill_gaps=True) as stream:
            missed = await miss_messages(sandbox, stream, 3)
            items = await take(stream, 4)
    assert sorted(map(str, ids(items))) == sorted([*missed, "m0"])


async def test_a_list_of_messages_that_fails_is_told(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events("message.created", fill_gaps=True) as stream:
        sandbox.script(Status(403), path="/v1/chats/messages")
        sandbox.sockets.drop()
        gap = await anext(stream)
        assert isinstance(gap, Gap)
        assert gap.filled == ()
        assert "message.created" in (gap.error or "")


async def test_a_gap_is_filled_by_a_walk(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events("chat.created", fill_gaps=True) as stream:
        before = sandbox.insert()
        assert ids(await take(stream, 1)) == [before]
        sandbox.sockets.faults.status = 503
        sandbox.sockets.drop()
        missed = [sandbox.insert() for _ in range(5)]
        sandbox.sockets.faults.status = None
        await until(lambda: stream.is_connected)
        live = sandbox.insert()
        items = await take(stream, 6)
        assert sorted(map(str, ids(items))) == sorted([*missed, live])
        assert {item.source for item in items if isinstance(item, LiveEvent)} <= {"walk", "socket"}
        assert isinstance(items[0], LiveEvent)
        assert items[0].source == "walk"
        sandbox.sockets.restart()
        last = sandbox.insert()
        assert ids(await take(stream, 1)) == [last]


async def test_what_no_walk_brings_is_told_by_the_gap(opened: Opened) -> None:
    async with (
        opened() as (sandbox, client),
        client.events("chat.created", "message.updated", fill_gaps=True) as stream,
    ):
        sandbox.sockets.faults.status = 503
        sandbox.sockets.drop()
        missed = sandbox.insert()
        sandbox.sockets.faults.status = None
        filled, gap = await take(stream, 2)
        assert ids([filled]) == [missed]
        assert isinstance(gap, Gap)
        assert gap.filled == ("chat.created",)
        assert gap.error is None


async def test_a_walk_that_fails_is_told_by_the_gap(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events("chat.created", fill_gaps=True) as stream:
        sandbox.script(Status(403), Status(403))  # the question for the time, and the list
        sandbox.sockets.drop()
        (gap,) = await take(stream, 1)
        assert isinstance(gap, Gap)
        assert gap.filled == ()
        assert gap.error is not None
        assert "chat.created" in gap.error


async def miss_messages(sandbox: Sandbox, stream: EventStream, count: int) -> list[str]:
    """Give the ids of messages that came while the stream was away; one that no list has follows, ``m0``."""
    known = set(sandbox.ids("messages"))
    sandbox.sockets.faults.status = 503
    sandbox.sockets.drop()
    await until(lambda: not stream.is_connected)
    for chat in range(count):
        sandbox.wake(chat)
    sandbox.sockets.faults.status = None
    await until(lambda: sandbox.sockets.connected and stream.is_connected)
    emit(sandbox, 0)
    return sorted(set(sandbox.ids("messages")) - known)


@pytest.mark.parametrize("ahead", [-3600, 3600])
async def test_a_gap_is_filled_by_the_servers_clock(opened: Opened, ahead: float) -> None:
    async with (
        opened(sandbox={"clock_skew": ahead}) as (sandbox, client),
        client.events("message.created", fill_gaps=True) as stream,
    ):
        missed = await miss_messages(sandbox, stream, 3)
        items = await take(stream, 1)
        while ids(items)[-1] != "m0":
            items += await take(stream, 1)
    assert sorted(map(str, ids(items))) == sorted([*missed, "m0"])


async def test_a_gap_is_told_where_the_servers_time_is_not_known(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events("message.created", fill_gaps=True) as stream:
        sandbox.script(HeaderChange(set={"Date": "soon"}), path="/v1/chats")
        missed = await miss_messages(sandbox, stream, 2)
        *filled, gap = await take(stream, 3)
    assert sorted(map(str, ids(filled))) == missed
    assert isinstance(gap, Gap)
    assert gap.filled == ("message.created",)
    assert "the server's time is not known" in (gap.error or "")


async def test_a_clock_that_is_set_back_in_a_gap_loses_nothing(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(time=lambda: time.time() + 3600, monotonic=time.monotonic)
    monkeypatch.setattr(feed, "time", clock)
    async with opened() as (sandbox, client), client.events("message.created", fill_gaps=True) as stream:
        emit(sandbox, 1)
        assert ids(await take(stream, 1)) == ["m1"]
        # Nothing is heard any more from here to the new connection.
        clock.time = time.time
        missed = await miss_messages(sandbox, stream, 3)
        items = await take(stream, 1)
        while ids(items)[-1] != "m0":
            items += await take(stream, 1)
    assert sorted(map(str, ids(items))) == sorted([*missed, "m0"])
