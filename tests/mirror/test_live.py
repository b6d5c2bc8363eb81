"""A mirror kept true by real webhooks or the real stream of live events, and by syncs where that broke."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from periskope_async import PeriskopeClient, PeriskopeError
from periskope_async.live_event import LiveEvent
from periskope_async.mirror import Mirror, Outcome, SyncResult, runner
from periskope_async.mirror.database import DatabaseBusyError
from periskope_async.sandbox import PHONES, Sandbox
from periskope_async.testing import no_waiting
from periskope_async.webhooks import Receiver, parse
from tests.sandbox.test_webhooks import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from periskope_async.realtime import EventStream, Gap

pytestmark = pytest.mark.usefixtures("nothing_left_over")
NUMBER = PHONES[0].org_phone.removesuffix("@c.us")


def keys(path: Path, table: str, column: str, *, where: str = "deleted_at IS NULL") -> list[Any]:
    """Ask the mirror as its users do: from another connection, while it is written."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT {column} FROM {table} WHERE {where} ORDER BY 1")  # noqa: S608 - the test's own names
        return [key for (key,) in rows]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is asked about tells nobody
        await asyncio.sleep(0.01)


async def test_events_and_gaps_of_the_stream_keep_a_mirror_true(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite"
    results: asyncio.Queue[SyncResult] = asyncio.Queue()
    with no_waiting():
        async with (
            Sandbox(chats=40, sizes={"messages": 80}, limit=10_000) as sandbox,
            PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client,
            Mirror(client, path, lists=["chats", "messages"]) as mirror,
            client.events() as stream,
        ):
            watching = asyncio.ensure_future(mirror.watch(every=600, events=stream, on_sync=results.put_nowait))
            await results.get()
            sandbox.clear()

            # Events alone bring what is new: nothing is asked for.
            chat = sandbox.insert()
            sandbox.wake(chat)
            newest = sandbox.ids("messages", chat_id=chat)[0]
            await until(lambda: newest in keys(path, "messages", "message_id"))
            assert chat in keys(path, "chats", "chat_id")
            sandbox.emit("ticket.created", {"ticket": {"ticket_id": "of no list that is kept"}})
            assert sandbox.requests == []

            # What a broken connection hid is found by the sync that follows the gap.
            sandbox.sockets.faults.status = 503
            sandbox.sockets.drop()
            await until(lambda: not stream.is_connected)
            missed = sandbox.insert()
            sandbox.wake(missed)
            gone = sandbox.chat_ids()[-1]
            sandbox.remove(gone)
            assert missed not in keys(path, "chats", "chat_id")
            sandbox.sockets.faults.status = None
            await results.get()
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching
            assert keys(path, "chats", "chat_id") == sorted(sandbox.chat_ids())
            assert keys(path, "messages", "message_id") == sorted(sandbox.ids("messages"))


async def test_a_stream_that_overflows_has_a_sync_follow(tmp_path: Path) -> None:
    """Events that were dropped are told by a gap, so the mirror looks for itself."""
    path = tmp_path / "live.sqlite"
    results: asyncio.Queue[SyncResult] = asyncio.Queue()
    go_on = asyncio.Event()

    async def slow(stream: EventStream) -> AsyncIterator[LiveEvent | Gap]:
        await go_on.wait()
        async for item in stream:
            yield item

    async with (
        Sandbox(chats=10, limit=10_000) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client,
        Mirror(client, path, lists=["chats"]) as mirror,
        client.events("chat.created", max_events=5) as stream,
    ):
        options: dict[str, Any] = {"every": 600, "events": slow(stream), "on_sync": results.put_nowait}
        watching = asyncio.ensure_future(mirror.watch(**options))
        await results.get()
        for _ in range(30):
            sandbox.insert()
        await until(lambda: stream.received == 30)
        go_on.set()
        await results.get()
        assert keys(path, "chats", "chat_id") == sorted(sandbox.chat_ids())
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


@pytest.mark.parametrize("phone", [NUMBER, PHONES[0].phone_id])
async def test_webhooks_keep_a_mirror_true(tmp_path: Path, phone: str) -> None:
    """They come twice and in disorder, for every phone of the organisation; the mirror keeps those of its own."""
    path = tmp_path / "live.sqlite"
    inserted: set[str] = set()
    async with (
        Sandbox(chats=40, sizes={"messages": 60, "tickets": 5}, limit=10_000, pace=0.01) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone=phone) as client,
        Mirror(client, path, lists=["chats", "messages", "tickets"], history=True) as mirror,
    ):
        await mirror.sync()
        receiver = Receiver(mirror.apply, keys=sandbox.signing_key)
        async with served(receiver.aiohttp_handler) as url:
            sandbox.webhooks.subscribe(url)
            sandbox.webhooks.faults.copies, sandbox.webhooks.faults.shuffle = 2, 16
            for _ in range(6):
                sandbox.wake()
                inserted.add(sandbox.insert())
            chat = sandbox.chat_ids(phone=NUMBER)[-1]
            await client.update_chat(chat, labels=["vip"])
            sent = await client.send_message(chat, "hello")
            await sent.wait("read", timeout=20)
            await sandbox.webhooks.flush()
            await receiver.drain()
        assert keys(path, "chats", "chat_id") == sorted(sandbox.chat_ids(phone=NUMBER))
        # The sandbox tells of the first message of a new chat by that chat alone.
        said = {key for key in sandbox.ids("messages", phone=PHONES[0].org_phone) if key.split("_")[1] not in inserted}
        assert said <= set(keys(path, "messages", "message_id"))
        assert keys(path, "messages", "ack", where="body = 'hello'") == [4]
        result = await mirror.sync()
        assert {each.deleted for each in result.lists} == {0}
        assert keys(path, "messages", "message_id") == sorted(sandbox.ids("messages", phone=PHONES[0].org_phone))
    # An event brings the whole chat, a list leaves some fields out: that is no change.
    assert {"labels", "members"}.isdisjoint(keys(path, "mirror_history", "field", where="TRUE"))


async def test_a_ticket_is_read_after_its_event(tmp_path: Path) -> None:
    """What the event brings is no row of the list, so the next look at what is new reads the list."""
    path = tmp_path / "live.sqlite"
    results: asyncio.Queue[SyncResult] = asyncio.Queue()
    async with (
        Sandbox(chats=10, sizes={"tickets": 5}, limit=10_000) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone=NUMBER) as client,
        Mirror(client, path, lists=["tickets", "chats"]) as mirror,
        client.events("ticket.created") as stream,
    ):
        watching = asyncio.ensure_future(mirror.watch(every=0.05, events=stream, on_sync=results.put_nowait))
        await results.get()
        assert [each.name for each in (await results.get()).lists] == ["chats"]
        await client.create_ticket(sandbox.chat_ids(phone=NUMBER)[0], subject="No sound")
        await until(lambda: "No sound" in keys(path, "tickets", "subject"))
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


@pytest.mark.parametrize("server_ahead", [-120.0, -5.0, 0.0, 5.0, 120.0])
async def test_clocks_that_differ_hide_no_change(tmp_path: Path, server_ahead: float) -> None:
    """A webhook's time is of the server's clock, and that of a walk is of the mirror's. Access moves no updated_at."""
    is_later = False

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=2 if is_later else 0)

    async with (
        Sandbox(chats=10, limit=10_000, clock_skew=server_ahead) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone=NUMBER) as client,
        Mirror(client, tmp_path / "live.sqlite", lists=["chats"], clock=clock) as mirror,
    ):
        sandbox.webhooks.subscribe("http://127.0.0.1:9/")
        sandbox.webhooks.faults.tries = 1
        await mirror.sync()
        chat_id = sandbox.chat_ids(phone=NUMBER)[0]
        await client.set_chat_access([chat_id], {"ada@example.com": True})
        await sandbox.webhooks.flush()
        assert await mirror.apply(parse(sandbox.webhooks.sent[0].body)) is Outcome.UPDATED
        # The webhook of the next change is lost.
        await client.set_chat_access([chat_id], {"ada@example.com": False})
        is_later = True
        assert (await mirror.sync(full=True)).changes == 1


async def test_another_label_is_found_by_its_event(tmp_path: Path) -> None:
    async with (
        Sandbox(chats=10, limit=10_000) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone=NUMBER) as client,
        Mirror(client, tmp_path / "live.sqlite", lists=["chats"]) as mirror,
    ):
        sandbox.webhooks.subscribe("http://127.0.0.1:9/")
        sandbox.webhooks.faults.tries = 1
        await mirror.sync()
        await client.set_chat_labels(sandbox.chat_ids(phone=NUMBER)[:1], ["vip"])
        await sandbox.webhooks.flush()
        event = parse(sandbox.webhooks.sent[0].body)
        assert event.name == "chat.label.updated"
        assert await mirror.apply(event) is Outcome.UPDATED
        # No document says what it brings: a part of a chat would take the place of the whole.
        for part in (b'{"chat_id":"1@g.us","org_phone":"9199@c.us","label_ids":{}}', b'{"label_id":"label-a"}'):
            assert await mirror.apply(structs.replace(event, raw=part)) is None


async def test_a_locked_database_ends_no_watching_and_loses_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_BUSY_SECONDS", 0.01)
    path = tmp_path / "live.sqlite"
    items: asyncio.Queue[LiveEvent | None] = asyncio.Queue()
    results: asyncio.Queue[SyncResult] = asyncio.Queue()
    errors: asyncio.Queue[PeriskopeError] = asyncio.Queue()

    async def stream() -> AsyncIterator[LiveEvent | None]:
        while True:
            yield await items.get()

    async with (
        Sandbox(chats=10, limit=10_000) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client,
        Mirror(client, path, lists=["chats"]) as mirror,
    ):
        options: dict[str, Any] = {"on_sync": results.put_nowait, "on_error": errors.put_nowait}
        watching = asyncio.ensure_future(mirror.watch(every=600, events=stream(), **options))
        await results.get()
        store = mirror._store
        await store.call(store._store._database.execute, "PRAGMA busy_timeout = 0")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            raw = b'{"chat_id":"1@g.us","org_phone":"1@c.us"}'
            items.put_nowait(LiveEvent(name="chat.created", data=None, raw=raw))
            for _ in range(2):
                assert isinstance(await errors.get(), DatabaseBusyError)
        sandbox.insert()
        # A gap in the stream, behind the event.
        items.put_nowait(None)
        assert (await results.get()).lists[0].inserted == 1
        kept = await store.call(store._store._database.execute, "SELECT count(*) FROM chats WHERE chat_id = '1@g.us'")
        assert kept == [(1,)]
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
