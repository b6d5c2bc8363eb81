"""A list as data says what its pages are asked for with, and how its rows are read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from periskope_async.client.lists import CHATS
from periskope_async.decoding.page import Want, reader_of
from periskope_async.decoding.repair import Unreadable
from periskope_async.meta import ResponseMeta
from periskope_async.models import Message
from periskope_async.wire.listing import Listing, Sort
from tests.reading import at_once

META = ResponseMeta(status=200)
OF_CHAT = Listing(
    path="/chats/{chat_id}/messages",
    key="messages",
    other_keys=("mesages",),
    row=Message,
    identity=("message_id", "org_phone"),
    sorts=(Sort(times=("timestamp",)),),
)


def test_ids_stand_in_the_path_and_in_the_fingerprint() -> None:
    one, other = (OF_CHAT.query(ids={"chat_id": chat_id}) for chat_id in ("a b@c.us", "d@c.us"))
    assert one.page(offset=0, limit=5).target == "/chats/a%20b@c.us/messages?offset=0&limit=5"
    assert one.fingerprint != other.fingerprint


def test_the_opposite_order_is_asked_for_where_it_can_be() -> None:
    for given, opposite in ((None, "asc"), ("desc", "asc"), ("asc", "desc")):
        query = CHATS.query({"sort_order": given, "label": "vip"})
        assert query.page(offset=0, limit=5, is_reversed=True).target.endswith(f"&label=vip&sort_order={opposite}")
    of_chat = OF_CHAT.query(ids={"chat_id": "a@c.us"})
    assert not of_chat.order.is_reversible
    assert of_chat.page(offset=0, limit=5, is_reversed=True) == of_chat.page(offset=0, limit=5)


@pytest.mark.parametrize("want", ["typed", "raw", "late"])
@pytest.mark.parametrize("key", ["messages", "mesages"])
def test_rows_are_found_under_each_spelling_of_the_key(want: Want, key: str) -> None:
    row = {"message_id": "a", "org_phone": "1@c.us", "timestamp": "2025-01-21T11:10:13+00:00"}
    page = at_once(reader_of(OF_CHAT).page(msgspec.json.encode({key: [row], "count": 1}), META, want))
    assert [(mark.message_id, mark.org_phone) for mark in page.marks] == [("a", "1@c.us")]
    assert page.timed(0).timestamp.year == 2025
    assert (page.numbers.count, page.numbers.from_) == (1, None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"chats": []}, "found neither a list `messages` nor a `message_id`"),
        ({"messages": [{"message_id": "a"}, {"chat_id": "b"}]}, r"\$\.messages\[1\]\.message_id"),
        ({"messages": None, "count": 3}, r"\$\.messages"),
    ],
)
@pytest.mark.parametrize("want", ["typed", "raw"])
def test_errors_name_the_lists_key_and_identity(want: Want, body: Any, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        at_once(reader_of(OF_CHAT).page(msgspec.json.encode(body), META, want))
