"""(status, headers, body) becomes a value or a typed error (pure).

Nothing here trusts that the other side is Periskope: a captive portal answers 200 with a page of HTML, a gateway an
empty 502, and a half-deployed server a list where an object was. Each becomes an error that shows how the body began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from periskope_async.errors import APIError, AuthenticationError, DecodeError, error_for_status
from periskope_async.limits.headers import parse_limit_headers
from periskope_async.meta import ResponseMeta
from periskope_async.models.repair import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from periskope_async.wire.query import Request

__all__ = ["body_start", "decode_error", "read_answer", "read_meta", "status_error"]

T = TypeVar("T")

_SHOWN_CHARACTERS = 200


def read_meta(
    status: int, headers: Mapping[str, str], *, body_bytes: int = 0, seconds: float = 0.0, attempts: int = 1
) -> ResponseMeta:
    """Gather what a response says of itself from its status and its (case-insensitive) headers."""
    return ResponseMeta(
        status=status,
        trace_id=headers.get("x-periskope-trace-id"),
        # The recorded 422 names it plainly.
        org_id=headers.get("x-periskope-org-id") or headers.get("org_id"),
        phone_id=headers.get("x-periskope-phone-id"),
        rate_limit=parse_limit_headers(headers),
        date=headers.get("Date"),
        etag=headers.get("ETag"),
        content_type=headers.get("Content-Type"),
        body_bytes=body_bytes,
        seconds=seconds,
        attempts=attempts,
    )


def read_answer(meta: ResponseMeta, body: bytes, reader: Callable[[bytes, ResponseMeta], T]) -> T:
    """Read a successful answer's body with ``reader``. Raises DecodeError where it is not what it should be."""
    try:
        return reader(body, meta)
    except Unreadable as error:
        unreadable = error
    raise decode_error(unreadable, meta, body)


def decode_error(unreadable: Unreadable, meta: ResponseMeta, body: bytes) -> DecodeError:
    """Make the typed error for a successful answer whose body is not what it should be."""
    kind = f" ({meta.content_type})" if meta.content_type else ""
    what = "the answer is empty" if not body.strip() else f"{unreadable.reason} at {unreadable.path}"
    return DecodeError(
        f"{meta.status}: {what}{kind}; it begins with {body_start(body)!r}{_trace(meta)}",
        path=unreadable.path,
        body_start=body_start(body),
        meta=meta,
    )


def status_error(meta: ResponseMeta, body: bytes, request: Request) -> APIError:
    """Make the typed error for an answer whose status is not a success."""
    envelope = _envelope(body)
    code = _text(envelope.get("code"))
    fields = _fields(envelope.get("fields"))
    message = _text(envelope.get("message"))
    if message is None and not fields:
        message = f"no readable reason; the body begins with {body_start(body)!r}" if body else "with an empty body"
    # Some messages come with their template unfilled ("Limit should be less than ${MAX_LIMIT}"); the field's is whole.
    details = "; ".join(f"{name}: {text}" for name, text in fields.items())
    if fields and (message is None or "${" in message):
        message = details
    elif fields:
        message = f"{message} ({details})"
    kind = error_for_status(meta.status)
    if kind is AuthenticationError:
        message = f"{message}. {_likely_cause(message, request)}"
    head = f"{meta.status} {code}" if code else str(meta.status)
    return kind(
        f"{head} on {request.method} {request.target}: {message}{_trace(meta)}",
        status=meta.status,
        code=code,
        fields=fields,
        body=body,
        meta=meta,
    )


def body_start(body: bytes) -> str:
    """Give the first characters of a body, for an error's text."""
    text = body[: _SHOWN_CHARACTERS * 4].decode(errors="replace").strip()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _fields(value: object) -> dict[str, str]:
    """Flatten ``{param: {message, value?}}``; a newer generation of the API has dotted names, in the same shape."""
    fields: dict[str, str] = {}
    if isinstance(value, dict):
        for name, detail in cast("dict[str, object]", value).items():
            if isinstance(detail, dict):
                said = cast("dict[str, object]", detail)
                text = _text(said.get("message")) or "is not valid"
                fields[name] = f"{text} (sent {said['value']!r})" if "value" in said else text
            else:
                fields[name] = str(detail)
    return fields


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _likely_cause(message: str | None, request: Request) -> str:
    if request.phone is not None and "bearer" not in (message or "").lower():
        return f"The key is probably good, but may not use the phone {request.phone}: choose another phone, or none"
    return "The API key is probably wrong, revoked or of another organisation: check PERISKOPE_API_KEY"


def _trace(meta: ResponseMeta) -> str:
    return f" [trace {meta.trace_id}]" if meta.trace_id else ""
