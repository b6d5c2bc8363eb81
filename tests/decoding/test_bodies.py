"""Whole bodies: what is no page, what is JSON with a blemish, what is out to break the reader."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from periskope_async.decoding.body import has_surrogate, mend
from periskope_async.decoding.repair import Unreadable
from periskope_async.meta import ResponseMeta
from periskope_async.models import Chat, ChatPage
from tests.reading import RECORDED, read_chat, read_chat_page, read_raw_page

META = ResponseMeta(status=200)


def read_one(body: bytes, _: ResponseMeta) -> Chat:
    return read_chat(body)


ALL: list[Any] = [read_chat_page, read_raw_page, read_one]
READERS = pytest.mark.parametrize("read", ALL)


@READERS
@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b"", "$", "broken JSON"),
        (b"<!DOCTYPE html>", "$", "broken JSON"),
        (b'{"chats":[{"chat_id":"a"}', "$", "broken JSON"),
        (b'{"chats":[{"chat_id":"a","member_count":NaN}]}', "$", "broken JSON"),
        (b'{"chats":[{"chat_id":"a","member_count":"x"}]}]', "$", "broken JSON"),
        (b"[]", "$", "expected `object`, got `array`"),
        (b'"OK"', "$", "expected `object`, got `str`"),
        (b"null", "$", "expected `object`, got `null`"),
        (b"{}", "$", "neither a list `chats` nor a `chat_id`"),
        (b'{"error":"x"}', "$", "neither a list `chats` nor a `chat_id`"),
        (b'{"chats":null,"count":1}', "$.chats", "expected `array`, got `null`"),
        (b'{"count":"23","chats":null,"from":1}', "$.chats", "expected `array`, got `null`"),
        (b'{"chats":{"chat_id":"a"}}', "$.chats", "expected `array . null`, got `object`"),
        (b'{"chat_id":5}', "$.chat_id", "expected a string, not a number"),
        (b'{"chats":[{"chat_id":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}", "$", "nested too deeply"),
        (b'{"chats":[{"chat_id":"a","x":' + b'{"a":' * 100_000, "$", "nested too deeply"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_what_is_no_page(read: Any, body: bytes, path: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        read(body, META)
    assert caught.value.path == path


@pytest.mark.parametrize("row", [{"chat_id": "a"}, {"chat_id": 1}, 1])
def test_more_or_less_than_one_chat_is_no_chat(row: object) -> None:
    """They are counted, and not read, for there may be thousands."""
    for count in (0, 2):
        body = json.dumps({"chats": [row] * count}).encode()
        with pytest.raises(Unreadable, match=f"found {count} chats instead of one") as caught:
            read_chat(body)
        assert caught.value.path == "$.chats"


@pytest.mark.parametrize("read", [read_chat_page, read_raw_page])
@pytest.mark.parametrize(
    "count",
    ["", ',"count":0', ',"count":"0"', ',"count":null', ',"count":{}', ',"from":0,"to":0,"count":0', ',"count":0.0'],
)
def test_null_is_an_empty_list_where_nothing_is_counted(read: Any, count: str) -> None:
    """PostgreSQL's json_agg gives null for no rows."""
    page = read(b'{"chats": null%s}' % count.encode(), META)
    assert len(page) == 0
    assert not page.count


def test_a_chat_with_a_null_list_is_a_chat() -> None:
    body = b'{"chats":null,"chat_id":"a"}'
    assert read_chat(body).chat_id == "a"
    assert [chat.chat_id for chat in read_chat_page(body, META)] == ["a"]
    assert [row.json for row in read_raw_page(body, META)] == [body]
    with pytest.raises(Unreadable, match="found 0 chats"):
        read_chat(b'{"chats":null}')


HALF_PAIRS = (
    rb'{"chats":[{"chat_id":"a","chat_name":"cut \ud83d"}, {"chat_id":"b","x":"\\\ude00\\ud83d \ud83d\ude00"}]}'
)


def test_half_an_emoji_is_one_replaced_character() -> None:
    page = read_chat_page(HALF_PAIRS, META)
    assert page.chats[0].chat_name == "cut \N{REPLACEMENT CHARACTER}"
    assert len(page) == 2


def test_raw_rows_keep_half_an_emoji_as_sent() -> None:
    page = read_raw_page(HALF_PAIRS, META)
    first, second = HALF_PAIRS.removeprefix(b'{"chats":[').removesuffix(b"]}").split(b", ")
    assert [row.json for row in page] == [first, second]
    bare = rb'{"chat_id":"a","chat_name":"\ud83d"}'
    assert [row.json for row in read_raw_page(b"\n" + bare + b" ", META)] == [bare]


@given(st.text(alphabet=st.characters(categories=["Cs", "Ll"], include_characters='\\"u😀\ud83d\ude00'), max_size=12))
def test_mending_reads_as_every_sound_reader_does(text: str) -> None:
    body = json.dumps({"chat_id": "a", "chat_name": text}).encode()
    # json reads an escaped pair as one character, and a half as itself.
    read = json.loads(body)["chat_name"]
    expected = "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= one <= "\udfff" else one for one in read)
    assert read_chat(body).chat_name == expected


def test_a_sound_body_is_left_alone() -> None:
    assert mend(RECORDED) == RECORDED


def test_bytes_that_are_no_utf_8_become_the_replacement_character() -> None:
    assert read_chat(b'{"chat_id":"a","chat_name":"caf\xe9"}').chat_name == "caf\N{REPLACEMENT CHARACTER}"
    row = b'{"chat_id":"a","chat_name":"caf\xe9"}'
    assert [r.json for r in read_raw_page(b'{"chats":[' + row + b"]}", META)] == [row]


@READERS
def test_a_byte_order_mark_is_no_part_of_the_text(read: Any) -> None:
    read(b'\xef\xbb\xbf{"chats":[{"chat_id":"a"}]}', META)


@pytest.mark.parametrize("number", [b"9" * 400, b"9" * 5000, b"-" + b"9" * 5000, b"1e999", b"1e-999", b"-0", b"1E400"])
@pytest.mark.parametrize("field", ["member_count", "closed_at", "created_at", "is_muted", "chat_name", "unknown"])
def test_numbers_beyond_measure_cost_no_page(field: str, number: bytes) -> None:
    body = b'{"chats":[{"chat_id":"a","%s":%s},{"chat_id":"b"}]}' % (field.encode(), number)
    assert [chat.chat_id for chat in read_chat_page(body, META)] == ["a", "b"]
    assert [row.chat_id for row in read_raw_page(body, META)] == ["a", "b"]


def test_of_a_key_sent_twice_the_last_counts() -> None:
    assert read_chat(b'{"chat_id":"a","chat_name":"x","chat_name":"y"}').chat_name == "y"
    # One value that is not of its type must not make the first of two count.
    chat = read_chat(b'{"chat_id":"a","chat_name":5,"chat_name":"y","member_count":1,"member_count":"x"}')
    assert chat.chat_name == "y"
    assert chat.undecoded == {"member_count": "x"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("ab\ud83d"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["chats", "chat_id", "org_phone", "from", "count", "latest_message", "updated_at"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.sampled_from([b"x" * 40, b"\\", b"\\n", b"\\\\", b"u", b"ud83d", b"uDe00", b"u00d8"]), max_size=60))
def test_a_surrogate_is_found_wherever_it_may_be(parts: list[bytes]) -> None:
    """In texts with few backslashes and with many; more may be found where a backslash is escaped, never less."""
    text = b"".join(parts)
    unescaped = text.replace(b"\\\\", b"")
    if b"\\ud" in unescaped or b"\\uD" in unescaped:
        assert has_surrogate(text)
    if b"\\ud" not in text and b"\\uD" not in text:
        assert not has_surrogate(text)


@READERS
@given(body=JSON.map(json.dumps).map(str.encode) | st.binary(max_size=40))
def test_any_body_is_read_or_refused_by_name(read: Any, body: bytes) -> None:
    try:
        read(body, META)
    except Unreadable as refused:
        path = refused.path
    else:
        path = "$"
    assert path.startswith("$")


@given(JSON)
def test_raw_and_typed_pages_hold_the_same_chats(value: object) -> None:
    body = json.dumps({"chats": value}).encode()
    pages: list[Any] = []
    for read in (read_chat_page, read_raw_page):
        try:
            pages.append(read(body, META))
        except Unreadable as refused:
            pages.append((refused.path, refused.reason))
    typed, raw = pages
    if isinstance(typed, ChatPage):
        assert [row.chat_id for row in raw] == [chat.chat_id for chat in typed]
        assert [row.org_phone for row in raw] == [chat.org_phone or None for chat in typed]
        assert [row.updated_at for row in raw] == [chat.updated_at or None for chat in typed]
        assert [json.loads(row.json) for row in raw] == (value or [])
    else:
        assert raw == typed


def test_reading_a_row_again_from_its_raw_bytes() -> None:
    typed = read_chat_page(RECORDED, META).chats
    assert [read_chat(row.json) for row in read_raw_page(RECORDED, META)] == typed
    rows = msgspec.json.decode(RECORDED)["chats"]
    assert [msgspec.json.decode(row.json) for row in read_raw_page(RECORDED, META)] == rows
