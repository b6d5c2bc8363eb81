"""Reads the body of an error: of both generations of the API, and of gateways before it (pure).

Periskope's own is ``{code, message, status}``, with ``fields`` if parameters are wrong. Gateways write
``{"error": {…}}``, ``{"errors": […]}``, ``{"detail": …}`` or RFC 9457's ``{title, detail}``. Each is read as far as
possible, with the same tolerance for blemishes as a page. Only the parts to be shown are decoded.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import Raw, Struct, json

from periskope_async.decoding.body import UNREAD, mend
from periskope_async.models.unset import UNSET, UnsetType
from periskope_async.printable import one_line

__all__ = ["Envelope", "read_envelope"]

T = TypeVar("T")

_MOST_CODE = 100
_MOST_MESSAGE = 500
_MOST_NAME = 100
_MOST_VALUE = 100
# Nobody reads a longer body with more parts; decoded, it would take twenty times the memory of its text.
_LONG = 64 * 1024
_MOST_PARTS = 1000


class Envelope(Struct, frozen=True):
    """An error's own words, on one line each; empty if there were none."""

    code: str = ""
    message: str = ""
    fields: dict[str, str] = {}


class _Said(Struct):
    """Every key with words for people, not decoded yet."""

    code: Raw | UnsetType = UNSET
    message: Raw | UnsetType = UNSET
    detail: Raw | UnsetType = UNSET
    error_description: Raw | UnsetType = UNSET
    msg: Raw | UnsetType = UNSET
    title: Raw | UnsetType = UNSET
    fields: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    errors: Raw | UnsetType = UNSET
    value: Raw | UnsetType = UNSET
    # One of several errors names its parameter under these keys.
    field: Raw | UnsetType = UNSET
    param: Raw | UnsetType = UNSET
    path: Raw | UnsetType = UNSET
    loc: Raw | UnsetType = UNSET


_SAID = json.Decoder(_Said)
_TEXT = json.Decoder(str)
_MAP = json.Decoder(dict[str, Raw])
_LIST = json.Decoder(list[Raw])


def read_envelope(body: bytes) -> Envelope:
    """Read an error's body; an unreadable one gives an empty Envelope. Never raises."""
    said = _try(_SAID, mend(body.strip(b"\0 \t\r\n")))
    if said is None:
        return Envelope()
    inner = _try(_SAID, said.error) or next(iter(_errors_in(said.errors)), _Said())
    code = _one_of(_MOST_CODE, said.code, inner.code)
    fields: dict[str, str] = {}
    for listed in (said.fields, inner.fields, said.errors, inner.errors, said.detail):
        fields = fields or _fields(listed)
    message = _one_of(
        _MOST_MESSAGE,
        *(said.message, inner.message, said.detail, inner.detail, said.error_description, said.msg, inner.msg),
        *(said.title, said.error, inner.title, said.errors, said.fields),
    )
    return Envelope(code, message, fields)


def _try(decoder: json.Decoder[T], text: bytes | Raw | UnsetType) -> T | None:
    """Decode a value if it is there and of this kind, else give None."""
    if text is UNSET:
        return None
    try:
        return decoder.decode(text)
    except UNREAD:
        return None


def _text(value: Raw | UnsetType, limit: int) -> str | None:
    """Give a text, shortened if it is long; None if it is no text."""
    if value is UNSET or _first(value) != b'"' or len(memoryview(value)) <= _LONG:
        return _try(_TEXT, value)
    start = bytes(memoryview(value)[: 4 * limit])
    # The cut may lie in a character or an escape; a pair of escapes has twelve bytes.
    cuts = (_try(_TEXT, start[: len(start) - cut] + b'"') for cut in range(13))
    return next((text for text in cuts if text is not None), None)


def _one_of(limit: int, *values: Raw | UnsetType) -> str:
    """Give the first text, list of texts, or number; a code may be a number."""
    for value in values:
        if value is UNSET:
            continue
        said = _text(value, limit)
        if said is None and _first(value) in b"-0123456789":
            said = _start(value, limit)
        if said is None:
            said = "; ".join(filter(None, (_text(item, limit) for item in _items(value))))
        if line := one_line(said, limit=limit):
            return line
    return ""


def _fields(listed: Raw | UnsetType) -> dict[str, str]:
    """Flatten ``{param: {message, value?}}``, ``{param: text}`` or a list of errors with names of parameters."""
    named: dict[str, Raw] = {}
    if listed is not UNSET and not _is_too_much(listed, b'":'):
        named = _try(_MAP, listed) or {}
    fields = {one_line(name, limit=_MOST_NAME): _why(detail) for name, detail in named.items()}
    for error, item in zip(_errors_in(listed), _items(listed), strict=False):
        if name := _one_of(_MOST_NAME, error.field, error.param, error.path, error.loc):
            fields[name] = _why(item)
    return fields


def _why(detail: Raw) -> str:
    """Write the reason for one field, and the value sent."""
    said = _try(_SAID, detail)
    if said is None:
        return _one_of(_MOST_MESSAGE, detail) or one_line(_start(detail, _MOST_VALUE), limit=_MOST_VALUE)
    why = _one_of(_MOST_MESSAGE, said.message, said.msg, said.detail) or "is not valid"
    if said.value is UNSET:
        return why
    text = _text(said.value, _MOST_VALUE)
    sent = _start(said.value, _MOST_VALUE) if text is None else repr(text[:_MOST_VALUE])
    return f"{why} (sent {one_line(sent, limit=_MOST_VALUE)})"


def _errors_in(listed: Raw | UnsetType) -> list[_Said]:
    return [_try(_SAID, item) or _Said() for item in _items(listed)]


def _items(listed: Raw | UnsetType) -> list[Raw]:
    return [] if listed is UNSET or _is_too_much(listed, b",") else _try(_LIST, listed) or []


def _is_too_much(value: Raw, between: bytes) -> bool:
    return len(memoryview(value)) > _LONG and bytes(value).count(between) > _MOST_PARTS


def _first(value: Raw) -> bytes:
    return bytes(memoryview(value)[:1])


def _start(value: Raw, limit: int) -> str:
    return bytes(memoryview(value)[: 4 * limit]).decode(errors="replace")
