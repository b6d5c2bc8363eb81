"""The receiver as its server ends: what was answered is handled, or said to be not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from periskope_async.webhooks import Receiver
from tests.webhooks.bodies import KEY
from tests.webhooks.test_receiver import BODY, post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import aiohttp

    from periskope_async.webhooks import LiveEvent

pytestmark = pytest.mark.usefixtures("nothing_left_over")


async def test_aiohttp_drains_behind_its_last_handler_and_before_any_clean_up(http: aiohttp.ClientSession) -> None:
    happened: list[str] = []
    in_flight = asyncio.Event()
    go_on = asyncio.Event()

    async def handle(_: LiveEvent) -> None:
        await asyncio.sleep(0.05)
        happened.append("handled")

    @web.middleware
    async def slow(request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        in_flight.set()
        await go_on.wait()
        return await handler(request)

    async def database(_: web.Application) -> AsyncIterator[None]:
        yield
        happened.append("database closed")

    async def shut_down(_: web.Application) -> None:
        go_on.set()

    receiver = Receiver(handle, keys=KEY)
    app = web.Application(middlewares=[slow])
    app.router.add_post("/periskope", receiver.aiohttp_handler)
    app.cleanup_ctx.append(database)
    app.on_shutdown.append(shut_down)
    app.on_cleanup.insert(0, receiver.drain)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    answer = asyncio.create_task(post(http, f"http://127.0.0.1:{runner.addresses[0][1]}/periskope", BODY))
    await in_flight.wait()
    await runner.cleanup()
    assert (await answer)[0] == 200
    assert happened == ["handled", "database closed"]
