"""A sender that goes away before its whole body has come: its own fault, so it makes no error here."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount

from periskope_async.webhooks import Receiver
from tests.webhooks.bodies import KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from periskope_async.webhooks import LiveEvent

pytestmark = pytest.mark.usefixtures("nothing_left_over")


async def handle(_: LiveEvent) -> None:
    raise AssertionError


async def test_in_aiohttp(caplog: pytest.LogCaptureFixture) -> None:
    statuses: list[int] = []
    begun = asyncio.Event()

    @web.middleware
    async def look(request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        begun.set()
        answer = await handler(request)
        statuses.append(answer.status)
        return answer

    app = web.Application(middlewares=[look])
    app.router.add_post("/periskope", Receiver(handle, keys=KEY).aiohttp_handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    writer.write(b"POST /periskope HTTP/1.1\r\nHost: here\r\nContent-Length: 2000\r\n\r\n{")
    await begun.wait()
    writer.close()
    await writer.wait_closed()
    await runner.cleanup()
    assert statuses == [400]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_behind_a_middleware_of_starlette() -> None:
    async def look(request: Any, call_next: Callable[..., Awaitable[Any]]) -> Any:
        return await call_next(request)

    app = Starlette(
        routes=[Mount("/periskope", Receiver(handle, keys=KEY))],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=look)],
    )
    received: list[Any] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return received.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/periskope/",
        "headers": [],
        "query_string": b"",
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 400
