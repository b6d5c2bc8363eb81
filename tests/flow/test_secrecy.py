"""The API key shows in no error, log, event or report of a crash, however a call ends and whatever a server quotes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import pickle
import traceback
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest

from periskope_async import ConfigError, PeriskopeClient, PeriskopeError, RetryPolicy, Timeout
from periskope_async.sandbox import Body, CutBody, HeaderChange, Redirect, ResetConnection, Slow, StallBody, Status
from tests.flow.crash_report import crash_report, frames_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from periskope_async.sandbox import Sandbox
    from tests.flow.conftest import Opened

KEY = "b64KEY/+abc/DEF=="
BASE64 = b64encode(f"Bearer {KEY}".encode()).decode()
SPELLINGS = [
    KEY,
    KEY.replace("/", r"\/"),
    KEY.replace("+", r"\u002b").replace("=", r"\u003d"),
    KEY.replace("+", r"\u002B").replace("/", r"\u002F"),
    "".join(f"\\u{ord(character):04x}" for character in KEY),
    quote(KEY, safe=""),
    "".join(f"&#{ord(character)};" for character in KEY),
    KEY.replace("+", "&#43;").replace("=", "&#x3D;"),
    BASE64,
]
# What is left of each where one looks for the whole of it.
TRACES = [*SPELLINGS, BASE64[12:-6]]


def assert_no_key(text: str) -> None:
    assert [trace for trace in TRACES if trace in text or repr(trace)[1:-1] in text] == []


@contextlib.asynccontextmanager
async def opened_with_key(
    opened: Opened, *, is_lent: bool = False, **options: Any
) -> AsyncGenerator[tuple[Sandbox, PeriskopeClient]]:
    async with opened(sandbox={"api_key": KEY}, retry=1) as (sandbox, _), contextlib.AsyncExitStack() as stack:
        lent = await stack.enter_async_context(aiohttp.ClientSession()) if is_lent else None
        settings: dict[str, Any] = {"retry": 1, "session": lent, **options}
        client = await stack.enter_async_context(PeriskopeClient(KEY, base_url=sandbox.base_url, **settings))
        yield sandbox, client


async def failure_of(awaitable: Awaitable[object]) -> BaseException:
    try:
        await awaitable
    except BaseException as error:  # noqa: BLE001 - a cancel is looked at too
        return error
    raise AssertionError("nothing was raised")


async def cancelled(client: PeriskopeClient, after: float = 0.1) -> None:
    task = asyncio.create_task(client.list_chats(limit=50))
    await asyncio.sleep(after)
    task.cancel()
    await task


async def closed(client: PeriskopeClient) -> None:
    task = asyncio.create_task(client.list_chats(limit=50))
    await asyncio.sleep(0.1)
    await client.close()
    await task


async def timed_out(client: PeriskopeClient) -> None:
    async with asyncio.timeout(0.1):
        await client.list_chats(limit=50)


async def in_a_group(client: PeriskopeClient) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(client.list_chats(limit=50))


async def while_handling_another(client: PeriskopeClient) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        await client.list_chats(limit=50)


async def walked(client: PeriskopeClient) -> None:
    async with asyncio.timeout(0.2):
        async for _ in client.iter_chats(page_size=50, prefetch=3):
            pass


def call(client: PeriskopeClient) -> Awaitable[object]:
    return client.list_chats(limit=50)


QUICK = Timeout(connect=5.0, read=0.1)
FAILURES: dict[str, tuple[list[Any], dict[str, Any], Callable[[PeriskopeClient], Awaitable[object]]]] = {
    "read timeout": ([Slow(30)], {"timeout": QUICK}, call),
    "read timeout in the body": ([StallBody(100, 30)], {"timeout": QUICK}, call),
    "total timeout": ([Slow(30)], {"timeout": 0.1}, call),
    "total timeout in the body": ([StallBody(100, 30)], {"timeout": 0.1}, call),
    "wait_for": ([Slow(30)], {}, lambda client: asyncio.wait_for(client.list_chats(), 0.1)),
    "asyncio.timeout": ([Slow(30)], {}, timed_out),
    "asyncio.timeout in the body": ([StallBody(100, 30)], {}, timed_out),
    "cancel": ([Slow(30)], {}, cancelled),
    "cancel in the body": ([StallBody(100, 30)], {}, cancelled),
    "close": ([Slow(30)], {}, closed),
    "close in the body": ([StallBody(100, 30)], {}, closed),
    "reset": ([ResetConnection()], {}, call),
    "cut": ([CutBody(100)], {}, call),
    "too large": ([HeaderChange(set={"x-periskope-trace-id": KEY})], {"max_body": 10}, call),
    "group": ([Slow(30), Slow(30), Status(500)], {}, in_a_group),
    "while handling another": ([Slow(30)], {"timeout": 0.1}, while_handling_another),
    "walk": ([Slow(0), *[Slow(30)] * 9], {}, walked),
    "retries": ([Status(500), ResetConnection(), Slow(30)], {"retry": 3, "timeout": QUICK}, call),
    "elsewhere": ([Redirect(f"https://example.com/?key={quote(KEY)}")], {}, call),
    "around": ([Redirect(f"/v1/chats?key={quote(KEY)}")] * 9, {}, call),
    "trace id": ([Status(401, headers={"x-periskope-trace-id": KEY, "org_id": quote(KEY)})], {}, call),
    "limit's headers": ([Status(401, headers={"X-RateLimit-Limit": KEY, "Retry-After": KEY})], {}, call),
    "broken JSON": ([Body(json.dumps({"k": KEY})[:-1].encode(), "application/json")], {}, call),
    "other JSON": ([Body(json.dumps([KEY]).encode(), "application/json")], {}, call),
}  # fmt: skip


@pytest.mark.parametrize("is_lent", [False, True])
@pytest.mark.parametrize("failure", FAILURES)
async def test_no_crash_report_shows_the_key(
    opened: Opened,
    caplog: pytest.LogCaptureFixture,
    failure: str,
    is_lent: bool,  # noqa: FBT001
) -> None:
    """Frames, locals and what these hold, of all errors in the chain; pickles, events and the log."""
    faults, options, act = FAILURES[failure]
    told: list[Any] = []
    with caplog.at_level(logging.DEBUG, "periskope_async"):
        async with opened_with_key(opened, is_lent=is_lent, hooks=[told.append], **options) as (sandbox, client):
            sandbox.script(*faults)
            error = await failure_of(act(client))
    assert_no_key(crash_report(error))
    assert_no_key(repr(told))
    records = [record for record in caplog.records if "sandbox" not in record.name]
    assert_no_key("\n".join(map(logging.Formatter().format, records)))
    if isinstance(error, PeriskopeError):
        assert_no_key(pickle.dumps(error).decode("latin-1"))
    # The frames that could show a header are gone, and those that say where it happened are there.
    assert error.__traceback__ is not None


@pytest.mark.parametrize("is_lent", [False, True])
@pytest.mark.parametrize("steps", range(0, 40, 2))
async def test_no_cancel_shows_the_key(opened: Opened, steps: int, is_lent: bool) -> None:  # noqa: FBT001
    """Not after a time but after so many turns of the loop, so that each await gets its cancel."""
    async with opened_with_key(opened, is_lent=is_lent) as (sandbox, client):
        sandbox.script(StallBody(10, 30))
        task = asyncio.create_task(client.list_chats(limit=20))
        for _ in range(steps):
            await asyncio.sleep(0)
        # The frames of what still runs are shown by debuggers and by `asyncio.Task.print_stack`.
        running = "".join(repr(frame.f_locals) for frame in task.get_stack())
        task.cancel()
        (error,) = await asyncio.gather(task, return_exceptions=True)
    assert_no_key(running)
    if isinstance(error, BaseException):
        assert_no_key(crash_report(error))


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/v1", "https://127.0.0.1:{port}/v1"])
@pytest.mark.parametrize("is_listening", [True, False])
async def test_no_failed_connection_shows_the_key(
    nothing_left_over: None,
    unused_tcp_port: int,
    url: str,
    is_listening: bool,  # noqa: FBT001
) -> None:
    """Refused, or accepted by somebody who says nothing: no answer, no TLS."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", unused_tcp_port) if is_listening else None
    async with PeriskopeClient(
        KEY, base_url=url.format(port=unused_tcp_port), retry=1, timeout=Timeout(connect=0.1, read=0.1)
    ) as client:
        error = await failure_of(client.list_chats())
    if server is not None:
        server.close()
        await server.wait_closed()
    assert isinstance(error, PeriskopeError)
    assert_no_key(crash_report(error))


SHAPES = ['{{"code":"X","message":"bad key {}"}}', "<p>bad key {}</p>", '{{"{}":1}}']


@pytest.mark.parametrize("status", [200, 401, 422, 503])
async def test_no_quoted_key_is_shown(opened: Opened, caplog: pytest.LogCaptureFixture, status: int) -> None:
    told: list[Any] = []
    errors: list[BaseException] = []
    with caplog.at_level(logging.DEBUG, "periskope_async"):
        retry = RetryPolicy(tries=2, base=0.0)
        async with opened_with_key(opened, retry=retry, hooks=[told.append]) as (sandbox, client):
            for spelling in SPELLINGS:
                for shape in SHAPES:
                    sandbox.clear()
                    sandbox.script(*[Body(shape.format(spelling).encode(), "application/json", status)] * 2)
                    errors.append(await failure_of(client.list_chats(limit=5)))
    for error in errors:
        assert isinstance(error, PeriskopeError)
        assert_no_key(f"{error} {error!r} {vars(error)!r} {crash_report(error)}")
    assert_no_key(repr(told))
    assert_no_key("\n".join(record.getMessage() for record in caplog.records if "sandbox" not in record.name))


async def test_a_key_cut_off_by_an_excerpt_is_not_shown(opened: Opened) -> None:
    """Where an excerpt of a body ends inside of the key, its beginning would be shown."""
    async with opened_with_key(opened) as (sandbox, client):
        for length in range(150, 220, 3):
            sandbox.script(Body(f"[{'x' * length}{KEY}]".encode(), "application/json"))
            error = await failure_of(client.list_chats(limit=5))
            assert "b64KE" not in crash_report(error)


@pytest.mark.parametrize("where", ["request start", "headers sent", "middleware", "middleware after"])
async def test_what_a_lent_session_brings_does_not_show_the_key(opened: Opened, where: str) -> None:
    """An error of its own traces and middlewares keeps their frames, and shows no key in them."""
    seen: list[str] = []

    async def trace(session: object, context: object, params: Any) -> None:
        seen.append(repr(params.headers))
        raise LookupError(where)

    async def middleware(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        seen.append(repr(request.headers))
        if where == "middleware after":
            response = await handler(request)
            seen.append(repr(response.request_info))
            response.release()
        raise LookupError(where)

    traces = aiohttp.TraceConfig()
    if where == "request start":
        traces.on_request_start.append(trace)
    elif where == "headers sent":
        traces.on_request_headers_sent.append(trace)
    middlewares = (middleware,) if "middleware" in where else ()
    async with (
        opened(sandbox={"api_key": KEY}) as (sandbox, _),
        aiohttp.ClientSession(trace_configs=[traces], middlewares=middlewares) as session,
        PeriskopeClient(KEY, base_url=sandbox.base_url, session=session, retry=1) as client,
    ):
        error = await failure_of(client.list_chats(limit=5))
        assert client.rate_limit.in_flight == 0
    assert isinstance(error, LookupError)
    assert_no_key(crash_report(error) + "".join(seen))
    own = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert own[-1] in {"trace", "middleware"}
    assert not [frame for frame in frames_of(error) if frame.f_globals["__name__"].startswith("aiohttp")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://example.com"},
        {"phone": "mum"},
        {"timeout": -1},
        {"retry": 0},
        {"limiter": 5},
        {"session": 5},
        {"max_body": 0},
        {"hooks": ["no hook"]},
        {"proxy": "socks5://user:hunter2@127.0.0.1:1"},
        {"api_key": f"{KEY} and a space"},
        {"api_key": f"{KEY}ä"},
        {"api_key": KEY.encode()},
    ],
)
@pytest.mark.parametrize("is_of_environment", [False, True])
def test_no_refused_setting_shows_the_key(
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, Any],
    is_of_environment: bool,  # noqa: FBT001
) -> None:
    if is_of_environment:
        monkeypatch.setenv("PERISKOPE_API_KEY", KEY)
    else:
        wrong = {"api_key": KEY, **wrong}
    with pytest.raises(ConfigError) as caught:
        PeriskopeClient(**wrong)
    report = crash_report(caught.value)
    assert_no_key(report)
    assert "hunter2" not in report
