"""Webhooks of the sandbox: signed, repeated, doubled and out of order, as a receiver must bear them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from periskope_async import PeriskopeClient
from periskope_async.sandbox import Sandbox
from periskope_async.webhooks import Receiver, verify

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from periskope_async.webhooks import LiveEvent

pytestmark = pytest.mark.usefixtures("nothing_left_over")


@asynccontextmanager
async def served(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_post("/hook", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


async def test_a_receiver_gets_each_event_once_however_they_come() -> None:
    got: list[LiveEvent] = []

    async def handle(event: LiveEvent) -> None:
        got.append(event)

    async with Sandbox(chats=20) as sandbox:
        receiver = Receiver(handle, keys=sandbox.signing_key)
        async with served(receiver.aiohttp_handler) as url:
            sandbox.webhooks.subscribe(url, "message.created", "chat.created")
            sandbox.webhooks.faults.copies = 3
            sandbox.webhooks.faults.shuffle = 12
            chats = [sandbox.insert() for _ in range(3)] + [sandbox.wake() for _ in range(5)]
            sandbox.emit("ticket.created", {"ticket": {"ticket_id": "t"}})
            await sandbox.webhooks.flush()
            await receiver.drain()
        sent = sandbox.webhooks.sent
    assert [delivery.status for delivery in sent] == [200] * 24
    assert len(got) == 8
    assert sorted(str(getattr(event.data, "chat_id", None)) for event in got) == sorted(chats)
    assert all(event.error is None and event.timestamp for event in got)


async def test_what_is_not_answered_well_is_tried_again() -> None:
    bodies: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        verify(body, request.headers["x-periskope-signature"], sandbox.signing_key)
        bodies.append(body)
        return web.Response(status=500 if len(bodies) < 3 else 200)

    async with Sandbox(chats=2) as sandbox, served(handler) as url:
        sandbox.webhooks.faults.pause = 0.0
        sandbox.webhooks.subscribe(url)
        sandbox.emit("note.created", {"message_id": "n", "body": "half \ud83d, whole 👋"})
        await sandbox.webhooks.flush()
        assert [(sent.attempt, sent.status) for sent in sandbox.webhooks.sent] == [(1, 500), (2, 500), (3, 200)]
        assert len(set(bodies)) == 1
        sandbox.webhooks.unsubscribe(url)
        sandbox.wake()
        await sandbox.webhooks.flush()
        assert len(bodies) == 3


async def test_a_receiver_that_is_away_holds_nothing_up() -> None:
    async with Sandbox(chats=2) as sandbox:
        sandbox.webhooks.faults.pause = 0.0
        sandbox.webhooks.subscribe("http://127.0.0.1:9/hook")
        sandbox.wake()
        await sandbox.webhooks.flush()
        assert [sent.status for sent in sandbox.webhooks.sent] == [0, 0, 0]


async def test_what_is_subscribed_by_the_api_is_delivered() -> None:
    got: list[LiveEvent] = []

    async def handle(event: LiveEvent) -> None:
        got.append(event)

    async def told() -> list[str]:
        """Let one of each event happen; give the names of those that came."""
        got.clear()
        sandbox.insert()
        sandbox.wake()
        sandbox.emit("note.created", {"message_id": "n"})
        await sandbox.webhooks.flush()
        await receiver.drain()
        return [event.name for event in got]

    async with Sandbox(chats=20, limit=1000) as sandbox:
        receiver = Receiver(handle, keys=sandbox.signing_key)
        async with (
            served(receiver.aiohttp_handler) as url,
            PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client,
        ):
            assert await told() == []
            made = await client.create_webhooks(url, events=["chat.created", "message.created"])
            assert await told() == ["chat.created", "message.created"]
            await client.update_webhook(made[0].id, is_subscribed=False)
            assert await told() == ["message.created"]
            await client.update_webhook(made[0].id, is_subscribed=True, event="note.created")
            assert await told() == ["message.created", "note.created"]
            for each in made:
                await client.delete_webhook(each.id)
            assert await told() == []
    assert {delivery.url for delivery in sandbox.webhooks.sent} == {url}


async def test_who_subscribes_again_gets_each_event_once() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response()

    async with Sandbox(chats=5) as sandbox, served(handler) as url:
        sandbox.webhooks.subscribe(url)
        sandbox.webhooks.unsubscribe(url)
        sandbox.webhooks.subscribe(url)
        sandbox.insert()
        await sandbox.webhooks.flush()
        assert len(sandbox.webhooks.sent) == 1


@pytest.mark.parametrize("shuffle", [1, 100])
async def test_a_sandbox_in_a_thread_can_be_flushed_from_another_loop_each_time_it_runs(shuffle: int) -> None:
    bodies: list[bytes] = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response()

    sandbox = Sandbox(chats=20)
    async with served(handler) as url, asyncio.timeout(10):
        sandbox.webhooks.faults.shuffle = shuffle
        sandbox.webhooks.subscribe(url)
        for times in (1, 2):
            with sandbox:
                for _ in range(5):
                    sandbox.wake()
                await sandbox.webhooks.flush()
                assert len(bodies) == 5 * times


async def test_what_was_on_its_way_when_the_sandbox_closed_is_waited_for_no_more() -> None:
    arrived, may_answer = asyncio.Event(), asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        arrived.set()
        await may_answer.wait()
        return web.Response()

    sandbox = Sandbox(chats=20)
    async with served(handler) as url, asyncio.timeout(10):
        async with sandbox:
            sandbox.webhooks.subscribe(url)
            for _ in range(3):
                sandbox.wake()
            flushing = asyncio.ensure_future(sandbox.webhooks.flush())
            await arrived.wait()
        await flushing
        async with sandbox:
            await sandbox.webhooks.flush()
        assert sandbox.webhooks.sent == []
        may_answer.set()
