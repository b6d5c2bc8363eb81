"""(status, headers, body) becomes a value or a typed error (pure).

Nothing here trusts that the other side is Periskope: a captive portal answers 200 with a page of HTML, a gateway an
empty 502, and a half-deployed server a list instead of an object. Each becomes an error with the start of the body.
The error is retryable if a gateway or a broken connection may be the cause; a fault of the server is final.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from periskope_async.decoding.objects import is_cut_image
from periskope_async.decoding.repair import Unreadable
from periskope_async.errors import (
    APIError,
    AuthenticationError,
    BodyError,
    DecodeError,
    NotFoundError,
    are_about,
    error_for_status,
)
from periskope_async.limits.headers import parse_limit_headers
from periskope_async.meta import ResponseMeta
from periskope_async.printable import one_line
from periskope_async.wire.envelope import read_envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from periskope_async.wire.request import Expects, Request

__all__ = ["PHONE_HINT", "body_start", "decode_error", "foreign_error", "read_meta", "status_error"]

PHONE_HINT = "give phone=… or PeriskopeClient(phone=…)"
"""What to do where the server misses the ``x-phone`` header: nobody sets headers by hand."""
_NO_API_HINT = "no API answered: there is no such path, or the base URL lacks the API's version, as in https://…/v1"
_SHOWN_CHARACTERS = 200
_MOST_REASON = 600
_FIELDS_SHOWN = 10

_ACCEPTED = 202
_NO_CONTENT = 204
# Accepted, no content, reset content, partial content: successes without a whole page.
_WITHOUT_PAGE = frozenset({202, 204, 205, 206})
_SCALAR = rb"\s*(null|true|false|-?[0-9][0-9.eE+-]*)\s*"
_FIRST_BYTE = rb"(?s)(?:\xef\xbb\xbf)?\s*(.?)"


def read_meta(status: int, headers: Mapping[str, str]) -> ResponseMeta:
    """Read the facts of a response from its status and its (case-insensitive) headers."""
    return ResponseMeta(
        status=status,
        trace_id=_name("x-periskope-trace-id", headers),
        # The recorded 422 names it plainly.
        org_id=_name("x-periskope-org-id", headers) or _name("org_id", headers),
        phone_id=_name("x-periskope-phone-id", headers),
        rate_limit=parse_limit_headers(headers),
        date=headers.get("Date"),
        etag=headers.get("ETag"),
        content_type=headers.get("Content-Type"),
    )


def foreign_error(
    meta: ResponseMeta, body: bytes, *, is_length_sure: bool, expects: Expects = "json", is_write: bool = False
) -> DecodeError | BodyError | None:
    """Make the error for a success from somebody other than the server; None if it may be the server's.

    A server may accept a write, and tell its id; to a read it would be no answer.
    """
    holds_page = meta.status not in _WITHOUT_PAGE or (is_write and meta.status == _ACCEPTED)
    if expects == "image" and not is_length_sure and is_cut_image(body):
        return decode_error(Unreadable("$", "the image has no end", is_cut=True), meta, body, is_length_sure=False)
    if body[:1] == b"{" and holds_page:
        return None
    first = _first_of(body)
    if _is_expected(expects, first, meta, is_length_sure=is_length_sure):
        return None
    if not holds_page and expects in {"json", "json or nothing"}:
        reason = "a success of this kind holds no page"
    elif not first:
        reason = "the answer is empty"
    elif _may_be_json(first, body, meta):
        return None
    else:
        # Gateways send plain text, and some call it JSON.
        reason = "found no JSON"
    is_cut = not first and holds_page
    return decode_error(
        Unreadable("$", reason, is_cut=is_cut), meta, body, is_length_sure=is_length_sure, is_foreign=True
    )


def _is_expected(expects: Expects, first: bytes, meta: ResponseMeta, *, is_length_sure: bool) -> bool:
    """Whether a body other than JSON may be what the request asks for; ``first`` is its first byte."""
    match expects:
        case "nothing":
            return first != b"<"
        case "image":
            is_svg = "svg" in (meta.content_type or "")
            return bool(first) and (first == b"<") == is_svg
        case "json or nothing":
            return not first and (is_length_sure or meta.status == _NO_CONTENT)
        case "json":
            return False


def _first_of(body: bytes) -> bytes:
    found = re.match(_FIRST_BYTE, body)
    return found[1] if found else b""


def _is_of_no_api(body: bytes, meta: ResponseMeta) -> bool:
    """Whether a web server or a gateway wrote it. A plain text with the API's trace id is the API's."""
    first = _first_of(body)
    return first == b"<" or (bool(first) and meta.trace_id is None and not _may_be_json(first, body, meta))


def _may_be_json(first: bytes, body: bytes, meta: ResponseMeta) -> bool:
    if first == b"{":
        return True
    is_called_json = "json" in (meta.content_type or "")
    return is_called_json and (first in b'["' or re.fullmatch(_SCALAR, body) is not None)


def decode_error(
    unreadable: Unreadable, meta: ResponseMeta, body: bytes, *, is_length_sure: bool, is_foreign: bool = False
) -> DecodeError | BodyError:
    """Make the typed error for a success with a wrong body; BodyError if the body was cut off.

    It is a DecodeError if the length of the body is sure: then the server itself has ended its JSON early.
    """
    if unreadable.is_cut and not is_length_sure:
        return BodyError(f"{meta.status}: the body was cut off after {len(body)} bytes{_trace(meta)}", meta=meta)
    kind = f" ({one_line(meta.content_type, limit=100)})" if meta.content_type else ""
    what = "the answer is empty" if not body or body.isspace() else f"{unreadable.reason} at {unreadable.path}"
    return DecodeError(
        f"{meta.status}: {one_line(what, limit=_MOST_REASON)}{kind}; it begins with {body_start(body)!r}{_trace(meta)}",
        path=unreadable.path,
        body_start=body_start(body),
        meta=meta,
        retryable=is_foreign,
    )


def status_error(meta: ResponseMeta, body: bytes, request: Request) -> APIError:
    """Make the typed error for a status other than success."""
    said = read_envelope(body)
    message = said.message
    if not message and not said.fields:
        message = f"no readable reason; the body begins with {body_start(body)!r}" if body else "with an empty body"
    # Some messages show their template unfilled ("Limit should be less than ${MAX_LIMIT}"); the field's is whole.
    # Some say only what the field says again.
    details = "; ".join(f"{name}: {text}" for name, text in islice(said.fields.items(), _FIELDS_SHOWN))
    if len(said.fields) > _FIELDS_SHOWN:
        details = f"{details}; and {len(said.fields) - _FIELDS_SHOWN} more"
    if details and (not message or "${" in message or message in said.fields.values()):
        message = details
    elif details:
        message = f"{message} ({details})"
    kind = error_for_status(meta.status)
    message = one_line(message, limit=_MOST_REASON)
    if kind is NotFoundError and not (said.code or said.message or said.fields) and _is_of_no_api(body, meta):
        # Callers take a NotFoundError for the API's own word that a thing is not there.
        kind, message = APIError, f"{_NO_API_HINT}; {message}"
    elif kind is AuthenticationError:
        message = f"{message}. {_likely_cause(message, request)}"
    elif request.phone is None and are_about("x-phone", said.fields):
        message = f"{message}; {PHONE_HINT}"
    head = f"{meta.status} {said.code}" if said.code else str(meta.status)
    return kind(
        f"{head} on {request.name}: {message}{_trace(meta)}",
        status=meta.status,
        code=said.code or None,
        fields=said.fields,
        body=body,
        meta=meta,
    )


def body_start(body: bytes) -> str:
    """Give the first characters of a body, for an error's text."""
    text = body[: _SHOWN_CHARACTERS * 4].decode(errors="replace").strip()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _name(header: str, headers: Mapping[str, str]) -> str | None:
    """Give a header for logs and errors' texts; its bytes may be of any kind."""
    value = headers.get(header)
    return None if value is None else one_line(value, limit=_SHOWN_CHARACTERS)


def _likely_cause(message: str, request: Request) -> str:
    if request.phone is not None and "bearer" not in message.lower():
        return f"The key is probably good, but may not use the phone {request.phone}: choose another phone, or none"
    return "The API key is probably wrong, revoked or of another organisation: check PERISKOPE_API_KEY"


def _trace(meta: ResponseMeta) -> str:
    return f" [trace {one_line(meta.trace_id, limit=100)}]" if meta.trace_id else ""
