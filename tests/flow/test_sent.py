"""The handles of what was sent: which phone they ask, and how often they look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from periskope_async import ConfigError, TimeoutError_
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
