"""Bodies of webhooks as typed events: every documented name, unknown ones, and what is odd."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from periskope_async import Chat, DecodeError, Message
from periskope_async.live_event import OBJECTS
from periskope_async.models import Reaction
from periskope_async.webhooks import EVENT_NAMES, parse
from tests.webhooks.bodies import ORG, chat, envelope, message

KINDS = {"chat.created": Chat, "chat.custom_properties.updated": Chat, "reaction.created": Reaction}


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_each_name_gives_its_object(name: str) -> None:
    kind = OBJECTS[name].kind
    ids = {"notification_id": "n", "phone_id": "p", "reaction_id": "r"}
    sent = chat() if kind is Chat else message(**ids)
    event = parse(envelope(name, sent))
    assert (event.name, event.org_id, event.error) == (name, ORG, None)
    assert event.timestamp == datetime(2026, 11, 29, 8, 0, 0, 123_000, UTC)
    assert json.loads(event.raw) == sent
    assert isinstance(event.data, kind or dict)


def test_there_are_twenty_names() -> None:
    assert len(EVENT_NAMES) == 20


@pytest.mark.parametrize("body", [{"event": "message.created"}, '{"event": "message.created"}', None])
def test_only_bytes_are_a_body(body: Any) -> None:
    with pytest.raises(TypeError, match="give the bytes that were received"):
        parse(body)


def test_the_object_is_that_of_rest() -> None:
    event = parse(envelope("message.created", message()))
    assert isinstance(event.data, Message)
    assert event.data.ack == 4
    assert event.object_id == event.data.message_id
    assert event.object_time == datetime(2025, 1, 21, 11, 14, 16, 233_000, UTC)


def test_an_unknown_name_is_kept() -> None:
    event = parse(envelope("org.rocket.launched", {"rocket_id": "r1", "at": "2026-01-01"}))
    assert event.name == "org.rocket.launched"
    assert event.data == {"rocket_id": "r1", "at": "2026-01-01"}
    assert event.object_id is None


@pytest.mark.parametrize(
    "spelling",
    [
        "2024-05-13 11:19:34+00",
        "2024-05-13T11:19:34Z",
        "2024-05-13T11:19:34",
        "2024-05-13T16:49:34+05:30",
        1715599174000,
        1715599174,
    ],
)
def test_every_spelling_of_a_time_is_one_time(spelling: object) -> None:
    moment = datetime(2024, 5, 13, 11, 19, 34, tzinfo=UTC)
    event = parse(envelope("message.created", message(timestamp=spelling, updated_at=None), timestamp=spelling))
    assert event.timestamp == moment
    assert event.object_time == moment
    assert isinstance(event.data, Message)
    assert event.data.timestamp == moment


def test_the_webhooks_own_spelling_of_a_message() -> None:
    sent = message(
        timestamp="2024-05-13 11:19:34+00",
        id={"id": "3EB0", "fromMe": True, "remote": "1@c.us", "_serialized": "true_1@c.us_3EB0"},
        forwarding_score="0",
        links="[]",
    )
    data = parse(envelope("message.created", sent)).data
    assert isinstance(data, Message)
    assert data.id
    assert data.id.serialized == "true_1@c.us_3EB0"
    assert data.id.from_me is True
    assert data.forwarding_score == 0


def test_the_name_may_stand_under_event_type() -> None:
    body = json.dumps({"event_type": "message.created", "data": message()}).encode()
    assert parse(body).name == "message.created"
    bare = json.dumps({**message(), "event_type": "message.created"}).encode()
    assert isinstance(parse(bare).data, Message)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(("blemish", "read"), [(rb"cut \ud83d", "cut \ufffd"), (b"caf\xe9", "caf\ufffd")])
def test_blemishes_are_mended_in_data_and_kept_in_raw(blemish: bytes, read: str, mark: bytes) -> None:
    sent = json.dumps(message(body="@@")).encode().replace(b"@@", blemish)
    event = parse(mark + envelope("message.created", {}).replace(b"{}", sent))
    assert isinstance(event.data, Message)
    assert event.data.body == read
    assert (event.raw, event.error) == (sent, None)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"body": "no id"}, r"is missing at \$\.data\.message_id"),
        ([1], "expected an object"),
        (None, "expected an object"),
        ("text", "expected an object"),
    ],
)
def test_an_object_that_is_none_is_kept_and_told(data: Any, said: str) -> None:
    event = parse(envelope("message.created", data))
    assert event.data == (data if isinstance(data, dict) else None)
    assert json.loads(event.raw) == data
    assert event.error is not None
    assert re.search(said, event.error)


@pytest.mark.parametrize(
    ("body", "path"),
    [(b"", "$"), (b"{", "$"), (b"[]", "$"), (b"\xff", "$"), (b"{}", "$.event"), (b'{"event":7,"data":{}}', "$.event")],
)
def test_a_body_that_is_no_event_is_refused(body: bytes, path: str) -> None:
    with pytest.raises(DecodeError, match="cannot be read") as caught:
        parse(body)
    assert caught.value.path == path


def test_a_second_delivery_has_the_key_of_the_first() -> None:
    first = parse(envelope("message.ack.updated", message()))
    again = parse(envelope("message.ack.updated", message()))
    assert first.key == again.key
    other = [
        parse(envelope("message.updated", message())),
        parse(envelope("message.ack.updated", message(message_id="other"))),
        parse(envelope("message.ack.updated", message(updated_at="2025-01-21T11:14:16.234+00:00"))),
        parse(envelope("message.ack.updated", message(ack="2"))),
        # The documents call it the time of the event's creation: another one is another event.
        parse(envelope("message.ack.updated", message(), timestamp="2026-11-29T09:00:00Z")),
    ]
    assert len({event.key for event in [first, *other]}) == 6


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.sampled_from(EVENT_NAMES) | st.text(min_size=1), data=JSON, org=JSON, time=JSON)
def test_no_content_fails_an_envelope(name: str, data: Any, org: Any, time: Any) -> None:
    event = parse(json.dumps({"event": name, "data": data, "org_id": org, "timestamp": time}).encode())
    assert event.name == name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert event.key
