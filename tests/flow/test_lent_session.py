"""What a lent session brings: it is used, or goes behind what the client must send, and nothing of it breaks a call."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from periskope_async import ClosedError, ConnectError, PeriskopeClient, RateLimit, RateLimiter
from periskope_async.limits.permit import Permit
from periskope_async.sandbox import ResetConnection, Slow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType

    from tests.flow.conftest import Opened

KEY = "pk-very-secret"
PAGE: dict[str, Any] = {"from": 1, "to": 1, "count": 1, "chats": [{"chat_id": "1@g.us"}]}


class Server:
    """Takes down the headers of each request, and answers a page of one chat."""

    def __init__(self) -> None:
        self.seen: list[dict[str, list[str]]] = []
        self.base_url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append({name.lower(): request.headers.getall(name) for name in request.headers})
        answer = web.json_response(PAGE)
        answer.set_cookie("sticky", "node-1")
        return answer


@pytest.fixture
async def server(nothing_left_over: None) -> AsyncIterator[Server]:
    kept = Server()
    app = web.Application()
    app.router.add_get("/v1/chats", kept.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kept.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield kept
    await runner.cleanup()


async def asked(server: Server, session: aiohttp.ClientSession, times: int = 1, **options: Any) -> dict[str, list[str]]:
    """Make calls on a lent session; give the headers of the last."""
    async with session, PeriskopeClient(KEY, base_url=server.base_url, session=session, **options) as client:
        for _ in range(times):
            assert [chat.chat_id for chat in (await client.list_chats(limit=1)).chats] == ["1@g.us"]
    return server.seen[-1]


def session_with_auth() -> aiohttp.ClientSession:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer aiohttp has another way, older only this one
        return aiohttp.ClientSession(auth=aiohttp.BasicAuth("u", "p"))


@pytest.mark.parametrize("netrc", ["machine 127.0.0.1 login u password p", "default login anonymous password guest"])
async def test_netrc_does_not_replace_the_key(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, netrc: str
) -> None:
    (tmp_path / "netrc").write_text(netrc)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    headers = await asked(server, aiohttp.ClientSession(trust_env=True))
    assert headers["authorization"] == [f"Bearer {KEY}"]


async def test_auth_does_not_replace_the_key(server: Server) -> None:
    assert (await asked(server, session_with_auth()))["authorization"] == [f"Bearer {KEY}"]


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_an_authorization_of_its_own_does_not(server: Server, name: str) -> None:
    session = aiohttp.ClientSession(headers={name: "Bearer another"})
    assert (await asked(server, session, times=2))["authorization"] == [f"Bearer {KEY}"]


async def test_an_authorization_of_a_middleware_does_not(server: Server) -> None:
    async def middleware(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers["Authorization"] = "Bearer another"
        return await handler(request)

    session = aiohttp.ClientSession(middlewares=(middleware,))
    assert (await asked(server, session))["authorization"] == [f"Bearer {KEY}"]


async def test_default_headers_and_cookies_are_sent(server: Server) -> None:
    session = aiohttp.ClientSession(
        headers={"X-Tenant": "7", "Accept": "text/html", "x-phone": "12025550199"},
        cookie_jar=aiohttp.CookieJar(unsafe=True),
    )
    headers = await asked(server, session, times=2, phone="12025550123")
    assert headers["x-tenant"] == ["7"]
    assert headers["cookie"] == ["sticky=node-1"]
    # What the client says itself is not said twice.
    assert headers["accept"] == ["application/json"]
    assert headers["x-phone"] == ["12025550123"]


async def test_base_url_and_json_serialize_change_nothing(server: Server) -> None:
    def serialize(value: object) -> str:
        raise AssertionError(value)

    session = aiohttp.ClientSession(
        "http://127.0.0.1:9/elsewhere/",
        json_serialize=serialize,
        raise_for_status=True,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=1e-9),
    )
    await asked(server, session)


async def test_middlewares_are_called_in_order_for_each_request(server: Server) -> None:
    called: list[str] = []

    def named(name: str) -> ClientMiddlewareType:
        async def middleware(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
            called.append(f"{name} {request.method} {request.url.path}")
            request.headers["X-Signed"] = name
            response = await handler(request)
            called.append(f"{name} {response.status}")
            return response

        return middleware

    headers = await asked(server, aiohttp.ClientSession(middlewares=(named("outer"), named("inner"))))
    assert called == ["outer GET /v1/chats", "inner GET /v1/chats", "inner 200", "outer 200"]
    assert headers["x-signed"] == ["inner"]


async def test_a_middleware_sees_the_errors_of_aiohttp(opened: Opened) -> None:
    """And nothing is sent again behind the limiter's back."""
    seen: list[Exception] = []

    async def middleware(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except aiohttp.ClientError as error:
            seen.append(error)
            raise

    async with opened() as (sandbox, _), aiohttp.ClientSession(middlewares=(middleware,)) as session:
        async with PeriskopeClient(KEY, base_url=sandbox.base_url, session=session, retry=1) as client:
            await client.list_chats(limit=1)
            sandbox.script(ResetConnection())
            with pytest.raises(ConnectError):
                await client.list_chats(limit=1)
        assert len(seen) == 1
        assert len(sandbox.requests) == 2


async def test_a_middleware_that_sends_twice_sends_the_key_twice(server: Server) -> None:
    async def middleware(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        (await handler(request)).release()
        return await handler(request)

    headers = await asked(server, aiohttp.ClientSession(middlewares=(middleware,)))
    assert headers["authorization"] == [f"Bearer {KEY}"]
    assert len(server.seen) == 2


async def test_traces_are_called(server: Server) -> None:
    called: list[str] = []
    traces = aiohttp.TraceConfig()

    async def started(session: object, context: object, params: aiohttp.TraceRequestStartParams) -> None:
        called.append(params.method)

    async def ended(session: object, context: object, params: aiohttp.TraceRequestEndParams) -> None:
        called.append(str(params.response.status))

    traces.on_request_start.append(started)
    traces.on_request_end.append(ended)
    await asked(server, aiohttp.ClientSession(trace_configs=[traces]))
    assert called == ["GET", "200"]


async def test_a_slow_trace_books_no_request_too_early(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server counts a request when it comes, which is after the last trace before its writing."""
    order: list[str] = []
    sent = Permit.sent

    def told(permit: Permit) -> None:
        order.append("booked")
        sent(permit)

    async def slow(session: object, context: object, params: object) -> None:
        await asyncio.sleep(0.02)
        order.append("traced")

    monkeypatch.setattr(Permit, "sent", told)
    traces = aiohttp.TraceConfig()
    traces.on_request_headers_sent.append(slow)
    await asked(server, aiohttp.ClientSession(trace_configs=[traces]), times=2)
    assert order == ["traced", "booked"] * 2


async def test_a_slow_trace_makes_no_refusals(opened: Opened) -> None:
    delays = iter([0.0, 0.2] * 100)

    async def slow(session: object, context: object, params: object) -> None:
        await asyncio.sleep(next(delays))

    traces = aiohttp.TraceConfig()
    traces.on_request_headers_sent.append(slow)
    limiter = RateLimiter(assume=RateLimit(5, 0.5))
    async with (
        opened(sandbox={"limit": 5, "window": 0.5}) as (sandbox, _),
        aiohttp.ClientSession(trace_configs=[traces]) as session,
        PeriskopeClient(KEY, base_url=sandbox.base_url, session=session, limiter=limiter) as client,
    ):
        await asyncio.gather(*(client.list_chats(limit=1) for _ in range(20)))
        assert sandbox.refusals == 0
        assert len(sandbox.requests) == 20


async def test_a_cancel_in_a_slow_trace_leaves_nothing(opened: Opened) -> None:
    begun = asyncio.Event()

    async def slow(session: object, context: object, params: object) -> None:
        begun.set()
        await asyncio.sleep(30)

    traces = aiohttp.TraceConfig()
    traces.on_request_headers_sent.append(slow)
    async with (
        opened() as (sandbox, _),
        aiohttp.ClientSession(trace_configs=[traces]) as session,
        PeriskopeClient(KEY, base_url=sandbox.base_url, session=session) as client,
    ):
        call = asyncio.create_task(client.list_chats(limit=1))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert client.rate_limit.in_flight == 0
        assert sandbox.requests == []


async def test_closing_ends_a_call_in_a_middleware(opened: Opened) -> None:
    async def slow(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        finally:
            await asyncio.sleep(0.02)

    async with opened() as (sandbox, _), aiohttp.ClientSession(middlewares=(slow,)) as session:
        sandbox.script(Slow(30))
        client = PeriskopeClient(KEY, base_url=sandbox.base_url, session=session)
        call = asyncio.create_task(client.list_chats(limit=1))
        await asyncio.sleep(0.1)
        await client.close()
        # The last word of the call is said when close() has ended.
        with pytest.raises(ClosedError):
            await asyncio.wait_for(call, 0.01)
        assert not session.closed
