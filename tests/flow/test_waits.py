"""No wait for an answer is longer than its timeouts say."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from periskope_async import (
    BodyError,
    ConnectError,
    PeriskopeClient,
    RetryPolicy,
    Timeout,
    TimeoutError_,
    TransportError,
    watch,
)
from periskope_async.export import export_chats
from periskope_async.limits.permit import Permit
from periskope_async.watch import Watch
from tests.flow.raw_server import PAGE, head, raw_server
from tests.limits.virtual import VirtualLoop

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.usefixtures("nothing_left_over")]

QUICK = Timeout(connect=5.0, read=0.1)
LENT_OR_OWN = pytest.mark.parametrize("is_lent", [False, True])


def deafen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody who waits for a body be told of it."""

    async def never(_: aiohttp.StreamReader) -> bytes:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    monkeypatch.setattr(aiohttp.StreamReader, "readany", never)


@LENT_OR_OWN
async def test_a_body_that_wakes_nobody_ends(monkeypatch: pytest.MonkeyPatch, *, is_lent: bool) -> None:
    """The connection is open, and aiohttp says nothing."""

    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(length=len(PAGE) + 9) + PAGE)

    deafen(monkeypatch)
    async with raw_server(answer, is_lent=is_lent, timeout=QUICK, retry=RetryPolicy(tries=2, base=0)) as (
        server,
        client,
    ):
        with pytest.raises(
            TimeoutError_, match=r"no byte of the body came for the 0\.1 s allowed by timeout\.read"
        ) as caught:
            await asyncio.wait_for(client.list_chats(), 10)
    assert (caught.value.phase, caught.value.attempts, len(server.targets)) == ("read", 2, 2)
    assert caught.value.retryable
    assert caught.value.meta is not None


@LENT_OR_OWN
@pytest.mark.parametrize("read", [None, 0.5, 60.0])
async def test_a_connection_gone_ends_the_body(
    monkeypatch: pytest.MonkeyPatch, read: float | None, *, is_lent: bool
) -> None:
    """Soon, however long the patience is, and though aiohttp says nothing."""

    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(length=len(PAGE) + 9) + PAGE)
        writer.close()

    monkeypatch.setattr(watch, "_MOST_SECONDS_BETWEEN_LOOKS", 0.05)
    deafen(monkeypatch)
    async with raw_server(answer, is_lent=is_lent, timeout=Timeout(read=read), retry=1) as (server, client):
        with pytest.raises(BodyError, match="the connection is gone") as caught:
            await asyncio.wait_for(client.list_chats(), 10)
    assert caught.value.retryable
    assert len(server.targets) == 1


@LENT_OR_OWN
@pytest.mark.parametrize("kind", ["list", "get", "walk", "raw", "count"])
async def test_silence_in_a_body_is_tried_again(kind: str, *, is_lent: bool) -> None:
    """With a sound server, and aiohttp's own timer off."""

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + (PAGE[:20] if number == 1 else PAGE))

    async with raw_server(answer, is_lent=is_lent, timeout=QUICK, retry=RetryPolicy(base=0)) as (server, client):
        calls: dict[str, Any] = {
            "list": client.list_chats,
            "get": lambda: client.get_chat("1@c.us"),
            "walk": lambda: client.iter_chats(prefetch=1, consistency="none").collect(),
            "raw": lambda: client.iter_chats(prefetch=1, consistency="none").raw().collect(),
            "count": lambda: client.iter_chats().count(),
        }
        await asyncio.wait_for(calls[kind](), 10)
        assert len(set(server.targets)) == len(server.targets) - 1


async def test_an_export_outlives_a_silent_body(tmp_path: Path) -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + (PAGE[:20] if number == 1 else PAGE))

    async with raw_server(answer, timeout=QUICK, retry=RetryPolicy(base=0)) as (_, client):
        await asyncio.wait_for(
            export_chats(client.iter_chats(prefetch=1, consistency="none"), tmp_path / "out.jsonl"), 10
        )
    assert (tmp_path / "out.jsonl").read_bytes() == b'{"chat_id":"1@c.us"}\n'


async def drip_head(writer: asyncio.StreamWriter) -> None:
    for byte in head():
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def interim_for_ever(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def interim_then_silence(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def half_a_head(writer: asyncio.StreamWriter) -> None:
    writer.write(head()[:30])


async def nothing_at_all(_: asyncio.StreamWriter) -> None:
    return


@LENT_OR_OWN
@pytest.mark.parametrize(
    "answer_with", [drip_head, interim_for_ever, interim_then_silence, half_a_head, nothing_at_all]
)
async def test_a_head_must_be_whole_in_time(answer_with: Any, *, is_lent: bool) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        await answer_with(writer)

    async with raw_server(answer, is_lent=is_lent, timeout=QUICK, retry=RetryPolicy(tries=2, base=0)) as (
        server,
        client,
    ):
        with pytest.raises(TimeoutError_, match=r"headers were not whole within the 0\.1 s .*timeout\.read") as caught:
            await asyncio.wait_for(client.list_chats(), 10)
    assert (caught.value.phase, caught.value.attempts, len(server.targets)) == ("read", 2, 2)
    assert caught.value.meta is None


@LENT_OR_OWN
@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
async def test_a_hundred_interim_answers_are_read_over(interim: str, *, is_lent: bool) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        for _ in range(100):
            writer.write(f"HTTP/1.1 {interim}\r\n\r\n".encode())
            await writer.drain()
        writer.write(head() + PAGE)

    async with raw_server(answer, is_lent=is_lent, retry=1) as (server, client):
        assert len((await client.list_chats()).chats) == 1
        assert len((await client.list_chats()).chats) == 1
        assert server.connections == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not count the bytes that came")
async def test_bytes_that_unpack_to_nothing_yet_are_no_silence() -> None:
    """The head of a compressed body is read long before it gives the first byte."""
    packed = gzip.compress(PAGE, mtime=0)

    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(packed, f"Content-Length: {len(packed)}", "Content-Encoding: gzip"))
        for start in range(0, 20, 2):
            writer.write(packed[start : start + 2])
            await asyncio.sleep(0.05)
        writer.write(packed[20:])

    async with raw_server(answer, timeout=Timeout(read=0.25), retry=1) as (_, client):
        assert len((await client.list_chats()).chats) == 1


BEHIND = {
    "trailer": (b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(PAGE), PAGE), b"X-A: b\r\n"),
    "chunk's extension": (b"Transfer-Encoding: chunked\r\n\r\n%x;" % len(PAGE), b"e"),
    "name in gzip": (b"Content-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\x03", b"A"),
}


@pytest.mark.parametrize("kind", BEHIND)
async def test_bytes_that_are_no_body_end(kind: str) -> None:
    begins, goes_on = BEHIND[kind]

    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + begins)
        while not writer.is_closing():
            writer.write(goes_on)
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(answer, timeout=Timeout(read=0.04), retry=1) as (_, client):
        with pytest.raises(TimeoutError_, match="no byte of the body came") as caught:
            await asyncio.wait_for(client.list_chats(), 5)
    assert caught.value.phase == "read"


class Line:
    """A connection that stands, and of which the kernel tells nothing."""

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, _: str) -> None:
        return None


@pytest.mark.parametrize(("turns", "is_ended"), [(1, False), (2, False), (20, True)])
async def test_a_loop_held_up_is_no_silence(turns: int, *, is_ended: bool) -> None:
    """What came meanwhile reaches the one who waits within a few turns."""
    line: Any = Line()
    watching = Watch(Permit(), patience=0.02)
    with contextlib.suppress(asyncio.CancelledError):
        watching.sent(line)
        watching.head_came()
        time.sleep(0.03)  # noqa: ASYNC251 - it holds the loop up, as careless code does
        for _ in range(turns):
            await asyncio.sleep(0)
        watching.heard()
        for _ in range(5):
            await asyncio.sleep(0)
    assert watching.end() is is_ended


@pytest.mark.parametrize(("every", "ends_at"), [(0.9, None), (None, 11.0)], ids=["a slow body", "no byte of a body"])
def test_bytes_extend_the_wait_for_a_body_tenfold(
    every: float | None, ends_at: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many bytes may lie in a decompressor. The body itself may take as long as it likes."""
    received = itertools.count()

    def bytes_received(_: object) -> int:
        return next(received)

    monkeypatch.setattr("periskope_async.watch.bytes_received", bytes_received)

    async def work() -> float | None:
        line: Any = Line()
        loop = asyncio.get_running_loop()
        watching = Watch(Permit(), patience=1.0)
        watching.sent(line)
        watching.head_came()
        began = loop.time()
        try:
            for _ in range(40):
                await asyncio.sleep(every or 1.0)
                if every is not None:
                    watching.heard()
        except asyncio.CancelledError:
            return loop.time() - began
        finally:
            watching.end()
        return None

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        ended_at = runner.run(work())
    assert ended_at == (ends_at and pytest.approx(ends_at, abs=0.2))


@pytest.mark.parametrize("cancels", [0, 1, 2])
async def test_a_watch_tells_its_cancel_from_others(cancels: int) -> None:
    """Also where the task was cancelled before and went on."""
    line: Any = Line()
    task = asyncio.current_task()
    assert task is not None
    watching = Watch(Permit(), patience=0.01)
    watching.sent(line)
    for _ in range(cancels):
        asyncio.get_running_loop().call_later(0.001, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
    if cancels:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
    assert watching.end() == (cancels == 0)
    assert task.cancelling() == cancels
    for _ in range(cancels):
        task.uncancel()


@pytest.mark.parametrize("is_read", [False, True])
async def test_a_request_sent_twice_leaves_no_watch(*, is_read: bool) -> None:
    """As a middleware does that answers a challenge: the watch over the first time ends with the second."""

    async def twice(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        first = await handler(request)
        if is_read:
            await first.read()
        first.close()
        return await handler(request)

    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + PAGE)

    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    async with (
        raw_server(answer) as (server, _),
        aiohttp.ClientSession(middlewares=(twice,)) as session,
        PeriskopeClient("key", base_url=server.url, session=session, timeout=Timeout(read=0.05), retry=1) as client,
    ):
        assert len((await client.list_chats()).chats) == 1
        await asyncio.sleep(0.1)
    assert len(server.targets) == 2
    assert not failed


@pytest.mark.parametrize("after", [0, 0.05])
async def test_a_cancelled_call_leaves_no_watch(after: float) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + PAGE[:20])

    async with raw_server(answer, timeout=QUICK) as (_, client):
        call = asyncio.create_task(client.list_chats())
        await asyncio.sleep(after)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.15)
        # A cancel that came later, from a timer that was left, would end this one.
        assert not call.cancelling() - 1


async def test_nobody_who_answers_is_a_connect_error() -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with raw_server(answer, timeout=Timeout(read=None), retry=2) as (server, client):
        with pytest.raises(ConnectError) as caught:
            await client.list_chats()
    assert isinstance(caught.value, TransportError)
    assert len(server.targets) == 2
