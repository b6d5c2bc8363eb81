"""What is learnt from a connection, and when it is used again."""

from __future__ import annotations

import asyncio
import gzip
import sys
import time
from typing import Any

import pytest

from periskope_async import RateLimiter
from tests.flow.raw_server import PAGE, RawServer, head, raw_server

pytestmark = [pytest.mark.usefixtures("nothing_left_over")]

LENT_OR_OWN = pytest.mark.parametrize("is_lent", [False, True])
PACKED = gzip.compress(PAGE)
LARGE = PAGE[:-1] + b" " * 2_000_000 + b"}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux measures round trips for us")
@LENT_OR_OWN
@pytest.mark.parametrize(
    "answer_with",
    [
        head() + PAGE,
        head(PACKED, f"Content-Length: {len(PACKED)}", "Content-Encoding: gzip") + PACKED,
        head(PAGE, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE),
        head(PAGE, "Connection: close") + PAGE,
        head(LARGE) + LARGE,
        head(b"", status="304 Not Modified"),
        head(b"{}", status="429 Too Many Requests") + b"{}",
        head(b"{}", status="404 Not Found") + b"{}",
        head(b"", status="503 Service Unavailable"),
    ],
    ids=["small", "gzip", "chunked", "close", "large", "304", "429", "404", "503"],
)
async def test_each_answer_measures_the_way(
    monkeypatch: pytest.MonkeyPatch, answer_with: bytes, *, is_lent: bool
) -> None:
    """Those too that are whole when their headers are read, when aiohttp has given their connection back."""

    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(answer_with)
        if b"Connection: close" in answer_with:
            writer.close()

    told: list[float | None] = []
    settle = RateLimiter.settle

    def note(self: RateLimiter, *arguments: Any, variation: float | None, **more: Any) -> None:
        told.append(variation)
        settle(self, *arguments, variation=variation, **more)

    monkeypatch.setattr(RateLimiter, "settle", note)
    async with raw_server(answer, is_lent=is_lent, retry=1, limiter=RateLimiter()) as (_, client):
        for _ in range(3):
            await asyncio.gather(client.list_chats(), return_exceptions=True)
            if b"429" in answer_with[:20]:
                break
    assert told
    assert all(variation is not None and 0 <= variation < 1 for variation in told)


def counted(count: int) -> bytes:
    body = b'{"chats":[],"count":%d}' % count
    return head(body) + body


UNASKED = {
    "page": counted(999),
    "408": head(b"", "Connection: close", status="408 Request Timeout"),
    "408 with a body": head(b"late", status="408 Request Timeout") + b"late",
    "half an answer": counted(999)[:-5],
    "no HTTP": b"bye\n",
}


@LENT_OR_OWN
@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize("is_held_up", [False, True])
@pytest.mark.parametrize("unasked", UNASKED)
async def test_an_answer_nobody_asked_for_is_dropped(
    unasked: str, *, is_held_up: bool, is_closed: bool, is_lent: bool
) -> None:
    """Whether the loop has read it by the next call, or it lies in the kernel still."""
    written = asyncio.Event()

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(counted(number))
        if number == 1:
            asyncio.get_running_loop().call_later(0.02, write_unasked, writer)

    def write_unasked(writer: asyncio.StreamWriter) -> None:
        writer.write(UNASKED[unasked])
        if is_closed:
            writer.close()
        written.set()

    async with raw_server(answer, is_lent=is_lent, retry=1) as (server, client):
        counts = [(await client.list_chats(offset=0, limit=10)).count]
        await written.wait()
        if is_held_up:
            time.sleep(0.005)  # noqa: ASYNC251 - so that it is there, and the loop has not read it
        else:
            await asyncio.sleep(0.02)
        for _ in range(2):
            page = await client.list_chats(offset=0, limit=10)
            assert page.meta.attempts == 1
            counts.append(page.count)
    assert counts == [1, 2, 3]
    assert server.connections == 2


@LENT_OR_OWN
async def test_sound_connections_are_used_again(*, is_lent: bool) -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(counted(number))

    async with raw_server(answer, is_lent=is_lent, retry=1) as (server, client):
        for number in range(1, 6):
            assert (await client.list_chats()).count == number
    assert server.connections == 1


@LENT_OR_OWN
async def test_a_server_that_ends_idle_connections_costs_no_try(*, is_lent: bool) -> None:
    """A connection that was closed a moment ago is not sent on."""

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(counted(number))
        await writer.drain()
        writer.close()

    async with raw_server(answer, is_lent=is_lent, retry=1) as (server, client):
        for number in range(1, 6):
            assert (await client.list_chats()).count == number
            time.sleep(0.005)  # noqa: ASYNC251 - so that the end is there, and the loop has not read it
    assert server.connections == 5


async def test_a_greeting_is_taken_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says 503 to whoever connects has answered; to connect again would be to do so for ever."""

    async def greet(_: RawServer, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(b"", "Connection: close", status="503 Service Unavailable"))
        writer.close()
        await writer.wait_closed()

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    monkeypatch.setattr(RawServer, "serve", greet)
    async with raw_server(answer, retry=2) as (_, client):
        with pytest.raises(Exception, match=r"503|closed|[Rr]eset|Cannot write"):
            await asyncio.wait_for(client.list_chats(), 10)
