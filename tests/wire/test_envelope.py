"""What an error's body says is read with its blemishes, in every envelope, and shown on one short line."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, strategies as st

from periskope_async import DecodeError
from periskope_async.decoding.repair import Unreadable
from periskope_async.meta import ResponseMeta
from periskope_async.wire.answer import decode_error, status_error
from periskope_async.wire.envelope import Envelope, read_envelope
from tests.reading import chat_query

REQUEST = chat_query().page(offset=0, limit=10)
OWN = (
    b'{"name":"Validation Error","code":"VALIDATION_ERROR","fields":{"label":{"message":"Label unknown","value":%s}},'
    b'"message":"Label unknown","status":422}'
)
MEGABYTES = 2_000_000


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (OWN % b'"vip"', "'vip'"),
        (OWN % b'"vip \\ud83d"', "'vip \N{REPLACEMENT CHARACTER}'"),
        (b"\xef\xbb\xbf" + OWN % b'"vip"', "'vip'"),
        (OWN % b"1e400", "1e400"),
        (OWN % b"-1e999", "-1e999"),
        (OWN % b"12", "12"),
        (OWN % b"null", "null"),
        (OWN % b"true", "true"),
        (OWN % b'["a", 1]', '["a", 1]'),
        (OWN % b'"caf\xe9"', "'caf\N{REPLACEMENT CHARACTER}'"),
        (OWN % b'"vip"' + b"\0", "'vip'"),
        (b"\n\t " + OWN % b'"vip"' + b" \r\n\0\0", "'vip'"),
        (OWN.replace(b"{", b'{"code":"OLD","message":5,', 1) % b'"vip"', "'vip'"),
        (OWN % b'"two\\nlines \\u001b[31m"', r"'two\nlines \x1b[31m'"),
    ],
)
def test_no_blemish_costs_the_code(body: bytes, sent: str) -> None:
    error = status_error(ResponseMeta(status=422), body, REQUEST)
    assert error.code == "VALIDATION_ERROR"
    assert error.fields == {"label": f"Label unknown (sent {sent})"}
    assert str(error).startswith("422 VALIDATION_ERROR on GET /chats?offset=0&limit=10: Label unknown")
    assert error.body == body


NO_FIELDS: list[object] = [None, [], {}, 3, "a", True]
NO_ENVELOPES: list[object] = [[], "no", None, 3, {}, {"code": {}, "message": [], "fields": [1]}, {"error": None}]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        # The newest generation: no name, dotted fields without values.
        (
            {"code": "V", "message": "failed", "status": 422, "fields": {"body.chat_id": {"message": "is missing"}}},
            Envelope("V", "failed", {"body.chat_id": "is missing"}),
        ),
        (
            {"code": "R", "message": "You can only make 100 requests per second", "status": 429},
            Envelope("R", "You can only make 100 requests per second"),
        ),
        *(({"code": "V", "message": "no", "fields": fields}, Envelope("V", "no")) for fields in NO_FIELDS),
        (
            {"message": "no", "fields": {"a": "bad", "b": None, "c": 3, "d": ["x", "y"], "e": {}}},
            Envelope("", "no", {"a": "bad", "b": "null", "c": "3", "d": "x; y", "e": "is not valid"}),
        ),
        ({"fields": "limit is wrong"}, Envelope("", "limit is wrong")),
        ({"message": ["one", "two"], "error": "Bad Request", "statusCode": 400}, Envelope("", "one; two")),
        ({"error": "Too many requests"}, Envelope("", "Too many requests")),
        (
            {"error": {"code": "X", "message": "no", "fields": {"a": {"message": "bad"}}}},
            Envelope("X", "no", {"a": "bad"}),
        ),
        ({"error": {"code": 190, "message": "expired"}}, Envelope("190", "expired")),
        ({"errors": [{"code": "X", "message": "no", "field": "limit"}]}, Envelope("X", "no", {"limit": "no"})),
        ({"errors": [{"code": "X", "message": "no"}]}, Envelope("X", "no")),
        ({"errors": ["one", "two"]}, Envelope("", "one; two")),
        (
            {"errors": {"limit": ["too large", "odd"]}, "title": "Invalid"},
            Envelope("", "Invalid", {"limit": "too large; odd"}),
        ),
        (
            {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "not yours"},
            Envelope("", "not yours"),
        ),
        (
            {"detail": [{"loc": ["query", "limit"], "msg": "not an int", "type": "int"}]},
            Envelope("", "", {"query; limit": "not an int"}),
        ),
        ({"error": "invalid_token", "error_description": "it has expired"}, Envelope("", "it has expired")),
        *((body, Envelope()) for body in NO_ENVELOPES),
    ],
)
def test_every_envelope_is_read(body: object, read: Envelope) -> None:
    assert read_envelope(json.dumps(body).encode()) == read


HOSTILE = "\x1b]0;owned\x07\x1b[31mred\nsecond line\r\x1b[2K \u202eevil\u2066 \u2028\x9b5m\x00"


@pytest.mark.parametrize("status", [400, 401, 422, 429, 503])
def test_strangers_write_no_control_characters(status: int) -> None:
    said = {"code": HOSTILE, "message": HOSTILE, "fields": {HOSTILE: {"message": HOSTILE, "value": HOSTILE}}}
    body = json.dumps(said).encode()
    meta = ResponseMeta(status=status, trace_id="t\x1b[5m", content_type="text/\x1b[7mhtml")
    error = status_error(meta, body, REQUEST)
    shown = [str(error), error.message, error.code, *error.fields, *error.fields.values()]
    unread = decode_error(Unreadable("$.a\x1b[5m", "odd\nreason"), meta, b"\x1b[31m<html>\r\n", is_length_sure=True)
    shown += [str(unread), unread.message, str(DecodeError(HOSTILE))]
    for text in shown:
        assert text
        assert text.replace("\N{REPLACEMENT CHARACTER}", "").isprintable(), text
    assert "red second line" in str(error)
    assert error.body == body


LONG = "M" * MEGABYTES
BODIES: dict[str, Any] = {
    "a message": {"code": "X", "message": LONG},
    "a message with an emoji": {"code": "X", "message": LONG + "😀"},
    "half an emoji": {"code": "X", "message": "\ud83d" * (MEGABYTES // 6)},
    "a value": {
        "code": "X",
        "message": "no",
        "fields": {"label": {"message": "bad", "value": LONG + ", and so on" * 10_000}},
    },
    "a name": {"code": "X", "fields": {LONG: {"message": "bad"}}},
    "a field's message": {"code": "X", "fields": {"label": {"message": LONG}}},
    "many fields": {
        "code": "X",
        "message": "no",
        "fields": {str(number): {"message": "bad"} for number in range(MEGABYTES // 30)},
    },
    "many errors": {"code": "X", "errors": [{"message": "bad"}] * (MEGABYTES // 20)},
    "many numbers": {"code": "X", "message": [1] * (MEGABYTES // 3), "detail": [[]] * (MEGABYTES // 4)},
    "unknown keys": {"code": "X", **{str(number): number for number in range(MEGABYTES // 16)}},
    "a tree": {"code": "X", "message": {"a": [{}] * (MEGABYTES // 4)}},
    "a code": {"code": LONG, "message": "no"},
}


@pytest.mark.parametrize("kind", BODIES)
def test_no_body_makes_a_long_text_or_takes_much_memory(kind: str) -> None:
    body = json.dumps(BODIES[kind]).replace(json.dumps("😀")[1:-1], "😀").encode() + b" "
    tracemalloc.start()
    error = status_error(ResponseMeta(status=503), body, REQUEST)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 6 * len(body)
    assert (error.code or "")[:1] in {"X", "M"}
    assert max(len(text.encode()) for text in (str(error), *error.fields, *error.fields.values())) <= 2000
    if kind == "a value":
        assert error.fields["label"].startswith("bad (sent 'MMM")


@pytest.mark.parametrize(
    "body", [b" " * MEGABYTES, b"\0" * MEGABYTES, b"1" * MEGABYTES, b"[" * MEGABYTES, b"\xff" * MEGABYTES]
)
def test_a_body_that_says_nothing_is_shown_by_its_start(body: bytes) -> None:
    tracemalloc.start()
    error = status_error(ResponseMeta(status=502), body, REQUEST)
    unread = decode_error(Unreadable("$", "broken"), ResponseMeta(status=200), body, is_length_sure=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 6 * len(body)
    assert len(str(error)) < 1500
    assert len(str(unread)) < 1500


def test_a_long_request_leaves_room_for_the_reason() -> None:
    request = chat_query(label="\u0939" * 1000).page(offset=0, limit=10)
    error = status_error(ResponseMeta(status=422), b'{"message":"no such label"}', request)
    assert "no such label" in str(error)
    assert len(str(error)) < 1000


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["code", "message", "fields", "error", "errors", "detail", "value", "loc"]) | st.text(),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_body_is_read_or_says_nothing(value: object) -> None:
    read = read_envelope(json.dumps(value).encode())
    assert all("\n" not in text for text in (read.code, read.message, *read.fields, *read.fields.values()))
