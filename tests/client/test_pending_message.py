"""A message that waits in the queue is not there yet: the server yields nothing for its ``queue_id``."""

from __future__ import annotations

import pytest

from periskope_async import DecodeError, NotFoundError, PeriskopeError
from tests.flow.cutting import answer, cutting_server

NOTHING = {
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "empty": answer("200 OK", b""),
    "null": answer("200 OK", b"null"),
    "{}": answer("200 OK", b"{ }"),
    "[]": answer("200 OK", b" []\n"),
}


@pytest.mark.parametrize("name", NOTHING)
async def test_nothing_is_not_found_yet_at_once(name: str, nothing_left_over: None) -> None:
    async with cutting_server(writes=[NOTHING[name], answer("200 OK", b'{"message_id":"m"}')]) as (server, client):
        with pytest.raises(NotFoundError, match=r"GET /message/q: there is nothing yet; .* still be in the queue"):
            await client.get_message("q")
        assert len(server.requests) == 1


async def test_a_body_that_was_cut_off_is_asked_for_again(nothing_left_over: None) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    async with cutting_server(writes=[cut], retry=1) as (_, client):
        with pytest.raises(PeriskopeError) as caught:
            await client.get_message("q")
        assert not isinstance(caught.value, NotFoundError)


@pytest.mark.parametrize("body", [b"[null]", b'{"error":"x"}', b'"q"', b"<html>"])
async def test_something_else_is_no_message(body: bytes, nothing_left_over: None) -> None:
    async with cutting_server(writes=answer("200 OK", body), retry=1) as (_, client):
        with pytest.raises(DecodeError):
            await client.get_message("q")
