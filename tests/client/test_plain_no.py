"""A success whose body says no: nothing was done, and every write tells so."""

from __future__ import annotations

import pytest

from periskope_async import APIError, PeriskopeClient
from tests.flow.crash_report import crash_report
from tests.flow.cutting import answer, cutting_server
from tests.flow.every_write import CHAT, WRITES

NO = b'{"success":false,"message":"Phone is not\\nconnected","data":null}'


async def refusal(name: str, body: bytes) -> APIError:
    async with cutting_server(writes=answer("200 OK", body)) as (server, client):
        with pytest.raises(APIError, match="the server answered that it was not done: ") as caught:
            await WRITES[name](client)
        assert len(server.requests) == 1
        return caught.value


@pytest.mark.parametrize("name", WRITES)
async def test_every_write_tells_a_plain_no(name: str, nothing_left_over: None) -> None:
    error = await refusal(name, NO)
    assert str(error).endswith(": Phone is not connected")
    assert error.status == 200


async def test_a_no_without_a_reason(nothing_left_over: None) -> None:
    assert str(await refusal("send_message", b'{"success":false}')).endswith(": without a reason")


async def test_a_no_does_not_show_the_key(nothing_left_over: None) -> None:
    no = answer("200 OK", b'{"success":false,"message":"no phone for a-long-key"}')
    async with (
        cutting_server(writes=no) as (server, _),
        PeriskopeClient("a-long-key", base_url=server.url) as client,
    ):
        with pytest.raises(APIError, match="no phone for") as caught:
            await client.send_message(CHAT, "Hello")
        assert "a-long-key" not in crash_report(caught.value)


async def test_data_is_read_where_a_write_gives_it(nothing_left_over: None) -> None:
    """It tells what was done: one of several may have failed."""
    body = b'{"success":false,"data":{"chat_id":"%s"}}' % CHAT.encode()
    async with cutting_server(writes=answer("200 OK", body)) as (_, client):
        assert (await client.update_chat(CHAT, labels=["vip"])).chat_id == CHAT
    await refusal("set_chat_labels", body)
