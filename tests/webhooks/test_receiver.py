"""The receiver under real HTTP: in FastAPI, in aiohttp.web, and alone."""

from __future__ import annotations

import asyncio
import gzip
import logging
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import fastapi
import pytest
import uvicorn
from aiohttp import web
from starlette.middleware.base import BaseHTTPMiddleware

from periskope_async import ConfigError
from periskope_async.webhooks import Receiver
from periskope_async.webhooks.seen import Recent
from tests.webhooks.bodies import KEY, chat, envelope, message, signed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    import aiohttp

    from periskope_async.webhooks import LiveEvent

BODY = envelope("message.created", message())
pytestmark = pytest.mark.usefixtures("nothing_left_over")


class Handled:
    def __init__(self) -> None:
        self.events: list[LiveEvent] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, event: LiveEvent) -> None:
        await self.go_on.wait()
        self.events.append(event)


@asynccontextmanager
async def under_uvicorn(app: Any) -> AsyncGenerator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
    # Not serve(): its signal handlers are for a main program.
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - it tells nobody else
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def alone(receiver: Receiver) -> AsyncGenerator[str]:
    async with under_uvicorn(receiver) as url:
        yield f"{url}/"


@asynccontextmanager
async def in_fastapi(receiver: Receiver) -> AsyncGenerator[str]:
    app = fastapi.FastAPI()
    app.mount("/periskope", receiver)

    async def look(request: fastapi.Request, call_next: Callable[..., Awaitable[Any]]) -> Any:
        assert await request.body() is not None
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=look)
    async with under_uvicorn(app) as url:
        yield f"{url}/periskope/"
    await receiver.drain()


@asynccontextmanager
async def in_aiohttp(receiver: Receiver, *, reads_before: bool = False) -> AsyncGenerator[str]:
    @web.middleware
    async def look(request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        if reads_before:
            await request.read()
        return await handler(request)

    app = web.Application(middlewares=[look])
    app.router.add_post("/periskope", receiver.aiohttp_handler)
    app.on_cleanup.insert(0, receiver.drain)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/periskope"
    finally:
        await runner.cleanup()


SERVERS = [alone, in_fastapi, in_aiohttp]


async def post(
    http: aiohttp.ClientSession, url: str, body: bytes, signature: str | None = "", **headers: str
) -> tuple[int, str]:
    if signature is not None:
        headers["X-Periskope-Signature"] = signature or signed(body)
    async with http.post(url, data=BytesIO(body), headers=headers) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("served", SERVERS)
async def test_the_answers(served: Any, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    handled = Handled()
    async with served(Receiver(handled, keys=[KEY, "peri_old"], max_body=3_000_000)) as url:
        large = envelope("note.created", {"message_id": "n", "media": {"filedata": "A" * 2_000_000}})
        answers = {
            "right": await post(http, url, BODY),
            "again": await post(http, url, BODY),
            "large": await post(http, url, large),
            "too large": await post(http, url, b" " * 3_000_001),
            "old key": await post(http, url, BODY, signed(BODY, "peri_old")),
            "wrong": await post(http, url, BODY, signed(BODY, "peri_wrong")),
            "none": await post(http, url, BODY, None),
            "empty": await post(http, url, b"", "0" * 64),
            "no event": await post(http, url, b"[]"),
        }
        async with http.get(url) as response:
            answers["GET"] = response.status, ""
    assert {name: status for name, (status, _) in answers.items()} == {
        "right": 200,
        "again": 200,
        "large": 200,
        "too large": 413,
        "old key": 200,
        "wrong": 401,
        "none": 401,
        "empty": 401,
        "no event": 400,
        "GET": 405,
    }
    assert "fits none of the keys" in answers["wrong"][1]
    assert "missing" in answers["none"][1]
    assert "read it before" in answers["empty"][1]
    assert [event.name for event in handled.events] == ["message.created", "note.created"]


@pytest.mark.parametrize("served", SERVERS)
async def test_a_body_that_was_compressed(served: Any, http: aiohttp.ClientSession) -> None:
    """aiohttp.web inflates it, ASGI servers do not; what was signed is the JSON."""
    handled = Handled()
    async with served(Receiver(handled, keys=KEY)) as url:
        headers = {"X-Periskope-Signature": signed(BODY), "Content-Encoding": "gzip"}
        async with http.post(url, data=gzip.compress(BODY), headers=headers) as response:
            assert response.status == 200
    assert len(handled.events) == 1


@pytest.mark.parametrize(
    ("content", "status"), [(b"no gzip", 400), (gzip.compress(BODY)[:-20], 400), (gzip.compress(b" " * 200_000), 413)]
)
@pytest.mark.parametrize("served", [alone, in_aiohttp])
async def test_what_cannot_be_inflated(
    served: Any, http: aiohttp.ClientSession, content: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    # aiohttp tells of such a body once more, after the answer.
    caplog.set_level(logging.CRITICAL)
    async with served(Receiver(Handled(), keys=KEY, max_body=100_000)) as url:
        headers = {"X-Periskope-Signature": signed(BODY), "Content-Encoding": "gzip"}
        async with http.post(url, data=content, headers=headers) as response:
            # aiohttp gives a gzip that was cut as a whole one, and its signature is wrong then.
            assert response.status in {status, 401 if served is in_aiohttp and status == 400 else status}


@pytest.mark.parametrize("served", SERVERS)
async def test_two_signatures_are_none(served: Any, http: aiohttp.ClientSession) -> None:
    async with served(Receiver(Handled(), keys=KEY)) as url:
        headers = [("X-Periskope-Signature", signed(BODY)), ("X-Periskope-Signature", "0" * 64)]
        async with http.post(url, data=BODY, headers=headers) as response:
            assert response.status == 401
            assert "several" in await response.text()


async def test_a_middleware_of_aiohttp_may_read_first(http: aiohttp.ClientSession) -> None:
    handled = Handled()
    async with in_aiohttp(Receiver(handled, keys=KEY), reads_before=True) as url:
        assert await post(http, url, BODY) == (200, "")
    assert len(handled.events) == 1


async def test_the_answer_does_not_wait_for_the_work(http: aiohttp.ClientSession) -> None:
    handled = Handled()
    handled.go_on.clear()
    async with in_aiohttp(Receiver(handled, keys=KEY, max_waiting=3)) as url:
        bodies = [envelope("message.created", message(message_id=f"m{n}")) for n in range(6)]
        statuses = [(await post(http, url, body))[0] for body in bodies]
        # One is in the handler's hands, three wait.
        assert statuses == [200, 200, 200, 200, 503, 503]
        assert handled.events == []
        handled.go_on.set()
    assert [event.object_id for event in handled.events] == ["m0", "m1", "m2", "m3"]


async def test_what_the_handler_could_not_do_may_come_again(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    calls: list[str] = []

    async def handle(event: LiveEvent) -> None:
        calls.append(event.name)
        if len(calls) == 1:
            raise ValueError("the database is away")

    receiver = Receiver(handle, keys=KEY)
    async with in_aiohttp(receiver) as url:
        for _ in range(3):
            assert (await post(http, url, BODY))[0] == 200
            await receiver.drain()
    assert len(calls) == 2


async def test_a_plain_function_may_handle(caplog: pytest.LogCaptureFixture) -> None:
    events: list[LiveEvent] = []
    receiver = Receiver(events.append, keys=KEY)
    body = envelope("message.created", message())
    for _ in range(2):
        assert receiver._answer(body, [signed(body).encode()]).status == 200
    await receiver.drain()
    assert [event.name for event in events] == ["message.created"]
    assert not caplog.records


async def test_a_change_that_is_made_again_is_handled_again() -> None:
    """Access to a chat is given, taken and given: its ``updated_at`` stays, so the third chat is the first one's."""
    handled = Handled()
    receiver = Receiver(handled, keys=KEY)
    for second, has_access in enumerate((True, False, True)):
        sent = {**chat(), "chat_access": {"ada@example.com": has_access}}
        body = envelope("chat.custom_properties.updated", sent, timestamp=f"2026-11-29T08:00:0{second}.000Z")
        for _ in range(2):
            assert receiver._answer(body, [signed(body).encode()]).status == 200
    await receiver.drain()
    assert [event.timestamp.second for event in handled.events if event.timestamp] == [0, 1, 2]


async def test_a_cancel_in_the_handler_ends_its_own_event_alone(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    handled: list[str | None] = []

    async def handle(event: LiveEvent) -> None:
        if event.object_id == "m0":
            inner = asyncio.ensure_future(asyncio.sleep(9))
            inner.cancel()
            await inner
        handled.append(event.object_id)

    receiver = Receiver(handle, keys=KEY)
    async with in_aiohttp(receiver) as url:
        for number in range(3):
            assert (await post(http, url, envelope("message.created", message(message_id=f"m{number}"))))[0] == 200
        await receiver.drain()
    assert handled == ["m1", "m2"]


async def test_a_cancelled_worker_leaves_the_rest_to_the_next_one() -> None:
    handled: list[str | None] = []

    async def handle(event: LiveEvent) -> None:
        if event.object_id == "m0":
            await asyncio.sleep(9)
        handled.append(event.object_id)

    receiver = Receiver(handle, keys=KEY)
    for number in range(3):
        body = envelope("message.created", message(message_id=f"m{number}"))
        assert receiver._answer(body, [signed(body).encode()]).status == 200
    await asyncio.sleep(0)
    assert receiver._worker is not None
    receiver._worker.cancel()
    await receiver.drain()
    assert handled == ["m1", "m2"]


async def test_a_worker_that_is_cancelled_before_it_begins_leaves_all_to_the_next_one() -> None:
    handled = Handled()
    receiver = Receiver(handled, keys=KEY)
    assert receiver._answer(BODY, [signed(BODY).encode()]).status == 200
    assert receiver._worker is not None
    receiver._worker.cancel()
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await receiver.drain()
    assert len(handled.events) == 1


async def test_an_event_of_another_time_is_refused_where_asked(http: aiohttp.ClientSession) -> None:
    now = 1_795_939_200.0  # 2026-11-29 08:00 UTC
    handled = Handled()
    async with in_aiohttp(Receiver(handled, keys=KEY, max_age=300, clock=lambda: now)) as url:
        assert (await post(http, url, BODY))[0] == 200
        for when in ("2026-11-29T07:50:00Z", "2026-11-29T08:10:00Z", None):
            status, said = await post(http, url, envelope("message.created", message(), timestamp=when))
            assert status == 401
            assert "max_age" in said
    assert len(handled.events) == 1


class Failing:
    async def add(self, _: str, /) -> bool:
        raise OSError("no Redis")

    async def discard(self, _: str, /) -> None:
        raise OSError("no Redis")


async def test_a_store_that_fails_loses_nothing(http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    handled = Handled()
    async with in_aiohttp(Receiver(handled, keys=KEY, seen=Failing())) as url:
        await post(http, url, BODY)
    assert len(handled.events) == 1
    assert "may be doubled" in caplog.text


async def test_an_event_is_handled_in_the_context_of_its_own_request() -> None:
    """So a request's id stands in the log lines of its event, and not in those of all that wait behind it."""
    request_id = ContextVar("request_id", default="none")
    handled: list[tuple[str | None, str]] = []

    async def handle(event: LiveEvent) -> None:
        await asyncio.sleep(0)
        handled.append((event.object_id, request_id.get()))
        request_id.set("the handler's own")

    receiver = Receiver(handle, keys=KEY)
    for number in range(3):
        request_id.set(f"r{number}")
        body = envelope("message.created", message(message_id=f"m{number}"))
        assert receiver._answer(body, [signed(body).encode()]).status == 200
    await receiver.drain()
    assert handled == [("m0", "r0"), ("m1", "r1"), ("m2", "r2")]


class Counted(Recent):
    """A store that is empty, and so false, at first."""

    def __len__(self) -> int:
        return len(self._keys)


async def test_a_store_that_is_empty_is_used() -> None:
    seen = Counted()
    receiver = Receiver(Handled(), keys=KEY, seen=seen)
    assert receiver._answer(BODY, [signed(BODY).encode()]).status == 200
    await receiver.drain()
    assert len(seen) == 1


async def test_a_store_and_a_handler_that_fail_keep_no_other_event_from_being_handled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handled: list[str | None] = []

    async def handle(event: LiveEvent) -> None:
        if event.object_id == "m0":
            raise OSError("no Redis")
        handled.append(event.object_id)

    receiver = Receiver(handle, keys=KEY, seen=Failing())
    for number in range(3):
        body = envelope("message.created", message(message_id=f"m{number}"))
        assert receiver._answer(body, [signed(body).encode()]).status == 200
    assert receiver._worker is not None
    await receiver._worker  # drain() would begin another one
    assert handled == ["m1", "m2"]
    assert "m0 may be dropped if it comes again" in caplog.text


def a_generator(_: LiveEvent) -> Generator[None]:
    yield


async def an_async_generator(_: LiveEvent) -> AsyncGenerator[None]:
    yield


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_body", 0),
        ("max_waiting", 0),
        ("max_age", 0),
        ("max_age", float("nan")),
        ("max_age", "300"),
        ("max_age", timedelta(minutes=5)),
        ("keys", None),
        ("keys", 5),
        ("handle", None),
        ("handle", a_generator),
        ("handle", an_async_generator),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(option: str, value: object) -> None:
    options: dict[str, Any] = {"handle": Handled(), "keys": KEY, option: value}
    with pytest.raises(ConfigError) as caught:
        Receiver(**options)
    assert caught.value.parameter == option


@pytest.mark.parametrize("size", [0, None])
def test_a_memory_of_no_size_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match="size"):
        Recent(size)


async def test_a_long_name_makes_no_long_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(event: LiveEvent) -> None:
        raise LookupError

    receiver = Receiver(refuse, keys=KEY)
    for name in ("message.created", "n\n😀" * 100_000):
        body = envelope(name, message(message_id="m😀" * 100_000))
        assert receiver._answer(body, [signed(body).encode()]).status == 200
    await receiver.drain()
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert len(record.getMessage().encode()) <= 2000
        assert record.getMessage().isprintable()
