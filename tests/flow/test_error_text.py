"""An error's text is one printable line of bounded length, whatever came; so is what the log says of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ConnectError, PeriskopeClient, PeriskopeError, RetryPolicy
from periskope_async.events import Retried

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

KEY = "pk-very-secret"
MOST_BYTES = 2000
AT_ONCE = RetryPolicy(tries=3, base=0.0, max_elapsed=0.05)


def answer(head: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"code": "X", "message": message, **more}).encode()


LONG = said("M" * 3_000_000)
NASTY = "two\nlines \x1b[31mred\x07 \u202eesrever \u2028 \ud83d end"
ROWS = b'{"chats":[\n' + b'  {"chat_name": "Aunt Mary", "latest_message": "for you alone"},\n' * 2000
ANSWERS = {
    "long message": answer(b"503 Busy\r\nContent-Type: application/json", LONG),
    "long message in Hindi": answer(b"503 Busy", said("नमस्ते " * 1000)),
    "long message of a 422": answer(b"422 No\r\nContent-Type: application/json", LONG),
    "long code": answer(b"400 No", json.dumps({"code": "C" * 100_000, "message": "m"}).encode()),
    "long fields": answer(b"422 No", json.dumps({"fields": {"limit": {"message": "M" * 100_000}}}).encode()),
    "long words of emoji": answer(b"422 No", said("😀" * 1000, code="😀" * 200, fields={"😀" * 200: "😀" * 1000})),
    "many fields": answer(b"422 No", json.dumps({"fields": {f"f{n}": {"message": "m"} for n in range(999)}}).encode()),
    "nasty message": answer(b"500 No", said(NASTY)),
    "nasty message of a 401": answer(b"401 No", said(NASTY)),
    "long trace id": answer(b"401 No\r\nx-periskope-trace-id: " + b"t" * 8_000, said("Invalid")),
    "trace id that is no text": answer(b"401 No\r\nx-periskope-trace-id: abc\xff\xfe", said("Invalid")),
    "trace id of two directions": answer("401 No\r\nx-periskope-trace-id: \u202eabc".encode(), said("Invalid")),
    "type that is no text": answer(b"200 OK\r\nContent-Type: text/\xff\xfe", b"<p>"),
    "limit that is no text": answer(b"429 No\r\nX-RateLimit-Limit: \xff\xfe\r\nRetry-After: 0", b"{}"),
    "long page of HTML": answer(b"502 Bad\r\nContent-Type: text/html", b"<html>\n" + b"<p>\x1b[31m\n" * 100_000),
    "body that is no text": answer(b"500 No", bytes(range(256)) * 100),
    "rows instead of a head": ROWS,
    "long line instead of a head": b"x" * 100_000 + b"\r\n\r\n",
    "long reason": b"HTTP/1.1 404 " + b"r" * 8_000 + b"\r\nContent-Length: 0\r\n\r\n",
}  # fmt: skip


@contextlib.asynccontextmanager
async def answering(reply: bytes) -> AsyncGenerator[str]:
    """Answer each connection's first request with the same bytes; give the base URL."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def assert_is_one_short_line(text: str) -> None:
    assert len(text.encode()) <= MOST_BYTES
    assert len(text.splitlines()) == 1
    assert text.isprintable()


@pytest.mark.parametrize("kind", ANSWERS)
async def test_an_error_s_text_is_one_short_line(
    nothing_left_over: None, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    told: list[Any] = []
    with caplog.at_level(logging.DEBUG, "periskope_async"):
        async with (
            answering(ANSWERS[kind]) as url,
            PeriskopeClient(KEY, base_url=url, retry=AT_ONCE, hooks=[told.append]) as client,
        ):
            with pytest.raises(PeriskopeError) as caught:
                await client.list_chats(limit=5, label="न" * 200)
    error = caught.value
    assert_is_one_short_line(str(error))
    assert error.message == str(error)
    for name in (error.trace_id, error.org_id):
        assert_is_one_short_line(name or "none")
    for event in told:
        if isinstance(event, Retried):
            assert_is_one_short_line(str(event.error))
    for record in caplog.records:
        assert_is_one_short_line(record.getMessage())
    # Python's own report says the causes too.
    assert len("".join(traceback.format_exception(error)).encode()) < 20_000


async def test_bytes_of_a_trace_id_are_legible(nothing_left_over: None) -> None:
    async with answering(ANSWERS["trace id that is no text"]) as url, PeriskopeClient(KEY, base_url=url) as client:
        with pytest.raises(PeriskopeError, match=r"\[trace abc\\xff\\xfe\]") as caught:
            await client.list_chats()
    assert caught.value.trace_id == r"abc\xff\xfe"


async def test_rows_taken_for_a_head_are_not_shown_as_a_whole(nothing_left_over: None) -> None:
    async with answering(ROWS) as url, PeriskopeClient(KEY, base_url=url, retry=1) as client:
        with pytest.raises(ConnectError) as caught:
            await client.list_chats()
    report = "".join(traceback.format_exception(caught.value))
    assert report.count("Aunt Mary") < 10


@pytest.mark.parametrize("came", [b"HTT", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX-Token: its own\r\nConte"])
@pytest.mark.parametrize("is_proxy", [False, True], ids=["the server's", "a proxy's"])
async def test_a_head_that_was_cut_is_told_in_words(nothing_left_over: None, came: bytes, *, is_proxy: bool) -> None:
    async with answering(came) as url:
        base_url, proxy = ("https://api.invalid/v1", url.removesuffix("/v1")) if is_proxy else (url, None)
        async with PeriskopeClient(KEY, base_url=base_url, proxy=proxy, retry=1) as client:
            with pytest.raises(ConnectError, match="the answer was cut within its headers") as caught:
                await client.list_chats()
    assert "its own" not in "".join(traceback.format_exception(caught.value))


def test_every_error_is_one_line() -> None:
    """Whoever makes one, and of what kind."""
    kinds: list[type[PeriskopeError]] = [PeriskopeError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        error = kind.__new__(kind)
        PeriskopeError.__init__(error, NASTY + "M" * 5_000)
        assert_is_one_short_line(str(error))
    assert len(kinds) > 15
