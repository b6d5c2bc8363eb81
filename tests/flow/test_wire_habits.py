"""How bodies, redirects and retries travel, down to the bytes."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

from periskope_async import (
    APIError,
    BodyError,
    DecodeError,
    PeriskopeClient,
    RateLimit,
    RateLimiter,
    RateLimitError,
    RetryPolicy,
    Timeout,
)
from periskope_async.call import Call, CallContext
from periskope_async.config import load_config
from periskope_async.limits.headers import LimitHeaders
from periskope_async.meta import ResponseMeta
from periskope_async.sandbox import Body, Sandbox, Status
from periskope_async.transport import Answer
from tests.reading import chat_query

if TYPE_CHECKING:
    from tests.flow.conftest import Opened

PAGE = b'{"from":1,"to":1,"count":1,"chats":[{"chat_id":"1@c.us"}]}'


async def test_a_body_may_take_as_long_as_it_likes_while_bytes_keep_coming(unused_tcp_port: int) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(PAGE))
        for start in range(0, len(PAGE), 4):
            writer.write(PAGE[start : start + 4])
            await asyncio.sleep(0.1)
        writer.close()
        await writer.wait_closed()
        done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(drip, "127.0.0.1", unused_tcp_port)
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    async with server, PeriskopeClient("key", base_url=url, timeout=Timeout(read=0.6), retry=1) as client:
        page = await client.list_chats(limit=1)
        await done.wait()
    assert page.meta.seconds > 1.2
    assert [chat.chat_id for chat in page.chats] == ["1@c.us"]


async def test_a_lent_session_that_does_not_decompress_still_does_here(opened: Opened) -> None:
    async with opened(sandbox={"compress": True}) as (sandbox, _), aiohttp.ClientSession(auto_decompress=False) as lent:
        client = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, session=lent)
        assert len((await client.list_chats(limit=50)).chats) == 50
        await client.close()


async def test_a_retry_goes_ahead_of_those_who_came_later(nothing_left_over: None) -> None:
    limiter = RateLimiter(assume=RateLimit(1, 0.4))
    async with Sandbox(chats=10, limit=1000) as sandbox:
        ids = sandbox.chat_ids()[:3]
        sandbox.script(Status(503, headers={"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}))
        client = PeriskopeClient(
            sandbox.api_key, base_url=sandbox.base_url, limiter=limiter, retry=RetryPolicy(base=0.0)
        )
        async with client:
            first = asyncio.create_task(client.get_chat(ids[0]))
            await asyncio.sleep(0.05)
            await asyncio.gather(first, *(client.get_chat(chat_id) for chat_id in ids[1:]))
        asked = [request.path.rsplit("/", 1)[1].replace("%40", "@") for request in sandbox.requests]
        assert asked[:2] == [ids[0], ids[0]]


async def test_a_retry_after_that_outlasts_the_call_ends_it_at_once(opened: Opened) -> None:
    async with opened(retry=RetryPolicy(max_elapsed=3.0)) as (sandbox, client):
        sandbox.script(Status(429, headers={"Retry-After": "3600"}))
        with pytest.raises(RateLimitError) as caught:
            await asyncio.wait_for(client.list_chats(limit=1), 2.0)
        assert caught.value.meta is not None
        assert caught.value.meta.rate_limit.retry_after == 3600.0
        assert len(sandbox.requests) == 1


async def test_what_cannot_be_read_shows_how_it_began(opened: Opened) -> None:
    async with opened(max_body=1000, retry=1) as (sandbox, client):
        sandbox.script(Body(b"<html>maintenance</html>", "text/html"))
        with pytest.raises(DecodeError) as html:
            await client.list_chats(limit=1)
        assert html.value.body_start.startswith("<html>maintenance")
        assert html.value.trace_id
        with pytest.raises(BodyError, match="1000 bytes") as large:
            await client.list_chats(limit=100)
        assert large.value.meta is not None
        assert large.value.trace_id


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/v1/chats?limit=2", None),
        ("https://api.example.com/v2/chats", None),
        ("https://api.example.com:443/v2/chats", None),
        ("http://api.example.com/v1/chats", "another host, port or scheme"),
        ("http://api.example.com:443/v1/chats", "another host, port or scheme"),
        ("https://api.example.com:8443/v1/chats", "another host, port or scheme"),
        ("https://api.example.com.evil.org/v1/chats", "another host, port or scheme"),
        ("//evil.org/v1/chats", "another host, port or scheme"),
        ("http://[::1", "to 'http://[::1', which is no address"),
        ("https://api.example.com:port/v1", "to 'https://api.example.com:port/v1', which is no address"),
        ("https://api.example.com:99999/v1", "to 'https://api.example.com:99999/v1', which is no address"),
        ("mailto:help@example.com", "to 'mailto:help@example.com', which is no address"),
        ("https://[\x1b[31m\n" + "x" * 1000, r"to 'https://[\x1b[31m xxx"),
    ],
)
def test_the_key_follows_a_redirect_on_the_same_origin_only(location: str, said: str | None) -> None:
    config = load_config(api_key="key", base_url="https://api.example.com/v1")
    nothing: Any = None  # what a redirect needs nothing of
    context = CallContext(
        session=nothing, config=config, limiter=nothing, closing=nothing, hooks=(), rng=nothing, is_lent=False
    )
    call = Call(context=context, request=chat_query().page(offset=0, limit=1), is_bulk=False)
    answer = Answer(ResponseMeta(status=307, rate_limit=LimitHeaders()), b"", location)
    url = URL("https://api.example.com/v1/chats")
    if said is None:
        assert call._onward(url, answer).host == "api.example.com"
    else:
        with pytest.raises(APIError, match=re.escape(said)) as caught:
            call._onward(url, answer)
        assert len(str(caught.value)) < 300
