"""The handles of what was sent: which phone they ask, and how often they look."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from periskope_async import ConfigError, NotFoundError, PeriskopeClient, SentMessage, TimeoutError_
from periskope_async.models import MessageStatus, SendReceipt
from tests.flow.cutting import answer, cutting_server

if TYPE_CHECKING:
    from tests.flow.conftest import Opened

SENT = b'{"queue_id":"q","unique_id":"u"}'
REFUSAL = b'{"code":"VALIDATION_ERROR","fields":{"x-phone":{"message":"Missing Header: {x-phone}"}},"status":422}'


@pytest.mark.parametrize("method", ["send_message", "send_message_and_wait"])
async def test_a_message_sent_without_a_phone_is_followed(method: str, opened: Opened) -> None:
    async with opened(sandbox={"chats": 60, "pace": 0.02}) as (sandbox, client):
        group = (await client.list_chats(chat_type="group", limit=1)).items[0].chat_id
        sent = await getattr(client, method)(group, "Hello")
        assert (await sent.wait("delivered", timeout=20)).ack >= 3
        asked = [request.phone for request in sandbox.requests if request.path.endswith("/status")]
        assert asked
        assert None not in asked


async def test_the_phone_of_the_sent_message_itself(nothing_left_over: None) -> None:
    sent = b'{"unique_id":"u","message":{"message_id":"m","org_phone":"919876543210@c.us"}}'
    async with cutting_server(writes=[answer("200 OK", sent), answer("200 OK", b'{"ack":3}')]) as (server, client):
        await (await client.send_message("1@c.us", "Hello")).wait("sent")
        assert b"x-phone: 919876543210\r\n" in server.requests[1]


@pytest.mark.parametrize("place", [b"", b"headers."])
async def test_nobody_tells_the_phone(nothing_left_over: None, place: bytes) -> None:
    refused = answer("422 Unprocessable Entity", REFUSAL.replace(b'"x-phone"', b'"%sx-phone"' % place))
    async with cutting_server(writes=[answer("200 OK", SENT), refused]) as (server, client):
        sent = await client.send_message("1@c.us", "Hello")
        with pytest.raises(ConfigError, match=r"unique_id='u'.* was sent, but .* phone=…"):
            await sent.wait()
        assert len(server.requests) == 2


async def test_a_broadcast_asks_the_phone_that_the_server_picked(nothing_left_over: None) -> None:
    sent = answer("200 OK", b'{"broadcast_id":"b"}', "x-periskope-phone-id: phone-bqzvyibhmwkaergr")
    async with cutting_server(writes=[sent, answer("200 OK", b'{"broadcast_id":"b"}')]) as (server, client):
        await (await client.broadcast(["1@c.us"], "Hello")).status()
        assert b"x-phone: phone-bqzvyibhmwkaergr\r\n" in server.requests[1]


async def test_no_time_is_time_for_one_look(nothing_left_over: None) -> None:
    looks = [answer("200 OK", b'{"ack":%d}' % ack) for ack in (0, 1)]
    async with cutting_server(writes=[answer("200 OK", SENT), *looks]) as (server, client):
        sent = await client.send_message("1@c.us", "Hello")
        with pytest.raises(TimeoutError_, match=r"waited 0 s for .* to be sent; the latest is MessageStatus\(ack=0\)"):
            await sent.wait(timeout=0)
        assert (await sent.wait(timeout=0)).ack == 1
        assert len(server.requests) == 3


QUEUED = answer("200 OK", b'{"ack":0,"status":"queued"}')
GONE = answer("404 Not Found", b'{"code":"NOT_FOUND_ERROR","message":"Message not found","status":404}')


async def test_a_message_taken_out_of_the_queue_is_not_waited_for(
    nothing_left_over: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("periskope_async.client.sent._FIRST_WAIT", 0.0)
    async with cutting_server(writes=[answer("200 OK", SENT), GONE, QUEUED, *[GONE] * 9]) as (server, client):
        sent = await client.send_message("1@c.us", "Hello")
        said = r"to be sent; the latest was MessageStatus\(status='queued', ack=0\), and it is no longer known: a purge"
        with pytest.raises(NotFoundError, match=said):
            await sent.wait(timeout=None)
        assert len(server.requests) == 1 + 2 + 5


async def test_a_gap_between_the_queue_and_the_sent_is_waited_out(
    nothing_left_over: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("periskope_async.client.sent._FIRST_WAIT", 0.0)
    looks = [QUEUED, *[GONE] * 4, answer("200 OK", b'{"ack":1}')]
    async with cutting_server(writes=[answer("200 OK", SENT), *looks]) as (_, client):
        assert (await (await client.send_message("1@c.us", "Hello")).wait(timeout=None)).ack == 1


async def test_a_timeout_tells_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("periskope_async.client.sent._FIRST_WAIT", 0.0)
    looks = [MessageStatus(ack=0), None]

    async def look() -> MessageStatus | None:
        return looks.pop(0) if looks else await asyncio.get_running_loop().create_future()

    async with PeriskopeClient("key") as client:
        sent = SentMessage(client, SendReceipt(unique_id="u"), None)
        monkeypatch.setattr(sent, "status", look)
        with pytest.raises(TimeoutError_, match=r"the latest was MessageStatus\(ack=0\), and it is no longer known"):
            await sent.wait(timeout=0.2)
