"""Through a proxy: what it is sent, and what is said where it does not lead to the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from periskope_async import (
    ConnectError,
    PeriskopeClient,
    PeriskopeError,
    RateLimit,
    RateLimiter,
    RetryPolicy,
    Timeout,
    TimeoutError_,
    TransportError,
)
from periskope_async.sandbox import Sandbox
from tests.flow.crash_report import crash_report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from tests.flow.conftest import Opened

KEY = "pk-very-secret"
USER = "me:hunter2"
USER_SENT = b64encode(USER.encode()).decode()


async def streamed(client: PeriskopeClient) -> None:
    async with client.events():
        raise AssertionError


CALLS: dict[str, Callable[[PeriskopeClient], Awaitable[object]]] = {
    "list": lambda client: client.list_chats(limit=1),
    "write": lambda client: client.mark_chat_read("1@c.us"),
    "events": streamed,
}


class Proxy:
    """Answers each request with the same bytes, then closes; None answers nothing."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self.heads: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_with_user(self) -> str:
        return f"http://{USER}@127.0.0.1:{self.port}"

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if self._answer is None:
                await reader.read()
            else:
                writer.write(self._answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def proxied(answer: bytes | None) -> AsyncGenerator[Proxy]:
    proxy = Proxy(answer)
    server = await asyncio.start_server(proxy.meet, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


async def refused(proxy: str, **options: Any) -> tuple[TransportError, RateLimiter]:
    """Call the real server through a proxy that refuses; nothing leaves this machine."""
    limiter = RateLimiter(assume=RateLimit(5, 60.0))
    settings: dict[str, Any] = {"retry": 1, "timeout": Timeout(connect=0.3, read=0.3), **options}
    async with PeriskopeClient(KEY, proxy=proxy, limiter=limiter, **settings) as client:
        with pytest.raises(TransportError) as caught:
            await client.list_chats(limit=1)
    return caught.value, limiter


@pytest.mark.parametrize(
    ("answer", "kind", "said", "is_retryable"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ConnectError, "407 .*user and password", False),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", ConnectError, "403 Forbidden.*NO_PROXY", False),
        (b"HTTP/1.1 403 \xff\x1b[31m\r\n\r\n", ConnectError, r"403 \\xff\\x1b\[31m", False),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", ConnectError, "502 Bad Gateway", True),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n", ConnectError, "503 Busy", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", ConnectError, "through", True),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ConnectError, "no HTTP", True),
        (b"", ConnectError, "through", True),
        (None, TimeoutError_, r"timeout\.connect", True),
    ],
)
async def test_a_proxy_that_refuses_is_named(
    nothing_left_over: None,
    caplog: pytest.LogCaptureFixture,
    answer: bytes | None,
    kind: type[TransportError],
    said: str,
    is_retryable: bool,  # noqa: FBT001
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with proxied(answer) as proxy:
            error, limiter = await refused(proxy.url_with_user)
    assert type(error) is kind
    assert error.retryable is is_retryable
    assert proxy.url in str(error)
    assert re.search(said, str(error))
    # The server was sent nothing, so nothing is spent.
    assert limiter.snapshot().remaining == 5
    head = proxy.heads[0]
    assert head.startswith("CONNECT api.periskope.app:443 ")
    assert f"Proxy-Authorization: Basic {USER_SENT}\r\n" in head
    assert KEY not in "".join(proxy.heads)
    shown = crash_report(error) + caplog.text
    assert "hunter2" not in shown
    assert USER_SENT not in shown


QUOTES = [
    b"HTTP/1.1 407 no me:hunter2",
    b"HTTP/1.1 403 " + USER_SENT.encode(),
    b"HTTP/1.1 502 me%3ahunter2",
    b"HTTP/1.1 hunter2",
    b"Proxy-Authorization: Basic " + USER_SENT.encode(),
]


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("call", ["list", "write", "events"])
async def test_a_proxy_that_quotes_the_password(
    nothing_left_over: None, caplog: pytest.LogCaptureFixture, quote: bytes, call: str
) -> None:
    told: list[Any] = []
    with caplog.at_level(logging.DEBUG):
        async with (
            proxied(quote + b"\r\n\r\n") as proxy,
            PeriskopeClient(
                KEY, proxy=proxy.url_with_user, retry=RetryPolicy(tries=2, base=0.0), hooks=[told.append]
            ) as client,
        ):
            with pytest.raises(ConnectError) as caught:
                await CALLS[call](client)
    error = caught.value
    assert proxy.url in str(error)
    assert str(error).count(proxy.url) == 1
    shown = crash_report(error) + repr(told) + "".join(record.getMessage() for record in caplog.records)
    assert "hunter2" not in shown
    assert USER_SENT not in shown


async def test_a_proxy_that_is_not_there_is_named(nothing_left_over: None, unused_tcp_port: int) -> None:
    error, limiter = await refused(f"http://{USER}@127.0.0.1:{unused_tcp_port}")
    assert isinstance(error, ConnectError)
    assert f"the proxy http://127.0.0.1:{unused_tcp_port} cannot be reached" in str(error)
    assert "hunter2" not in crash_report(error)
    assert limiter.snapshot().remaining == 5


async def test_a_refusal_that_may_pass_is_tried_again(nothing_left_over: None) -> None:
    async with proxied(b"HTTP/1.1 503 Busy\r\n\r\n") as proxy:
        error, limiter = await refused(proxy.url, retry=RetryPolicy(tries=3, base=0.0))
        assert len(proxy.heads) == 3
    assert limiter.snapshot().remaining == 5
    assert "503" in str(error)


@pytest.mark.parametrize("is_of_environment", [False, True])
async def test_a_lent_session_s_proxy_leads_to_no_server_on_this_machine(
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    is_of_environment: bool,  # noqa: FBT001
) -> None:
    """It would ask its own machine, and be sent the API key unencrypted."""
    async with opened() as (sandbox, _), proxied(b"HTTP/1.1 403 No\r\n\r\n") as proxy:
        if is_of_environment:
            monkeypatch.setenv("http_proxy", proxy.url_with_user)
        way: dict[str, Any] = {"trust_env": True} if is_of_environment else {"proxy": proxy.url_with_user}
        async with (
            aiohttp.ClientSession(**way) as session,
            PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, session=session, retry=1) as client,
        ):
            assert (await client.list_chats(limit=1)).chats
            async with client.events():
                pass
    assert proxy.heads == []


@pytest.mark.parametrize("call", ["list", "write", "events"])
@pytest.mark.parametrize("is_of_environment", [False, True])
async def test_every_call_goes_through_a_lent_session_s_proxy(
    nothing_left_over: None,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    is_of_environment: bool,  # noqa: FBT001
) -> None:
    async with proxied(b"HTTP/1.1 403 No\r\n\r\n") as proxy:
        if is_of_environment:
            monkeypatch.setenv("https_proxy", proxy.url_with_user)
        way: dict[str, Any] = {"trust_env": True} if is_of_environment else {"proxy": proxy.url_with_user}
        async with (
            aiohttp.ClientSession(**way) as session,
            PeriskopeClient(KEY, session=session, retry=1) as client,
        ):
            with pytest.raises(ConnectError, match="the lent session's proxy refused"):
                await CALLS[call](client)
    assert len(proxy.heads) == 1
    assert f"Proxy-Authorization: Basic {USER_SENT}\r\n" in proxy.heads[0]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 No\r\n\r\n", None, b""])
async def test_a_lent_session_s_proxy_keeps_its_password(nothing_left_over: None, answer: bytes | None) -> None:
    async with (
        proxied(answer) as proxy,
        aiohttp.ClientSession(proxy=proxy.url_with_user) as session,
        PeriskopeClient(KEY, session=session, retry=1, timeout=Timeout(connect=0.2)) as client,
    ):
        with pytest.raises(PeriskopeError) as caught:
            await client.list_chats(limit=1)
    error = caught.value
    shown = f"{error!r} {error} {vars(error)!r} {error.__cause__!r} {error.__cause__} {error.__context__!r}"
    assert "hunter2" not in shown
    assert USER_SENT not in shown


async def test_a_told_proxy_goes_before_a_lent_session_s(nothing_left_over: None) -> None:
    answer = b"HTTP/1.1 403 No\r\n\r\n"
    async with proxied(answer) as other, proxied(answer) as proxy, aiohttp.ClientSession(proxy=other.url) as session:
        error, _ = await refused(proxy.url, session=session)
        assert (len(other.heads), len(proxy.heads)) == (0, 1)
    assert proxy.url in str(error)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_the_command_line_works_behind_one(nothing_left_over: None, name: str) -> None:
    """``periskope doctor`` asks through the environment's proxy, and names it without its password."""
    async with proxied(b"HTTP/1.1 403 Not for you\r\n\r\n") as proxy:
        environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        ran = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "periskope_async", "doctor"),
            env={**environ, "PERISKOPE_API_KEY": KEY, name: proxy.url_with_user},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await ran.communicate())[0].decode()
    assert ran.returncode == 1
    assert proxy.heads
    assert f"requests go to the server through {proxy.url}" in said
    assert "403 Not for you" in said
    assert "hunter2" not in said


async def test_the_sandbox_is_reached_directly(nothing_left_over: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxied(b"") as proxy, Sandbox(chats=3) as sandbox:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, proxy=proxy.url) as client:
            await client.list_chats(limit=1)
        assert proxy.heads == []
