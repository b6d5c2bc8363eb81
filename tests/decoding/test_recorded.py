"""All 23 recorded chats, every value in its place.

What is expected is worked out here from the wire, with nothing of the reader but its field names.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec

from periskope_async.decoding.repair import repair
from periskope_async.meta import ResponseMeta
from periskope_async.models import UNSET, Chat
from tests.reading import RECORDED, read_chat, read_chat_page, read_raw_page

if TYPE_CHECKING:
    from collections.abc import Callable

META = ResponseMeta(status=200, trace_id="1fe1cf10-da17-11ef-ac0b-fdf10dd80279")
CHATS: list[dict[str, Any]] = json.loads(RECORDED)["chats"]

# The only fields of the recorded answer whose Python value is not the JSON value itself.
READ_AS: dict[str, Callable[[str], Any]] = {
    "ack": int,
    "created_at": datetime.fromisoformat,
    "member_add_mode": {"true": True, "false": False}.__getitem__,
    "timestamp": datetime.fromisoformat,
    "updated_at": datetime.fromisoformat,
}


def read_as(key: str, sent: Any, value: object) -> Any:
    if isinstance(value, tuple) and isinstance(sent, list):
        return tuple(cast("list[object]", sent))
    return READ_AS[key](sent) if key in READ_AS and sent is not None else sent


def differences(wire: Any, value: Any, path: str = "$") -> list[str]:
    if isinstance(value, msgspec.Struct):
        names = {name for name in value.__struct_fields__ if name != "undecoded"}
        found = [f"{path}: {undecoded}"] if (undecoded := getattr(value, "undecoded", None)) else []
        for key, sent in wire.items():
            name = {"from": "from_"}.get(key, key)
            if name not in names:
                found.append(f"{path}.{key} has no field")
                continue
            names.discard(name)
            read = getattr(value, name)
            found += differences(read_as(key, sent, read), read, f"{path}.{key}")
        return found + [f"{path}.{name} is not UNSET" for name in names if getattr(value, name) is not UNSET]
    if type(value) is not type(wire) or value != wire:
        return [f"{path}: {value!r} is not {wire!r}"]
    return []


def test_every_field_of_every_chat() -> None:
    page = read_chat_page(RECORDED, META)
    assert len(page) == len(CHATS) == 23
    for index, (sent, chat) in enumerate(zip(CHATS, page, strict=True)):
        assert differences(sent, chat, f"$.chats[{index}]") == []


def test_the_comparison_itself_sees_a_wrong_a_missing_and_an_extra_value() -> None:
    sent = CHATS[1]
    chat = read_chat(json.dumps(sent).encode())
    assert differences({**sent, "chat_name": "another"}, chat)
    assert differences({key: sent[key] for key in sent if key != "org_id"}, chat)
    assert differences({**sent, "new": 1}, chat)
    assert differences({**sent, "latest_message": {**sent["latest_message"], "ack": "3"}}, chat)
    assert not differences(sent, chat)


def test_the_slow_way_reads_the_same() -> None:
    assert [repair(Chat, json.dumps(sent).encode(), "$") for sent in CHATS] == read_chat_page(RECORDED, META).chats


def test_numbers_and_meta_of_the_page() -> None:
    page = read_chat_page(RECORDED, META)
    assert (page.from_, page.to, page.count) == (1, 23, 23)
    assert page.meta is META


def test_the_1970s_are_not_known() -> None:
    chats = read_chat_page(RECORDED, META).chats
    unknown = [chat for chat in chats if not chat.created_at_known]
    assert len(unknown) == 18
    assert all(chat.created_at == datetime(1970, 1, 1, tzinfo=UTC) for chat in unknown)
    assert not Chat(chat_id="a").created_at_known
    assert not Chat(chat_id="a", created_at=None).created_at_known


def test_properties() -> None:
    chat = read_chat_page(RECORDED, META).chats[1]
    assert chat.is_group
    assert not Chat(chat_id="919971844008@c.us").is_group
    assert chat.latest_message
    assert chat.latest_message.delivery_info
    delivery = chat.latest_message.delivery_info
    assert delivery.delivered_at == {"919971844008@c.us": datetime(2025, 1, 21, 11, 10, 13, tzinfo=UTC)}
    assert delivery.read_at == {"919971844008@c.us": datetime(2025, 1, 21, 11, 10, 47, tzinfo=UTC)}


def test_maps_absent_while_their_count_is_0() -> None:
    chat = read_chat_page(RECORDED, META).chats[5]
    assert chat.latest_message
    assert chat.latest_message.delivery_info
    assert chat.latest_message.delivery_info.delivered is UNSET
    assert chat.latest_message.delivery_info.delivered_at == {}


def test_raw_rows_are_the_bytes_that_were_sent() -> None:
    rows = [json.dumps(chat, indent=index % 3 or None, ensure_ascii=False) for index, chat in enumerate(CHATS)]
    body = ('{"chats" : [ ' + " ,\n ".join(rows) + '\n], "from":1, "to":23,"count":23}\n').encode()
    page = read_raw_page(body, META)
    assert [row.json.decode() for row in page] == rows
    assert [row.chat_id for row in page] == [chat["chat_id"] for chat in CHATS]
    assert {row.org_phone for row in page} == {"918527184400@c.us"}
    assert (len(page), page.from_, page.to, page.count) == (23, 1, 23, 23)
    assert page.meta is META


def test_an_empty_object_is_no_time() -> None:
    assert read_chat(b'{"chat_id":"a","closed_at":{}}') == Chat(chat_id="a", closed_at=None)


def test_a_bare_chat_is_a_page_of_one() -> None:
    bare = json.dumps(CHATS[1]).encode()
    page = read_chat_page(b" " + bare + b"\n", META)
    assert page.chats == [read_chat(bare)]
    assert (page.from_, page.to, page.count) == (None, None, None)
    raw = read_raw_page(b" " + bare + b"\n", META)
    assert [row.json for row in raw] == [bare]
    assert raw.items[0].chat_id == CHATS[1]["chat_id"]


def test_one_chat_in_a_list_is_a_chat() -> None:
    one = json.dumps({"from": 1, "to": 1, "count": 1, "chats": CHATS[:1]}).encode()
    assert read_chat(one) == read_chat(json.dumps(CHATS[0]).encode())
