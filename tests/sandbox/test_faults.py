"""Each scripted fault as it is seen on the wire, and the script that deals them out."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest

from periskope_async.sandbox import (
    Body,
    CutBody,
    HeaderChange,
    Pass,
    Redirect,
    ResetConnection,
    Sandbox,
    Slow,
    StallBody,
    Status,
)
from tests.sandbox.conftest import Clock, raw_request, until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.sandbox.conftest import Served, Wire

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(wire: Wire) -> AsyncGenerator[Streams]:
    """Open a bare connection, and ask for a page of one chat on it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    try:
        writer.write(raw_request())
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def statuses(wire: Wire, *paths: str) -> list[int]:
    return [(await wire.ask(path)).status for path in paths]


async def test_status_is_the_documented_error_unless_a_body_is_given(served: Served) -> None:
    async with served() as wire:
        wire.sandbox.script(
            Status(500),
            Status(403),
            Status(429, headers={"Retry-After": "7"}),
            Status(503, body=b"<html>down</html>"),
            Status(502, body=b"", headers={"X-Proxy": "yes"}),
        )
        replies = [await wire.ask() for _ in range(6)]
        assert [reply.status for reply in replies] == [500, 403, 429, 503, 502, 200]
        assert replies[0].json == {"code": "UNKNOWN_ERROR", "message": "Internal server error", "status": 500}
        assert replies[1].json == {"code": "FORBIDDEN_ERROR", "message": "Forbidden", "status": 403}
        assert replies[2].json["message"] == "You can only make 10000 requests per second"
        assert replies[2].headers.getall("Retry-After") == ["7"]
        assert replies[3].body == b"<html>down</html>"
        assert (replies[4].body, replies[4].headers["X-Proxy"]) == (b"", "yes")
        assert all("X-RateLimit-Remaining" in reply.headers for reply in replies)
        assert wire.sandbox.refusals == 1


async def test_body_takes_the_place_of_the_answer(served: Served) -> None:
    async with served() as wire:
        wire.sandbox.script(Body(b"<html>"), Body(b"[]", content_type="application/json"), Body(b"", status=204))
        html, json_list, empty = [await wire.ask() for _ in range(3)]
        assert (html.status, html.body, html.headers["Content-Type"]) == (200, b"<html>", "text/html; charset=utf-8")
        assert (json_list.body, json_list.headers["Content-Type"]) == (b"[]", "application/json")
        assert (empty.status, empty.body) == (204, b"")
        assert [record.body_bytes for record in wire.sandbox.requests] == [6, 2, 0]


async def test_redirect(served: Served) -> None:
    async with served() as wire:
        wire.sandbox.script(Redirect("https://example.com/x"), Redirect("/v1/chats?limit=1", status=307))
        found, temporary = await wire.ask(), await wire.ask()
        assert (found.status, found.headers["Location"], found.body) == (302, "https://example.com/x", b"")
        assert (temporary.status, temporary.headers["Location"]) == (307, "/v1/chats?limit=1")


async def test_slow_holds_the_answer_back_but_was_counted_at_once(served: Served) -> None:
    async with served() as wire:
        wire.sandbox.script(Slow(0.3))
        slow = asyncio.create_task(wire.ask(limit=1))
        await until(lambda: bool(wire.sandbox.requests))
        quick = await wire.ask(limit=2)
        assert not slow.done()
        reply = await slow
        assert (len(reply.ids), len(quick.ids)) == (1, 2)
        assert [record.remaining for record in wire.sandbox.requests] == [9_999, 9_998]


async def test_slow_says_the_date_of_the_moment_when_it_was_counted(served: Served) -> None:
    clock = Clock(1_000.5)
    async with served(clock=clock) as wire:
        wire.sandbox.script(Slow(0.1))
        asked = asyncio.create_task(wire.ask(limit=1))
        await until(lambda: bool(wire.sandbox.requests))
        clock.at = 2_000.0
        assert (await asked).headers["X-RateLimit-Reset"] == "1002"


@pytest.mark.parametrize("after_bytes", [0, 1, 100])
async def test_cut_body_ends_the_connection_short_of_what_was_promised(served: Served, after_bytes: int) -> None:
    async with served() as wire:
        wire.sandbox.script(CutBody(after_bytes))
        async with connected(wire) as (reader, _):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert len(body) == after_bytes < int(length[1])
        whole = await wire.ask(limit=1)
        assert whole.body.startswith(body)
        assert len(whole.body) == int(length[1])
        assert wire.sandbox.requests[0].status == 200


async def test_a_client_sees_a_cut_body_as_a_broken_payload(served: Served) -> None:
    async with served(always=CutBody()) as wire:
        with pytest.raises(aiohttp.ClientPayloadError):
            await wire.ask()


async def test_stall_body_pauses_and_goes_on(served: Served) -> None:
    async with served() as wire:
        whole = (await wire.ask(limit=1)).body
        wire.sandbox.script(StallBody(after_bytes=40, seconds=0.3))
        async with connected(wire) as (reader, _):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(40) == whole[:40]
            arrived = time.monotonic()
            rest = await reader.readexactly(len(whole) - 40)
        assert time.monotonic() - arrived > 0.2
        assert rest == whole[40:]


async def test_reset_connection_is_a_reset_with_no_byte_before_it(served: Served) -> None:
    async with served() as wire:
        wire.sandbox.script(ResetConnection())
        async with connected(wire) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert [record.status for record in wire.sandbox.requests] == [0]
        assert (await wire.ask()).status == 200


async def test_header_change_drops_sets_and_fills_in(served: Served) -> None:
    async with served(clock=Clock(1_000.25), limit=10, window=2.5) as wire:
        wire.sandbox.script(
            HeaderChange(
                set={
                    "RateLimit": "limit={limit}, remaining={remaining}, reset={resets_in}",
                    "x-ratelimit-reset": "{reset_ms}",
                    "X-Copy": "{reset} {date} {{literal}}",
                },
                drop=("x-ratelimit-LIMIT", "Keep-Alive", "X-Nothing"),
            )
        )
        reply = await wire.ask()
        assert reply.headers["RateLimit"] == "limit=10, remaining=9, reset=3"
        assert reply.headers.getall("X-RateLimit-Reset") == ["1002750"]
        assert reply.headers["X-Copy"] == "1003 Thu, 01 Jan 1970 00:16:40 GMT {literal}"
        assert "X-RateLimit-Limit" not in reply.headers
        assert "Keep-Alive" not in reply.headers
        # What is set anew keeps its place; what is new comes last.
        assert reply.names.index("x-ratelimit-reset") == reply.names.index("Date") + 1
        assert reply.names[-2:] == ["RateLimit", "X-Copy"]
        assert "X-RateLimit-Limit" in (await wire.ask()).headers


async def test_faults_are_met_in_order_one_each(served: Served) -> None:
    async with served(faults=[Status(500), Pass(), Status(503)]) as wire:
        wire.sandbox.script(Status(418))
        assert await statuses(wire, *["/chats"] * 6) == [500, 200, 503, 418, 200, 200]


async def test_a_path_chooses_the_requests_that_meet_a_fault(served: Served) -> None:
    async with served() as wire:
        one = f"/chats/{wire.sandbox.chat_ids()[0]}"
        wire.sandbox.script(Status(500), path="/v1/chats/*")
        wire.sandbox.script(Status(502), path="/v1/chats")
        wire.sandbox.script(Status(503))
        assert await statuses(wire, "/chats", "/chats", one, one) == [502, 503, 500, 200]


async def test_always_is_met_by_every_request_that_has_no_other(served: Served) -> None:
    async with served(faults=[Pass()], always=Status(503)) as wire:
        wire.sandbox.script(Status(500), path="/v1/chats/*")
        assert await statuses(wire, "/chats", "/chats", "/chats/1@c.us", "/chats/1@c.us") == [200, 503, 500, 503]


async def test_clear_forgets_the_requests_and_the_pending_faults_but_not_always(served: Served) -> None:
    async with served(always=Status(503)) as wire:
        wire.sandbox.script(Status(500), Status(500))
        assert (await wire.ask()).status == 500
        wire.sandbox.clear()
        assert wire.sandbox.requests == []
        assert (await wire.ask()).status == 503
        assert [record.number for record in wire.sandbox.requests] == [2]


async def test_a_faulty_request_was_counted(served: Served) -> None:
    async with served(clock=Clock(1_000.0), limit=3) as wire:
        wire.sandbox.script(Status(500), Redirect("/"), Pass(), Pass(), Status(500))
        replies = [await wire.ask() for _ in range(5)]
        # A fault that replaces the answer does so where the limiter refused as well.
        assert [reply.status for reply in replies] == [500, 302, 200, 429, 500]
        assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0", "0"]


async def test_closing_ends_every_pause_at_once() -> None:
    began = time.monotonic()
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer k"}) as session:
        async with Sandbox(faults=[Slow(60), StallBody(seconds=60)], latency=0.01) as sandbox:
            asked = [asyncio.create_task(session.get(f"{sandbox.base_url}/chats")) for _ in range(2)]
            await until(lambda: any(task.done() for task in asked))
        slow, stalled = await asyncio.gather(*asked, return_exceptions=True)
        for outcome in (slow, stalled):
            if isinstance(outcome, aiohttp.ClientResponse):
                with pytest.raises(aiohttp.ClientError):
                    await outcome.read()
            else:
                assert isinstance(outcome, aiohttp.ClientError)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("latency", [0.2, (0.2, 0.25)])
async def test_latency_delays_every_answer(served: Served, latency: float | tuple[float, float]) -> None:
    async with served(latency=latency) as wire:
        began = time.monotonic()
        await asyncio.gather(wire.ask(limit=1), wire.ask("/nothing"))
        assert 0.19 < time.monotonic() - began < 2


async def test_a_client_that_leaves_during_its_upload_is_no_error(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as wire:
        _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        head = "POST /v1/message/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox-key\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        await until(lambda: len(wire.sandbox.requests) == 1)
        writer.close()
        await writer.wait_closed()
        await wire.ask()
    assert caplog.records == []
