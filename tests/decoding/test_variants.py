"""What servers do to a chat: leave fields out, send null, another type, another spelling, junk, more than we know.

Reading never raises for any of it, the other fields keep their values, and what cannot be read is kept raw.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, strategies as st

from periskope_async.decoding.repair import Unreadable, repair
from periskope_async.meta import ResponseMeta
from periskope_async.models import UNSET, Chat
from periskope_async.models.message import (
    DeliveryInfo,
    Dimensions,
    FlagMetadata,
    Message,
    MessageId,
    MessageMedia,
    Reaction,
)
from periskope_async.models.part import Part
from tests.reading import read_chat, read_chat_page, read_raw_page

META = ResponseMeta(status=200)
AT = datetime(2025, 1, 21, 11, 10, 13, tzinfo=UTC)

# A chat with every field that any source names, in the types that the sources show.
FULL: dict[str, Any] = {
    "chat_id": "120363373936603867@g.us",
    "ai_metadata": {"is_active": True, "activation_state": "snoozed", "snooze_until": "2025-01-21T11:10:13Z"},
    "assigned_to": "a@example.com",
    "chat_access": {"a@example.com": True},
    "closed_at": 1737457813000,
    "created_at": "2025-01-21T11:10:13+00:00",
    "custom_properties": {"property-a": "b"},
    "flag_count_map": {"a@example.com": 1},
    "label_ids": {"label-a": True},
    "labels": ["vip"],
    "latest_message": {
        "message_id": "true_120363373936603867@g.us_3EB0",
        "ack": "4",
        "delivery_info": {"delivered": {"a@c.us": 1737457813000}, "pending": ["b@c.us"], "delivered_count": 1},
        "flag_metadata": {"status": True, "flagged_at": "2025-01-21T11:10:13Z"},
        "from": "a",
        "id": {"from_me": True, "id": "3EB0", "remote": "120363373936603867@g.us", "serialized": "true_3EB0"},
        "media": {"path": "/storage/a.jpg", "dimensions": {"width": 1, "height": 2, "ar": 0.5}, "size": 3},
        "reactions": [{"reaction_id": "r", "reaction": "👍", "orphan": 0, "msg_id": {"from_me": 1, "serialized": "a"}}],
        "timestamp": "2025-01-21T11:10:13+00:00",
    },
    "latest_message_timestamp_map": {"918527184400@c.us": 1737457813000},
    "member_add_mode": "true",
    "members": {"a@c.us": {"contact_id": "a@c.us", "is_admin": True}},
    "pinned_messages": [{"message_id": "m", "pinned_at": 1737457813000}],
    "snooze_metadata": {"snooze_until": 1737457813000, "snooze_by": "a@example.com"},
    "unread_count": {"918527184400@c.us": 2},
}

# Where each kind of object lies in FULL.
PLACES: list[tuple[type[Part], tuple[str | int, ...]]] = [
    (Chat, ()),
    (Message, ("latest_message",)),
    (MessageId, ("latest_message", "id")),
    (DeliveryInfo, ("latest_message", "delivery_info")),
    (FlagMetadata, ("latest_message", "flag_metadata")),
    (MessageMedia, ("latest_message", "media")),
    (Dimensions, ("latest_message", "media", "dimensions")),
    (Reaction, ("latest_message", "reactions", 0)),
    (MessageId, ("latest_message", "reactions", 0, "msg_id")),
    (Part, ("ai_metadata",)),
    (Part, ("snooze_metadata",)),
    (Part, ("members", "a@c.us")),
    (Part, ("pinned_messages", 0)),
]
ABSENT = object()
JUNK: list[object] = [
    *(None, ABSENT, True, 0, 7, -1.5, 1e300, 10**400, 1737457813000),
    *("", "x", "null", "true", "12", "2025-01-21", "[]", "{}", "[1", "\x00"),
    *([], [1], ["a"], [None], [{}], [[[]]], {}, {"a": 1}, {"a": None}, {"a": {"a": []}}),
]


def get(value: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        value = getattr(value, str(step)) if isinstance(value, msgspec.Struct) else value[step]
    return value


def variant(place: tuple[str | int, ...], field: str, value: object) -> bytes:
    wire = copy.deepcopy(FULL)
    holder = get(wire, place)
    if value is ABSENT:
        holder.pop(field, None)
    else:
        holder[field] = value
    return json.dumps(wire, ensure_ascii=False).encode()


def every_field() -> list[Any]:
    whole = read_chat(json.dumps(FULL).encode())
    return [
        pytest.param(place, field, id=".".join(map(str, (*place, field.encode_name))))
        for _, place in PLACES
        for field in msgspec.structs.fields(get(whole, place))
        if field.name
        not in {"undecoded", "reaction_id", "chat_id" if not place else "", "message_id" if len(place) == 1 else ""}
    ]


def assert_only_this_changed(
    chat: Chat, place: tuple[str | int, ...], field: msgspec.structs.FieldInfo, sent: object
) -> None:
    """Check the field's own reading, then that with it put aside nothing differs from the untouched chat."""
    holder = get(chat, place)
    value = getattr(holder, field.name)
    if sent is ABSENT:
        assert value is UNSET
        assert holder.undecoded == {}
    elif field.encode_name in holder.undecoded:
        assert dict(holder.undecoded) == {field.encode_name: sent}
        assert value is UNSET
    else:
        assert holder.undecoded == {}
        assert value is not UNSET
        # Honest types: what was read as the field's type is encoded as a form that the same type reads back.
        assert read_chat(msgspec.json.encode(chat)) == chat
        if sent is None:
            assert value is None
    assert without(chat, place, field) == without(read_chat(json.dumps(FULL).encode()), place, field)


def without(chat: Chat, place: tuple[str | int, ...], field: msgspec.structs.FieldInfo) -> Any:
    plain = json.loads(msgspec.json.encode(chat))
    holder = get(plain, place)
    holder.pop(field.encode_name, None)
    holder.pop("undecoded", None)
    return plain


@pytest.mark.parametrize(("place", "field"), every_field())
def test_each_field_absent_null_or_junk(place: tuple[str | int, ...], field: msgspec.structs.FieldInfo) -> None:
    for sent in JUNK:
        body = variant(place, field.encode_name, sent)
        chat = read_chat(body)
        assert_only_this_changed(chat, place, field, sent)
        assert repair(Chat, body, "$") == chat, "the slow way reads as the fast one does"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(every_field()), JSON)
def test_each_field_with_anything(param: Any, sent: object) -> None:
    place, field = param.values
    try:
        body = variant(place, field.encode_name, sent)
    except UnicodeEncodeError:  # half a pair, that json.dumps has no escape for here
        return
    assert_only_this_changed(read_chat(body), place, field, sent)


@given(st.sampled_from(PLACES), st.dictionaries(st.text(alphabet="abc_", min_size=1).map("new_".__add__), JSON))
def test_unknown_fields_change_nothing(
    place: tuple[type[Part], tuple[str | int, ...]], unknown: dict[str, Any]
) -> None:
    wire = copy.deepcopy(FULL)
    get(wire, place[1]).update(unknown)
    assert read_chat(json.dumps(wire).encode()) == read_chat(json.dumps(FULL).encode())


IST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("sent", "at"),
    [
        ("2025-01-21T11:10:13+00:00", AT),
        ("2025-01-21T11:10:13.5+00:00", AT.replace(microsecond=500_000)),
        ("2025-01-21T11:10:13.10113+00:00", AT.replace(microsecond=101_130)),
        ("2025-01-21T11:10:13.691753+00:00", AT.replace(microsecond=691_753)),
        ("2025-01-21T11:10:13.6917531+00:00", AT.replace(microsecond=691_753)),
        ("2025-01-21T11:10:13.279Z", AT.replace(microsecond=279_000)),
        ("2025-01-21T16:40:13+05:30", AT.astimezone(IST)),
        ("2025-01-21 11:10:13+00", AT),
        ("2025-01-21 16:40:13.25+0530", AT.replace(microsecond=250_000).astimezone(IST)),
        ("2025-01-21T11:10:13.671369", AT.replace(microsecond=671_369)),
        ("2025-01-21 11:10:13", AT),
        ("2025-01-21", AT.replace(hour=0, minute=0, second=0)),
        ("2025-01-21T11:10Z", AT.replace(second=0)),
        (1737457813000, AT),
        (1737457813500, AT.replace(microsecond=500_000)),
        (1737457813, AT),
        (1737457813.5, AT.replace(microsecond=500_000)),
        ("1737457813000", AT),
        ("1737457813", AT),
    ],
)
@pytest.mark.parametrize("field", ["created_at", "closed_at", "latest_message_timestamp"])
def test_every_spelling_of_a_time(field: str, sent: object, at: datetime) -> None:
    chat = read_chat(variant((), field, sent))
    value = getattr(chat, field)
    assert value == at
    assert value.utcoffset() == at.utcoffset()
    assert chat.undecoded == {}


@given(st.datetimes(min_value=datetime(2009, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis asks so
def test_spellings_of_one_time_agree(naive: datetime) -> None:
    at = naive.replace(tzinfo=UTC)
    spellings = [at.isoformat(), naive.isoformat(), at.isoformat(sep=" ").removesuffix(":00"), f"{naive.isoformat()}Z"]
    for field in ("timestamp", "updated_at"):
        read = [get(read_chat(variant(("latest_message",), field, s)), ("latest_message", field)) for s in spellings]
        assert read == [at] * len(spellings)
    day = cast("datetime", read_chat(variant((), "closed_at", naive.date().isoformat())).closed_at)
    assert day.date() == date(naive.year, naive.month, naive.day)


@pytest.mark.parametrize(
    ("place", "field", "sent", "value"),
    [
        ((), "member_add_mode", False, False),
        ((), "member_add_mode", "false", False),
        ((), "member_add_mode", "TRUE", True),
        ((), "is_muted", "t", True),
        ((), "is_muted", " No ", False),
        ((), "is_muted", 0, False),
        ((), "is_muted", 1.0, True),
        ((), "member_count", "12", 12),
        ((), "member_count", " +12 ", 12),
        ((), "chat_name", {}, None),
        ((), "closed_at", {}, None),
        ((), "latest_message", {}, None),
        ((), "hubspot_metadata", {}, {}),
        ((), "chat_access", {"a@example.com": "yes"}, {"a@example.com": True}),
        ((), "labels", "vip, new", ("vip", "new")),
        ((), "labels", '["vip"]', ("vip",)),
        ((), "custom_properties", '{"a": [1]}', {"a": [1]}),
        ((), "label_ids", ["a"], ("a",)),
        ((), "label_ids", {"a": "true"}, {"a": True}),
        ((), "member_closed_at", {"a": "2025-01-21 11:10:13+00", "b": None}, {"a": AT, "b": None}),
        (("latest_message",), "ack", 3, 3),
        (("latest_message",), "duration", "12.5", 12.5),
        (("latest_message",), "duration", 12, 12.0),
        (("latest_message",), "forwarding_score", "0", 0),
        (("latest_message",), "links", "[]", "[]"),
        (("latest_message",), "mentioned_ids", "[]", ()),
        (("latest_message", "delivery_info"), "read", {"a": "2025-01-21 11:10:13.5+00"}, {"a": 1737457813500}),
        (("latest_message", "delivery_info"), "read", {"a": "1737457813000"}, {"a": 1737457813000}),
    ],
)
def test_the_other_documented_form(place: tuple[str, ...], field: str, sent: object, value: object) -> None:
    holder = get(read_chat(variant(place, field, sent)), place)
    assert getattr(holder, field) == value
    assert type(getattr(holder, field)) is type(value)
    assert holder.undecoded == {}


def test_ids_in_the_webhooks_spelling() -> None:
    expected = MessageId(id="3EB0", remote="a@g.us", serialized="true_3EB0", from_me=True)
    for names in ({"serialized", "from_me"}, {"_serialized", "fromMe"}, {"serialized", "fromMe"}):
        values = {"serialized": "true_3EB0", "_serialized": "true_3EB0", "from_me": True, "fromMe": True}
        sent = {"id": "3EB0", "remote": "a@g.us"} | {name: values[name] for name in names}
        assert get(read_chat(variant(("latest_message",), "id", sent)), ("latest_message", "id")) == expected


@pytest.mark.parametrize(("sent", "ids"), [({"a": True, "b": False}, "a"), (["a", "b"], "ab"), ({}, "")])
def test_active_label_ids(sent: object, ids: str) -> None:
    assert read_chat(variant((), "label_ids", sent)).active_label_ids == set(ids)
    assert Chat(chat_id="a").active_label_ids == Chat(chat_id="a", label_ids=None).active_label_ids == set()


@pytest.mark.parametrize("sent", ["text", 5, [1], {"body": "no id"}, {"message_id": 5}, {"message_id": None}])
def test_a_message_that_cannot_be_told_is_the_chats_undecoded(sent: object) -> None:
    chat = read_chat(variant((), "latest_message", sent))
    assert chat.latest_message is UNSET
    assert chat.undecoded == {"latest_message": sent}


def test_one_bad_row_leaves_the_others_alone() -> None:
    rows = [FULL | {"chat_id": str(index)} for index in range(5)]
    rows[3]["member_count"] = "many"
    page = read_chat_page(json.dumps({"chats": rows, "count": "5", "from": {}, "to": None}).encode(), META)
    assert [chat.chat_id for chat in page] == list("01234")
    assert [dict(chat.undecoded) for chat in page] == [{}, {}, {}, {"member_count": "many"}, {}]
    assert (page.from_, page.to, page.count) == (None, None, 5)


READERS: list[Any] = [read_chat_page, read_raw_page]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("row", "path", "reason"),
    [
        ({"chat_name": "a"}, ".chat_id", "missing"),
        ({"chat_id": None}, ".chat_id", "a string, not null"),
        ({"chat_id": 5}, ".chat_id", "a string, not a number"),
        ({"chat_id": ["a"]}, ".chat_id", "a string, not a list"),
        (None, "", "an object, not null"),
        ("a", "", "an object, not a string"),
        ([], "", "an object, not a list"),
        (True, "", "an object, not a boolean"),
    ],
)
def test_a_row_without_identity(read: Any, row: object, path: str, reason: str) -> None:
    body = json.dumps({"chats": [{"chat_id": "a"}, {"chat_id": "b", "org_id": 1}, {"chat_id": "c"}, row]}).encode()
    with pytest.raises(Unreadable, match=reason) as caught:
        read(body, META)
    assert caught.value.path == f"$.chats[3]{path}"
    assert str(caught.value) == f"{caught.value.reason} at {caught.value.path}"
