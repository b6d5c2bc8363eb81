"""A write is never sent twice by us, and its error says truly what is known: the connection cut at every border."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from periskope_async import (
    APIError,
    ClosedError,
    ConnectError,
    DecodeError,
    OutcomeUnknown,
    PeriskopeClient,
    RateLimit,
    RateLimiter,
    RetryPolicy,
    ServerError,
    Timeout,
    TimeoutError_,
    TransportError,
    ValidationError,
)
from periskope_async.decoding.objects import one_of, read_image, read_nothing
from periskope_async.models import Phone
from periskope_async.wire.request import Request
from tests.flow.cutting import OK, answer, cutting_server

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

SMALL = b'{"chat_id":"1@c.us"}'
# More than the kernels' buffers hold, so that a server can cut it.
LARGE = b'{"chat_id":"%s"}' % (b"1" * (16 << 20))


def write(body: bytes | None = SMALL, method: str = "POST", **options: Any) -> Request:
    options = {"look_at": "list_queue_jobs", "expects": "nothing", **options}
    return Request(method=method, target="/message/send", body=body, is_write=True, **options)


async def send(client: PeriskopeClient, request: Request) -> None:
    reply = await client._manager.fetch(request)
    await reply.read(read_nothing if request.expects == "nothing" else one_of(Phone))


HALF_HEAD = OK[: OK.index(b"Content-Length")]
HALF_BODY = OK[:-1]
BORDERS = [
    # What the server reads, writes, how it ends, and whether the request can have arrived whole.
    pytest.param(0, b"", "close", False, id="connected"),
    pytest.param(20, b"", "close", False, id="half the head sent"),
    pytest.param(20, b"", "reset", False, id="half the head sent, reset"),
    pytest.param(None, b"", "close", True, id="sent"),
    pytest.param(None, b"", "reset", True, id="sent, reset"),
    pytest.param(None, HALF_HEAD, "close", True, id="half an answer's head"),
    pytest.param(None, HALF_HEAD, "reset", True, id="half an answer's head, reset"),
    pytest.param(None, HALF_BODY, "close", True, id="half an answer's body"),
    pytest.param(None, HALF_BODY, "reset", True, id="half an answer's body, reset"),
]


@pytest.mark.parametrize(("reads", "writes", "ends", "arrives"), BORDERS)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_cut_connection(
    reads: int | None,
    writes: bytes,
    ends: str,
    arrives: bool,  # noqa: FBT001 - a table's column
    method: str,
    nothing_left_over: None,
) -> None:
    async with cutting_server(reads=reads, writes=writes, ends=ends) as (server, client):
        with pytest.raises(OutcomeUnknown, match=r"list_queue_jobs before you send it again") as caught:
            await send(client, write(method=method))
        assert len(server.requests) == arrives
        error = caught.value
        assert (error.method, error.target, error.look_at) == (method, "/message/send", "list_queue_jobs")
        assert isinstance(error.__cause__, TransportError)
        assert not isinstance(error, TransportError)
        said = "probably carried out" if writes == HALF_BODY else "may have been carried out or not"
        assert said in str(error)


@pytest.mark.parametrize("ends", ["close", "reset"])
async def test_half_a_large_body(ends: str, nothing_left_over: None) -> None:
    async with cutting_server(reads=300_000, ends=ends) as (server, client):
        with pytest.raises(OutcomeUnknown):
            await send(client, write(LARGE))
        assert server.requests == []


async def test_a_large_body_arrives_whole(nothing_left_over: None) -> None:
    async with cutting_server(writes=OK) as (server, client):
        await send(client, write(LARGE))
        assert server.bodies == [LARGE]
        (head,) = server.requests
        assert b"Content-Type: application/json\r\n" in head
        assert b"Content-Length: %d\r\n" % len(LARGE) in head


async def test_a_slow_upload_is_no_silence(monkeypatch: pytest.MonkeyPatch, nothing_left_over: None) -> None:
    """What the connection takes counts as life: a large file may take longer than ``timeout.read``."""
    written = 0.0

    class SlowWriter:
        def __init__(self, writer: AbstractStreamWriter) -> None:
            self._writer = writer

        async def write(self, block: bytes) -> None:
            nonlocal written
            await asyncio.sleep(0.05)
            written += 0.05
            await self._writer.write(block)

    from periskope_async.connection import JsonBody

    whole = JsonBody.write_with_length

    async def slowly(self: JsonBody, writer: Any, content_length: int | None) -> None:
        await whole(self, SlowWriter(writer), content_length)  # type: ignore[arg-type]

    monkeypatch.setattr(JsonBody, "write_with_length", slowly)
    async with cutting_server(writes=OK, timeout=Timeout(read=0.5)) as (server, client):
        await send(client, write(b"x" * (1 << 20)))
        assert written > 0.5
        assert len(server.requests) == 1


async def test_no_connection_is_tried_again(nothing_left_over: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        async with PeriskopeClient("key", base_url=url, retry=RetryPolicy(tries=3, base=0.0)) as client:
            with pytest.raises(ConnectError) as caught:
                await send(client, write())
            assert caught.value.attempts == 3


async def test_a_connection_at_the_second_try(monkeypatch: pytest.MonkeyPatch, nothing_left_over: None) -> None:
    connects = 0
    connect = aiohttp.TCPConnector.connect

    async def fail_once(self: Any, *arguments: Any, **keywords: Any) -> Any:
        nonlocal connects
        connects += 1
        if connects == 1:
            raise aiohttp.ClientOSError(101, "Network is unreachable")
        return await connect(self, *arguments, **keywords)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", fail_once)
    async with cutting_server(writes=OK) as (server, client):
        await send(client, write())
        assert (connects, server.bodies) == (2, [SMALL])


async def test_a_429_is_tried_again(nothing_left_over: None) -> None:
    refusal = answer("429 Too Many Requests", b'{"code":"RATE_LIMIT_ERROR"}', "Retry-After: 0")
    async with cutting_server(writes=[refusal, OK]) as (server, client):
        await send(client, write())
        assert server.bodies == [SMALL, SMALL]


@pytest.mark.parametrize(
    ("writes", "cause", "said"),
    [
        (answer("500 Internal Server Error"), ServerError, "may have been"),
        (answer("502 Bad Gateway", b"<html>", kind="text/html"), ServerError, "may have been"),
        (answer("503 Service Unavailable", b"{}", "Retry-After: 1"), ServerError, "may have been"),
        (answer("504 Gateway Timeout"), ServerError, "may have been"),
        (answer("303 See Other", b"", "Location: /v1/other"), APIError, "may have been"),
        (answer("200 OK", b"<html>", kind="text/html"), DecodeError, "answered 200"),
        (b"no HTTP at all\r\n\r\n", ConnectError, "may have been"),
    ],
)
async def test_answers_that_leave_a_doubt(
    writes: bytes, cause: type[Exception], said: str, nothing_left_over: None
) -> None:
    async with cutting_server(writes=writes) as (server, client):
        with pytest.raises(OutcomeUnknown, match=said) as caught:
            await send(client, write())
        assert type(caught.value.__cause__) is cause
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"{", b'{"phone_id":7}', b'"sent"'])
async def test_a_success_that_cannot_be_read(body: bytes, nothing_left_over: None) -> None:
    async with cutting_server(writes=answer("201 Created", body)) as (server, client):
        with pytest.raises(OutcomeUnknown, match="answered 201, so it was probably carried out"):
            await send(client, write(expects="json"))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("writes", "kind"),
    [
        (answer("422 Unprocessable Entity", b'{"code":"VALIDATION_ERROR"}'), ValidationError),
        (answer("422 Unprocessable Entity", b'{"code":"VALIDATION_ERROR"}')[:-3], TransportError),
        (answer("408 Request Timeout"), APIError),
        (answer("425 Too Early"), APIError),
        (answer("307 Temporary Redirect", b"", "Location: /v1/other"), APIError),
    ],
)
async def test_refusals_are_known(writes: bytes, kind: type[Exception], nothing_left_over: None) -> None:
    async with cutting_server(writes=writes, retry=1) as (server, client):
        with pytest.raises(kind) as caught:
            await send(client, write())
        assert not isinstance(caught.value, OutcomeUnknown)
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"OK", b"null"])
async def test_any_body_will_do_where_none_matters(body: bytes, nothing_left_over: None) -> None:
    async with cutting_server(writes=answer("200 OK", body, kind="text/plain")) as (server, client):
        await send(client, write())
        assert len(server.requests) == 1


async def test_no_content(nothing_left_over: None) -> None:
    async with cutting_server(writes=b"HTTP/1.1 204 No Content\r\n\r\n") as (server, client):
        await send(client, write(None))
        assert b"Content-Length: 0\r\n" in server.requests[0]


@pytest.mark.parametrize("patience", [Timeout(read=0.2), Timeout(total=0.2)])
async def test_silence(patience: Timeout, nothing_left_over: None) -> None:
    async with cutting_server(ends="silence", timeout=patience) as (server, client):
        with pytest.raises(OutcomeUnknown) as caught:
            await send(client, write())
        assert isinstance(caught.value.__cause__, TimeoutError_)
        assert len(server.requests) == 1


async def test_a_timeout_before_anything_was_sent(nothing_left_over: None) -> None:
    """The limiter has no room, so nothing was sent and nothing is in doubt."""
    limiter = RateLimiter(assume=RateLimit(1, 60.0))
    async with cutting_server(writes=[OK, OK], timeout=Timeout(total=0.2), limiter=limiter) as (server, client):
        await send(client, write())
        with pytest.raises(TimeoutError_):
            await send(client, write())
        assert len(server.requests) == 1
    limiter.close()


async def test_closing_the_client(nothing_left_over: None) -> None:
    async with cutting_server(ends="silence") as (server, client):
        task = asyncio.ensure_future(send(client, write()))
        await server.has_come.wait()
        await client.close()
        with pytest.raises(OutcomeUnknown, match="closed"):
            await task
        with pytest.raises(ClosedError):
            await send(client, write())


async def test_a_cancel_says_that_it_was_sent(nothing_left_over: None) -> None:
    async with cutting_server(ends="silence") as (server, client):
        task = asyncio.ensure_future(send(client, write()))
        await server.has_come.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert "POST /message/send was sent" in caught.value.__notes__[0]
        assert len(server.requests) == 1


async def test_a_lent_session_sends_once(nothing_left_over: None) -> None:
    async with aiohttp.ClientSession() as session, cutting_server(ends="reset", session=session) as (server, client):
        with pytest.raises(OutcomeUnknown):
            await send(client, write(method="DELETE"))
        assert len(server.requests) == 1


async def test_an_image(nothing_left_over: None) -> None:
    request = Request(method="GET", target="/phones/qr", expects="image")
    async with cutting_server(writes=answer("200 OK", b"\x89PNG", kind="image/png")) as (_, client):
        assert await (await client._manager.fetch(request)).read(read_image) == b"\x89PNG"
    async with cutting_server(writes=answer("200 OK", b"<html>", kind="text/html"), retry=1) as (_, client):
        with pytest.raises(DecodeError, match="found no JSON"):
            await client._manager.fetch(request)
