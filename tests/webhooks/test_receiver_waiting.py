"""What a receiver has answered and not handled: it is bounded, and at the server's end it is handled, or told."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from periskope_async.webhooks import Receiver
from periskope_async.webhooks.seen import Recent
from tests.webhooks.bodies import KEY, envelope, message, signed
from tests.webhooks.test_receiver import BODY, post, under_uvicorn

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


def answers(receiver: Receiver, numbers: range) -> list[int]:
    """Give webhooks to a receiver; give the statuses of its answers."""
    bodies = [envelope("message.created", message(message_id=f"m{number}")) for number in numbers]
    return [receiver._answer(body, [signed(body).encode()]).status for body in bodies]


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


async def hang(_: LiveEvent) -> None:
    await asyncio.Event().wait()


async def hang_and_go_on(_: LiveEvent) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


@pytest.mark.parametrize("handle", [hang, hang_and_go_on])
async def test_a_drain_gives_up_on_a_handler_that_hangs(
    handle: Callable[[LiveEvent], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(handle, keys=KEY, drain_timeout=0.01)
    assert answers(receiver, range(3)) == [200, 200, 200]
    async with asyncio.timeout(5):
        await receiver.drain()
    assert receiver.waiting == 2
    assert "not handled: 3" in lines(caplog, logging.ERROR)[0]


async def test_a_server_ends_although_a_handler_hangs(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(10), under_uvicorn(Receiver(hang, keys=KEY, drain_timeout=0.01)) as url:
        assert (await post(http, url, BODY))[0] == 200
    assert "not handled: 1" in lines(caplog, logging.ERROR)[0]


class SlowStore(Recent):
    """Forgets a key after a while, as one over a network does."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten = 0

    async def discard(self, key: str) -> None:
        await asyncio.sleep(0.01)
        await super().discard(key)
        self.forgotten += 1


async def test_a_drain_that_gives_up_waits_until_the_handler_has_let_go() -> None:
    happened: list[str] = []

    async def handle(_: LiveEvent) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            happened.append("cleaned up")

    store = SlowStore()
    receiver = Receiver(handle, keys=KEY, drain_timeout=0.01, seen=store)
    answers(receiver, range(1))
    await receiver.drain()
    assert (happened, store.forgotten) == (["cleaned up"], 1)


async def test_a_drain_does_not_wait_for_a_handler_that_never_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("periskope_async.webhooks.receiver._SECONDS_TO_LET_GO", 0.01)
    end = asyncio.Event()

    async def handle(_: LiveEvent) -> None:
        while not end.is_set():
            with suppress(asyncio.CancelledError):
                await end.wait()

    receiver = Receiver(handle, keys=KEY, drain_timeout=0.01)
    answers(receiver, range(1))
    async with asyncio.timeout(5):
        await receiver.drain()
    end.set()
    await asyncio.sleep(0.01)


async def test_an_event_is_forgotten_at_the_end_of_a_program_without_a_drain() -> None:
    store = SlowStore()
    answers(Receiver(hang, keys=KEY, seen=store), range(1))
    await asyncio.sleep(0.01)
    # asyncio.run() cancels all tasks like this, in any order. Here the handler's is the first.
    tasks = {task.get_name(): task for task in asyncio.all_tasks()}
    both = [tasks["periskope webhook"], tasks["periskope webhooks"]]
    for task in both:
        task.cancel()
    await asyncio.wait(both)
    assert store.forgotten == 1


def test_a_program_that_ends_without_a_drain_says_what_it_has_not_handled(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        answers(Receiver(hang, keys=KEY), range(3))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert "not handled: 3" in "".join(lines(caplog, logging.ERROR))


async def test_a_full_queue_is_told_once_a_spell(caplog: pytest.LogCaptureFixture) -> None:
    go_on = asyncio.Event()

    async def handle(_: LiveEvent) -> None:
        await go_on.wait()

    receiver = Receiver(handle, keys=KEY, max_waiting=2)
    for spell in (1, 2):
        go_on.clear()
        first = spell * 10
        assert answers(receiver, range(first, first + 4)) == [200, 200, 503, 503]
        assert receiver.waiting == 2
        assert len(lines(caplog, logging.WARNING)) == spell
        go_on.set()
        await receiver.drain()
        assert receiver.waiting == 0


async def test_webhooks_wait_within_a_bound_of_bytes() -> None:
    size = len(envelope("message.created", message(message_id="m0")))
    receiver = Receiver(hang, keys=KEY, max_waiting_bytes=2 * size, drain_timeout=0.01)
    assert answers(receiver, range(3)) == [200, 200, 503]
    await asyncio.sleep(0)
    # One is in the handler's hands.
    assert answers(receiver, range(3, 5)) == [200, 503]
    await receiver.drain()


async def test_one_webhook_alone_has_room_whatever_its_size() -> None:
    receiver = Receiver(hang, keys=KEY, max_waiting_bytes=1, drain_timeout=0.01)
    assert answers(receiver, range(2)) == [200, 503]
    await receiver.drain()
