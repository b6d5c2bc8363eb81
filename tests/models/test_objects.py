"""The objects as Python values: types, hashing, copies, freezing, encoding back."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_type

import msgspec
import pytest

from periskope_async.meta import ResponseMeta
from periskope_async.models import UNSET, Chat, ChatMember, DeliveryInfo, Maybe, Message, MessageId, UnsetType
from tests.reading import RECORDED, read_chat, read_chat_page

if TYPE_CHECKING:
    from collections.abc import Callable

META = ResponseMeta(status=200)
UNREAD = b'{"chat_id":"a","chat_name":7,"latest_message":{"message_id":"m","ack":"many","to":null}}'


def test_types_narrow_for_both_checkers() -> None:
    page = read_chat_page(RECORDED, META)
    assert_type(page.chats, list[Chat])
    chat = page.chats[1]
    assert_type(chat.chat_id, str)
    assert_type(chat.created_at, datetime | None | UnsetType)
    assert_type(chat.closed_at, datetime | None | UnsetType)
    assert_type(chat.members, dict[str, ChatMember] | None | UnsetType)
    assert_type(chat.label_ids, dict[str, bool] | tuple[str, ...] | None | UnsetType)
    assert_type(chat.latest_message, Maybe[Message])
    text = chat.latest_message and chat.latest_message.body
    assert_type(text, str | None | UnsetType)
    assert text == "Hello, East Jenniferfurt!"
    if chat.latest_message and chat.latest_message.delivery_info:
        assert_type(chat.latest_message.delivery_info, DeliveryInfo)
        assert_type(chat.latest_message.ack, int | None | UnsetType)
        assert_type(chat.latest_message.delivery_info.delivered_at, dict[str, datetime])
    if chat.members is UNSET:
        assert_type(chat.latest_message, Maybe[Message])
    else:
        assert_type(chat.members, dict[str, ChatMember] | None)
    assert_type(chat.active_label_ids, frozenset[str])


def test_unset_is_msgspecs_own() -> None:
    assert id(UNSET) == id(msgspec.UNSET)
    assert id(UnsetType) == id(msgspec.UnsetType)
    assert not UNSET


def pickled(chat: Chat) -> Chat:
    other = pickle.loads(pickle.dumps(chat))  # noqa: S301 - made one line above
    assert isinstance(other, Chat)
    return other


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_equal_in_value_hash_and_text(make_copy: Callable[[Chat], Chat]) -> None:
    for chat in [*read_chat_page(RECORDED, META), read_chat(UNREAD)]:
        other = make_copy(chat)
        assert other == chat
        assert hash(other) == hash(chat)
        assert repr(other) == repr(chat)
        assert msgspec.json.encode(other) == msgspec.json.encode(chat)


def test_sets_and_equality() -> None:
    chats = read_chat_page(RECORDED, META).chats
    assert len(set(chats) | set(read_chat_page(RECORDED, META).chats)) == 23
    assert len({Chat(chat_id="a", org_phone="1"), Chat(chat_id="a", org_phone="2"), Chat(chat_id="a")}) == 3
    assert Chat(chat_id="a", members={}) != Chat(chat_id="a", members=None) != Chat(chat_id="a")
    messages = {chat.latest_message for chat in chats if chat.latest_message}
    assert len(messages) == 6
    assert len({MessageId(serialized="a", from_me=True), MessageId(serialized="a", from_me=True)}) == 1


def test_frozen_through_and_through() -> None:
    chat = read_chat(UNREAD)
    with pytest.raises(AttributeError):
        chat.chat_name = "new"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    for kept in (chat.undecoded, Chat(chat_id="b").undecoded):
        undecoded: Any = kept
        for change in ("update", "pop", "clear", "setdefault", "popitem", "__setitem__", "__delitem__", "__ior__"):
            with pytest.raises(TypeError, match="frozen"):
                getattr(undecoded, change)("a")
    assert Chat(chat_id="c").undecoded == {}


def test_a_repr_shows_what_was_sent_and_no_more() -> None:
    assert repr(read_chat(b'{"chat_id":"a","chat_name":null}')) == "Chat(chat_id='a', chat_name=None)"


def test_encoding_gives_the_wire_names_and_reads_back() -> None:
    for chat in read_chat_page(RECORDED, META):
        assert read_chat(msgspec.json.encode(chat)) == chat
    message = Message(message_id="m", from_="a", to=None)
    assert msgspec.json.encode(message) == b'{"message_id":"m","from":"a","to":null}'


def test_encoding_keeps_what_was_not_read_apart() -> None:
    chat = read_chat(UNREAD)
    assert msgspec.json.decode(msgspec.json.encode(chat)) == {
        "chat_id": "a",
        "undecoded": {"chat_name": 7},
        "latest_message": {"message_id": "m", "to": None, "undecoded": {"ack": "many"}},
    }


def test_the_wire_cannot_write_undecoded() -> None:
    for sent in (b'{"chat_name":1}', b"5", b"null"):
        assert read_chat(b'{"chat_id":"a","undecoded":' + sent + b"}").undecoded == {}
        assert read_chat(b'{"chat_id":"a","org_id":5,"undecoded":' + sent + b"}").undecoded == {"org_id": 5}
