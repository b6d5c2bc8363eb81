"""Reading a body takes memory in proportion to it, whatever stands in whichever field."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from periskope_async.client.lists import CHATS
from periskope_async.decoding.body import UNREAD, mend
from periskope_async.decoding.repair import Unreadable
from periskope_async.meta import ResponseMeta
from periskope_async.models.part import Part
from periskope_async.tables.columns import batches_of, table_of
from tests.decoding.test_variants import FULL, PLACES, get, variant
from tests.reading import READER, at_once, read_chat, read_chat_page, read_raw_page

if TYPE_CHECKING:
    from periskope_async.models import Chat

META = ResponseMeta(status=200)
TABLE = table_of(CHATS)
SIZE = 100_000
MOST = 6
FIXED = 32 * 1024
"""What a small body takes as well."""
# An item of three bytes, {}, may be an object of fifteen absent fields.
MOST_DECODED = 60


def text_of_texts(depth: int) -> bytes:
    text = "1" * SIZE
    for _ in range(depth):
        text = json.dumps(text)
    return text.encode()


# Texts and numbers of any length, and what nobody can use where it stands.
LONG: dict[str, bytes] = {
    "digits": b"1" * SIZE,
    "digits below zero": b"-" + b"1" * SIZE,
    "digits of a fraction": b"1." + b"1" * SIZE,
    "digits of an exponent": b"1e" + b"9" * SIZE,
    "digits in quotes": b'"' + b"1" * SIZE + b'"',
    "many numbers of 5,000 digits": b"[" + b",".join([b"9" * 5000] * (SIZE // 5000)) + b"]",
    "a key of digits": b'{"' + b"1" * SIZE + b'":1}',
    "a text in a list": b'["' + b"x" * SIZE + b'"]',
    "a text in a list in a text": b'"[\\"' + b"x" * SIZE + b'\\"]"',
    "digits in a list in a text": b'"[' + b"1" * SIZE + b']"',
    "escapes": b'"' + b"\\u0041" * (SIZE // 6) + b'"',
    "half pairs": b'"' + b"\\ud83d" * (SIZE // 6) + b'"',
    "an emoji in a long text": b'"' + b"x" * SIZE + "😀".encode() + b'"',
    "Latin-1 here and there": b'"' + b"caf\xe9 au lait. " * (SIZE // 15) + b'"',
    "one key again and again": b"{" + b'"a":1,' * (SIZE // 6) + b'"a":1}',
    "whitespace": b" \n" * (SIZE // 2) + b"[]",
    "commas in a text": b'"' + b"," * SIZE + b'"',
    **{f"{depth} texts around digits": text_of_texts(depth) for depth in (1, 2, 6, 12)},
}


# What is small as text and large in memory, for every JSON reader: an empty list takes 56 bytes and a pointer.
DENSE: dict[str, bytes] = {
    "numbers": b"[" + b"1," * (SIZE // 2) + b"1]",
    "empty objects": b"[" + b"{}," * (SIZE // 3) + b"{}]",
    "empty lists": b"[" + b"[]," * (SIZE // 3) + b"[]]",
    "deep lists": b"[" + b",".join([b"[" * 400 + b"]" * 400] * (SIZE // 800)) + b"]",
    "nulls": b"[" + b"null," * (SIZE // 5) + b"null]",
    "numbers in a text": b'"[' + b"1," * (SIZE // 2) + b'1]"',
    "many keys": b"{" + b",".join(b'"%d":[]' % number for number in range(SIZE // 9)) + b"}",
}


def peak_of(body: bytes, read: Any) -> float:
    """Give the most memory that reading took, in sizes of the body. What cannot be read is refused in few words."""
    refused = ""
    tracemalloc.start()
    try:
        read(body)
    except Unreadable as error:
        refused = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(refused) < 200
    return (peak - FIXED) / len(body)


def typed(body: bytes) -> Any:
    return read_chat_page(body, META)


def raw(body: bytes) -> Any:
    return read_raw_page(body, META)


def late(part: bytes) -> None:
    """Read a part of a large page as walks do, which read a page at once that cannot be parted."""
    try:
        READER.marks.rows.decode(part)
    except UNREAD:
        return
    READER.part(part, READER.times)
    READER.part(part)


def holding(place: tuple[str | int, ...], field: str, value: bytes) -> bytes:
    """Give FULL with one field's value replaced, before any JSON writer could have its say."""
    return b'{"chats":[%s]}' % variant(place, field, "THE VALUE").replace(b'"THE VALUE"', value)


def every_field() -> list[Any]:
    whole = read_chat(json.dumps(FULL).encode())
    return [
        pytest.param(place, field.encode_name, field.type, id=".".join(map(str, (*place, field.encode_name))))
        for _, place in PLACES
        for field in msgspec.structs.fields(get(whole, place))
        if field.name != "undecoded"
    ]


def is_unread(chat: Chat, place: tuple[str | int, ...], field: str) -> bool:
    """Whether the value, or the object that holds it, is kept as it came; else it was read."""
    holder: Any = chat
    for step in place:
        if isinstance(holder, Part) and step in holder.undecoded:
            return True
        holder = getattr(holder, str(step)) if isinstance(holder, Part) else holder[step]
    return field in holder.undecoded


@pytest.mark.parametrize("kind", LONG)
def test_no_long_value_takes_much_memory(kind: str) -> None:
    """In every field and in one that nobody knows, of rows that are read typed, raw or late."""
    value = LONG[kind]
    fields: list[Any] = [*every_field(), pytest.param((), "unknown", None, id="unknown")]
    for param in fields:
        place, field, _ = param.values
        body = holding(place, field, value)
        peaks = [peak_of(body, typed)]
        if not place:
            rows = body.removeprefix(b'{"chats":').removesuffix(b"}")
            peaks += [peak_of(body, raw), peak_of(rows, late)]
        assert max(peaks) <= MOST, (param.id, peaks)
        if (place, field) != ((), "chat_id"):
            (chat,) = typed(body)
            assert is_unread(chat, place, field) or chat.undecoded == {}
            assert chat.labels == ("vip",) or field == "labels"


@pytest.mark.parametrize("kind", DENSE)
def test_a_dense_value_takes_what_it_decodes_to(kind: str) -> None:
    """Only where the field's type has room for it; elsewhere it takes no more than a long text."""
    value = DENSE[kind]
    of_each_type = {str(param.values[2]): param for param in every_field()}
    for param in of_each_type.values():
        place, field, type_ = param.values
        # The first reading of a type makes its decoders, which stay.
        typed(holding(place, field, b"1"))
        peak = peak_of(holding(place, field, value), typed)
        may_hold = any(word in str(type_) for word in ("Any", "dict", "tuple")) and "FlexTime" not in str(type_)
        assert peak <= (MOST_DECODED if may_hold else MOST), (param.id, peak)
    for blemish in ("", '"is_muted":"x",'):
        body = b'{"chats":[{"chat_id":"a",%s"unknown":%s}]}' % (blemish.encode(), value)
        assert peak_of(body, typed) <= MOST


@pytest.mark.parametrize("kind", DENSE)
@pytest.mark.parametrize("field", ["closed_at", "latest_message_timestamp_map", "undecoded"])
def test_a_dense_value_holds_nobody_up(kind: str, field: str) -> None:
    """All of what stands in a time's place was decoded before it was refused."""
    value = DENSE[kind] if kind.endswith("text") else b"[" + b",".join([DENSE[kind]] * 10) + b"]"
    row = b'{"chat_id":"a","%s":%s}' % (field.encode(), value)
    began = time.process_time()
    typed(b'{"chats":[%s]}' % row)
    read_chat(row)
    at_once(READER.page(b'{"chats":[%s]}' % row, META, "late"))
    assert time.process_time() - began <= 3 * 0.1 * max(1.0, len(row) / 1e6)


@pytest.mark.parametrize("kind", DENSE)
def test_a_dense_value_in_a_column_takes_little_memory(kind: str) -> None:
    """In a file's tables too: a row goes there without a look at its typed fields before."""
    row = b'{"chat_id":"a","closed_at":%s,"chat_name":"b"}' % DENSE[kind]

    def read(text: bytes) -> list[list[Any]]:
        (batch,) = batches_of(TABLE, [text])
        return batch.values

    read(row)
    assert peak_of(row, read) <= MOST
    named = dict(zip((column.name for column in TABLE.columns), read(row), strict=True))
    assert (named["chat_name"], named["closed_at"]) == (["b"], [None])


def test_a_large_value_of_no_use_is_kept_as_text() -> None:
    large, small = "[" + "{}," * 30_000 + "{}]", "[" + "{}," * 3 + "{}]"
    values: list[tuple[str, Any]] = [(large, large), (small, [{}] * 4), ("1" * 70_000, "1" * 70_000)]
    for value, kept in values:
        chat = read_chat(b'{"chat_id":"a","members":%s,"chat_name":"b"}' % value.encode())
        assert chat.undecoded == {"members": kept}
        assert chat.chat_name == "b"


def test_many_rows_with_a_number_too_long_are_read_one_by_one() -> None:
    """Each row takes the slow way, and nothing of it stays behind."""
    rows = [b'{"chat_id":"%d@c.us","label_ids":%s}' % (number, b"7" * 5000) for number in range(60)]
    body = b'{"chats":[%s]}' % b",".join(rows)
    assert peak_of(body, typed) <= MOST
    page = read_chat_page(body, META)
    assert [chat.undecoded for chat in page] == [{"label_ids": "7" * 5000}] * 60


def test_mending_takes_little_memory() -> None:
    """Bytes that are no UTF-8 become three each, so that only a few of them are taken here."""
    for blemished in (
        b"\\n",
        b"\\ud83d",
        b"\\ude00",
        b"\\ud83d\\ude00",
        b"\\u0041",
        b"x\\ud83d",
        b"\\\\",
        b"\xff",
        b"a",
    ):
        body = b'"' + blemished * (SIZE // len(blemished)) + b'"'
        assert peak_of(body, mend) <= MOST, blemished
