"""The guides to webhooks and to live events are run as they stand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from aiohttp.test_utils import TestServer

from periskope_async.sandbox import Sandbox
from tests.test_readme import guide, sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from periskope_async.webhooks import LiveEvent


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def test_webhooks_in_fastapi(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async with Sandbox(chats=5) as running:
        monkeypatch.setenv("PERISKOPE_SIGNING_KEY", running.signing_key)
        async with served(guide("webhooks_asgi")["app"]) as url:
            running.webhooks.subscribe(f"{url}/periskope/")
            running.webhooks.faults.copies = 2
            running.emit("message.created", {"message_id": "m", "sender_phone": "1@c.us", "body": "hello"})
            await running.webhooks.flush()
    assert [sent.status for sent in running.webhooks.sent] == [200, 200]
    assert capsys.readouterr().out == "message.created 1@c.us hello\n"


async def test_webhooks_in_aiohttp(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async with Sandbox(chats=5) as running:
        monkeypatch.setenv("PERISKOPE_SIGNING_KEY", running.signing_key)
        async with TestServer(guide("webhooks_aiohttp")["make_app"]()) as server:
            running.webhooks.subscribe(str(server.make_url("/periskope")))
            chat = running.insert()
            await running.webhooks.flush()
    assert [sent.status for sent in running.webhooks.sent] == [200]
    assert capsys.readouterr().out == f"chat.created {chat}\n"


async def test_webhooks_anywhere() -> None:
    received = guide("webhooks_anywhere")["received"]
    answers: list[tuple[int, LiveEvent | None]] = []

    async def take(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        signature = dict(scope["headers"])[b"x-periskope-signature"].decode()
        answers.extend([received(body, signature, ["old", running.signing_key]), received(body, signature, ["old"])])
        answers.append(received(body, None, [running.signing_key]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with Sandbox(chats=5) as running, served(take) as url:
        running.webhooks.subscribe(url)
        chat = running.insert()
        await running.webhooks.flush()
    (good, event), *refused = answers
    assert good == 200
    assert event is not None
    assert event.object_id == chat
    assert refused == [(401, None), (401, None)]


async def test_live_events(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async with sandbox(monkeypatch) as running:
        watching = asyncio.ensure_future(guide("live")["watch"]())
        while not running.sockets.connected:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        running.emit("message.created", {"message_id": "m", "sender_phone": "1@c.us", "body": "hello"})
        shown = ""
        while not shown:
            await asyncio.sleep(0.01)
            shown += capsys.readouterr().out
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
    assert shown == "1@c.us hello\n"
