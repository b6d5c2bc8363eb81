"""Bodies of many small values: memory in proportion to the body, and no long step of the event loop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.decoding.objects import (
    many_of,
    one_of,
    read_confirmation,
    read_image,
    read_invite_link,
    read_participants,
)
from periskope_async.decoding.repair import Unreadable
from periskope_async.models import Chat, Phone
from periskope_async.models.queue import QueueJob
from periskope_async.realtime.codec import decode
from periskope_async.webhooks import parse
from tests.decoding.test_proportion import DENSE, META, MOST, peak_of
from tests.reading import READER, at_once, chat_page_steps, read_chat

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async.decoding.opened import Steps

VALUES = {
    **DENSE,
    "numbers of three digits": b"[" + b",".join([b"999"] * 25_000) + b"]",
    "texts": b"[" + b",".join([b'"a"'] * 25_000) + b"]",
    "deep": b"[" * 900 + b"]" * 900 + b" " * 100_000,
}
# A key takes some 160 bytes in a dict, and its value comes on top.
MOST_OF_KEYS = 25


def counted(steps: Steps[Any]) -> tuple[int, Any]:
    number = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return number, done.value
        number += 1


READERS: dict[str, Callable[[bytes], Any]] = {
    "typed": lambda body: at_once(READER.page(body, META)),
    "raw": lambda body: at_once(READER.page(body, META, "raw")),
    "late": lambda body: at_once(READER.page(body, META, "late")),
    "one row": lambda body: at_once(READER.one(body, META)),
    "one of": lambda body: at_once(one_of(Chat)(body, META)),
    "many of": lambda body: at_once(many_of(Phone)(body, META)),
    "many without an id": lambda body: at_once(many_of(QueueJob)(body, META)),
    "participants": lambda body: at_once(read_participants(body, META)),
    "confirmation": lambda body: at_once(read_confirmation(body, META)),
    "link": lambda body: at_once(read_invite_link(body, META)),
    "image": lambda body: at_once(read_image(body, META)),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", VALUES)
def test_an_answer_of_many_values_takes_little_memory(kind: str, name: str) -> None:
    """In the place of the rows, of the object, and of each thing that an answer holds."""
    value = VALUES[kind]
    for key in ("chats", "data", "message", "invite_link"):
        assert peak_of(b'{"%s":%s}' % (key.encode(), value), READERS[name]) <= MOST, key
    assert peak_of(value, READERS[name]) <= MOST


def test_many_true_rows_are_read() -> None:
    """The server chooses how many rows it sends, and how small they are."""
    rows = b",".join([b'{"chat_id":"1","is_muted":"x"}'] * 5000)
    page = at_once(chat_page_steps(b'{"chats":[%s]}' % rows, META))
    assert [chat.undecoded for chat in page] == [{"is_muted": "x"}] * 5000


def test_one_wrong_row_of_many_is_told() -> None:
    body = b'{"chats":[%s{}]}' % (b'{"chat_id":"1"},' * 5000)
    with pytest.raises(Unreadable, match=r"missing required field `chat_id` at \$\.chats\[5000\]"):
        at_once(READER.page(body, META))


FRAMES = [
    b"0%s",
    b"40%s",
    b"44%s",
    b"42%s",
    b'0{"sid":%s}',
    b'40{"pid":%s}',
    b'44{"message":%s}',
    b'0{"pingTimeout":%s}',
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", VALUES)
def test_a_frame_of_many_values_takes_little_memory(kind: str, frame: bytes) -> None:
    assert peak_of(frame % VALUES[kind], decode) <= MOST


def key_of(body: bytes) -> str:
    return parse(body).key


@pytest.mark.parametrize("key", ["data", "timestamp", "org_id", "event_type", "unknown"])
@pytest.mark.parametrize("name", ["message.created", "org.rocket.launched"])
@pytest.mark.parametrize("kind", VALUES)
def test_a_webhook_of_many_values_takes_little_memory(kind: str, name: str, key: str) -> None:
    """Of a known event and of another one; in the envelope, in place of the object, and in it."""
    for value in (VALUES[kind], b'{"timestamp":%s}' % VALUES[kind]):
        body = b'{"event":"%s","%s":%s}' % (name.encode(), key.encode(), value)
        most = MOST_OF_KEYS if kind == "many keys" else MOST
        assert peak_of(body, key_of) <= most


def test_a_webhook_of_many_values_is_kept_as_it_came() -> None:
    event = parse(b'{"event":"org.rocket.launched","data":{"points":%s}}' % VALUES["numbers"])
    assert event.data is None
    assert event.raw.startswith(b'{"points":[1,1')
    assert event.error == "has too many small values to be decoded, see raw at $.data"


def test_many_objects_take_steps() -> None:
    """Each is read the slow way, which takes up to a tenth of a millisecond."""
    steps, phones = counted(many_of(Phone)(json.dumps([{"phone_id": "a", "labels": 1}] * 500).encode(), META))
    assert len(phones) == 500
    assert steps >= 10
    answer = json.dumps({f"{number}@c.us": {"success": "x"} for number in range(500)}).encode()
    steps, outcome = counted(read_participants(answer, META))
    assert len(outcome.results) == 500
    assert steps >= 10


def test_large_rows_take_a_step_each() -> None:
    rows = [{"chat_id": str(number), "chat_name": "x" * 100_000, "is_muted": "x"} for number in range(20)]
    steps, _ = counted(READER.page(json.dumps({"chats": rows}).encode(), META))
    assert steps >= 19


ODD_MEMBER = {"contact_name": "x" * 60, "is_admin": "so so"}


def test_all_odd_members_of_the_largest_group_are_read() -> None:
    chat = read_chat(json.dumps({"chat_id": "1", "members": {f"{n}@c.us": ODD_MEMBER for n in range(1024)}}).encode())
    assert len(chat.members or {}) == 1024
    assert chat.undecoded == {}


@pytest.mark.parametrize("field", ["members", "latest_message_timestamp_map", "label_ids", "pinned_messages"])
def test_a_row_of_odd_values_has_an_end(field: str) -> None:
    """It holds the event loop for all of them: what comes late is kept as text."""
    odd = {f"{n}@c.us": ODD_MEMBER for n in range(20_000)}
    values = [{"message_id": n} for n in range(20_000)] if field == "pinned_messages" else odd
    chat = read_chat(json.dumps({"chat_id": "1", field: values, "chat_name": "Mum", "is_muted": "yes"}).encode())
    assert isinstance(chat.undecoded[field], str)
    assert chat.chat_name == "Mum"
