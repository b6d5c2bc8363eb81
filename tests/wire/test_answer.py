"""Answers become values or typed errors, never a KeyError."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from periskope_async import errors
from periskope_async.decoding.repair import Unreadable
from periskope_async.errors import APIError, DecodeError
from periskope_async.meta import ResponseMeta
from periskope_async.wire.answer import decode_error, foreign_error, read_meta, status_error
from tests.reading import chat_query, read_chat_page

if TYPE_CHECKING:
    from periskope_async.wire.request import Request

DATA = Path(__file__).parent.parent / "data"
REQUEST = chat_query(phone="919876543210").page(offset=0, limit=10_000)
ALL_PHONES = chat_query().page(offset=0, limit=10)


def error_of(
    status: int, body: bytes | str | dict[str, object], request: Request = ALL_PHONES, /, **headers: str
) -> APIError:
    encoded = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    return status_error(read_meta(status, headers), encoded, request)


def test_the_recorded_422() -> None:
    error = error_of(
        422, (DATA / "chats-422.json").read_bytes(), org_id="2997dd64", **{"x-periskope-trace-id": "3afe7fa0"}
    )
    assert type(error) is errors.ValidationError
    assert error.code == "VALIDATION_ERROR"
    assert error.fields == {"limit": "Limit should be less than 2000 (sent '10000')"}
    assert (error.status, error.trace_id, error.org_id) == (422, "3afe7fa0", "2997dd64")
    # The message's template came unfilled, so the field's text is shown instead.
    assert "${" not in str(error)
    assert "limit: Limit should be less than 2000" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (422, errors.ValidationError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
        (503, errors.ServerError),
        (400, errors.APIError),
        (304, errors.APIError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[APIError]) -> None:
    error = error_of(status, {"code": "X_ERROR", "message": "no", "status": status})
    assert type(error) is kind
    assert str(error).startswith(f"{status} X_ERROR on GET /chats?offset=0&limit=10: no")


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        ("<!DOCTYPE html><pre>Cannot GET /chats</pre>", "text/html", APIError),
        ("404 page not found", "text/plain", APIError),
        ("default backend - 404", "application/json", APIError),
        ("", "text/html", errors.NotFoundError),
        ("{}", "text/plain", errors.NotFoundError),
        ('\n {"odd": 1}', "application/json", errors.NotFoundError),
        ('"no such chat"', "application/json", errors.NotFoundError),
        ("[]", "application/json", errors.NotFoundError),
        ("null", "application/json", errors.NotFoundError),
        ('\0{"code": "NOT_FOUND_ERROR", "message": "no such chat"}', "application/json", errors.NotFoundError),
    ],
)
def test_only_the_api_says_that_there_is_no_such_thing(body: str, content_type: str, kind: type[APIError]) -> None:
    error = status_error(ResponseMeta(status=404, content_type=content_type), body.encode(), ALL_PHONES)
    assert type(error) is kind
    assert ("the base URL lacks the API's version" in str(error)) is (kind is APIError)


@pytest.mark.parametrize(("body", "kind"), [("Chat not found", errors.NotFoundError), ("<pre>Cannot GET", APIError)])
def test_a_trace_id_tells_the_apis_own_text_and_no_page(body: str, kind: type[APIError]) -> None:
    meta = ResponseMeta(status=404, content_type="text/html", trace_id="b012")
    assert type(status_error(meta, body.encode(), ALL_PHONES)) is kind


def test_a_401_says_which_cause_is_likely() -> None:
    bad_key = error_of(401, {"code": "UNAUTHORIZED_ERROR", "message": "Invalid bearer auth token"}, REQUEST)
    assert "PERISKOPE_API_KEY" in str(bad_key)
    foreign_phone = error_of(401, {"code": "UNAUTHORIZED_ERROR", "message": "not in scope"}, REQUEST)
    assert "may not use the phone 919876543210" in str(foreign_phone)
    no_phone = error_of(401, {}, ALL_PHONES)
    assert "PERISKOPE_API_KEY" in str(no_phone)


def test_a_missing_phone_says_how_to_give_one() -> None:
    missing: dict[str, object] = {"message": "Missing Header: {x-phone}", "fields": {"X-Phone": {"message": "missing"}}}
    hint = "; give phone=… or PeriskopeClient(phone=…)"
    twice: dict[str, object] = {**missing, "fields": {"x-phone": {"message": missing["message"]}}}
    assert str(error_of(422, twice)).endswith(f"limit=10: x-phone: Missing Header: {{x-phone}}{hint}")
    assert str(error_of(422, missing)).endswith(hint)
    # It was given, and is wrong.
    assert hint not in str(error_of(422, missing, REQUEST))
    assert hint not in str(error_of(422, {"message": "no", "fields": {"limit": {"message": "too high"}}}))


@pytest.mark.parametrize(
    "body",
    [
        b"<html><h1>502 Bad Gateway</h1></html>",
        b"",
        b"[]",
        b'"no"',
        b"\xff\xfe\x00",
        b'{"fields": 3, "message": [], "code": {}}',
        b'{"fields": {"a": null, "b": {"message": 3}}}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("status", [401, 422, 502])
def test_an_error_with_any_body_is_typed(status: int, body: bytes) -> None:
    error = error_of(status, body)
    assert error.status == status
    assert error.body == body
    assert len(str(error)) < 600


@given(st.binary(), st.sampled_from([400, 401, 404, 422, 429, 500]))
def test_no_body_breaks_the_reading_of_an_error(body: bytes, status: int) -> None:
    assert error_of(status, body).status == status


def read_error(body: bytes, *, status: int = 200, content_type: str | None = "application/json", **length: bool) -> Any:
    """Give the error of reading a success as the package does; None where it can be read."""
    meta = ResponseMeta(status=status, trace_id="1fe1cf10", content_type=content_type)
    is_sure = length.get("is_length_sure", True)
    if foreign := foreign_error(meta, body, is_length_sure=is_sure):
        return foreign
    try:
        read_chat_page(body, meta)
    except Unreadable as error:
        return decode_error(error, meta, body, is_length_sure=is_sure)
    return None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><body>Please log in</body></html>", "Please log in"),
        (b"", "the answer is empty"),
        (b"  \n", "the answer is empty"),
        (b"[]", "[]"),
        (b'{"chats": 3}', "$.chats"),
        (b'{"from": 1}', "$"),
        (b'{"chats": [{"chat_name": "x"}]}', "$.chats[0]"),
        (b'{"chats": [3]}', "$.chats[0]"),
        (b'{"chats": [{"chat_id": "1@c.us"}', "$"),
    ],
)
def test_a_success_that_is_none_shows_itself(body: bytes, said: str) -> None:
    error = read_error(body)
    assert type(error) is DecodeError
    assert said in str(error)
    assert error.path.startswith("$")
    assert error.trace_id == "1fe1cf10"
    assert "[trace 1fe1cf10]" in str(error)


@pytest.mark.parametrize(
    ("status", "content_type", "body", "is_foreign"),
    [
        (200, "text/html", b"<html>login</html>", True),
        (200, "application/json", b"\xef\xbb\xbf \n<html>login</html>", True),
        (200, None, b"<html>login</html>", True),
        (200, "text/plain", b"upstream connect error", True),
        (200, "text/plain", b"no healthy upstream", True),
        (200, None, b"OK", True),
        (200, "text/html", b"[]", True),
        (200, "application/json", b"", True),
        (200, None, b" \r\n", True),
        (202, None, b"", True),
        (202, "application/json", b'{"chats": []}', True),
        (204, None, b"", True),
        (205, None, b"", True),
        (206, "application/json", b'{"chats": []}', True),
        (203, "text/html", b"<html>login</html>", True),
        (200, "application/json", b"[]", False),
        (200, "application/json", b"upstream request timeout", True),
        (200, "application/json", b"no healthy upstream", True),
        (200, "application/json", b'"ok"', False),
        (200, "application/json", b"null", False),
        (200, "application/json", b" -1.5e3\n", False),
        (200, "application/json", b"nullified", True),
        (200, "text/plain", b'{"error": "no"}', False),
        (200, "application/json", b'{"chats":', False),
        (200, "application/json", b'{"chats": [NaN]}', False),
    ],
)
def test_what_a_gateway_answers_may_pass(
    status: int, content_type: str | None, body: bytes, *, is_foreign: bool
) -> None:
    error = read_error(body, status=status, content_type=content_type)
    assert type(error) is DecodeError
    assert error.retryable is is_foreign


@pytest.mark.parametrize(
    ("status", "content_type"),
    [(200, "application/json"), (200, "application/vnd.api+json"), (200, "text/plain"), (200, None), (203, None)],
)
@pytest.mark.parametrize("before", [b"", b" \n", b"\xef\xbb\xbf"])
def test_a_page_is_no_gateways(status: int, content_type: str | None, before: bytes) -> None:
    """Whatever it is called, and however it begins."""
    assert read_error(before + b'{"chats": []}', status=status, content_type=content_type) is None


PAGE = (
    b'{"from": 1, "to": 2, "count": -2.5e3, "chats": [{"chat_id": "1@c.us", "chat_name": '
    b'"\xc3\xa9 \\u00e9 \\ud83d\\ude00 \\n", "a": [true, null, -1.25E+2, {}]}, {"chat_id": "2@c.us"}], "z": false}'
)


@pytest.mark.parametrize("end", range(len(PAGE)))
def test_a_page_cut_anywhere_is_a_cut_body(end: int) -> None:
    """Where nobody counted its bytes; where they were counted, it is the server that broke off."""
    error = read_error(PAGE[:end], is_length_sure=False)
    assert type(error) is errors.BodyError
    assert error.retryable
    assert f"cut off after {end} bytes" in str(error)
    assert error.trace_id == "1fe1cf10"
    assert type(read_error(PAGE[:end])) is DecodeError


@pytest.mark.parametrize("body", [b'{"chats": [NaN]}', b'{"chats": [1 2]}', b'{"chats": 3}', b"[]", b'{"chats": []} x'])
def test_whole_nonsense_is_no_cut_body(body: bytes) -> None:
    error = read_error(body, is_length_sure=False)
    assert type(error) is DecodeError
    assert not error.retryable


def test_meta_reads_both_spellings_of_the_organisation() -> None:
    assert read_meta(200, {"x-periskope-org-id": "a"}).org_id == "a"
    assert read_meta(422, {"org_id": "b"}).org_id == "b"


def all_errors() -> list[errors.PeriskopeError]:
    meta = ResponseMeta(status=500, trace_id="t")
    return [
        errors.ConfigError("c", parameter="p"),
        errors.ClosedError("c"),
        errors.WrongLoopError("w"),
        errors.ConnectError("c", attempts=3),
        errors.TimeoutError_("t", phase="read", meta=meta),
        errors.BodyError("b", retryable=False),
        errors.ServerError("s", status=500, code="X", fields={"a": "b"}, body=b"x", meta=meta),
        errors.WaitTooLong("w", needed=3.0, limit=1, remaining=0, resets_in=2.0),
        errors.DecodeError("d", path="$.a", body_start="<", meta=meta),
        errors.PaginationError("p"),
        errors.ExportError("e"),
    ]


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: type(error).__name__)
def test_errors_travel_between_processes(error: errors.PeriskopeError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_the_tree_in_the_docstring_is_the_tree_there_is() -> None:
    drawn = errors.__doc__ or ""
    for name in errors.__all__:
        if isinstance(getattr(errors, name), type):
            assert f" {name}" in drawn, f"{name} is not in the drawing"
