"""The filters of GET /chats, checked and normalised (pure).

The values of each parameter: https://docs.periskope.app/api-reference/chat/list-all-chats
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

from periskope_async.config import normal_phone
from periskope_async.errors import ConfigError
from periskope_async.typed import pasted
from periskope_async.wire.period import period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.wire.period import Moment

__all__ = ["ChatType", "SortBy", "SortOrder", "chat_filters", "no_text", "normal_chat_id", "normal_label", "one_of"]

T = TypeVar("T")

SortBy: TypeAlias = Literal["created_at", "latest_message_timestamp"]
SortOrder: TypeAlias = Literal["asc", "desc"]
ChatType: TypeAlias = Literal["user", "group", "business"]

_CHAT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}@[a-z0-9.]{1,64}", re.ASCII)
# A number from a spreadsheet's column, with the suffix added: 919876543210.0@c.us, or 9.1987654321e11@c.us.
_DECIMAL_ID = re.compile(r"(?=[^@]*[.e])[0-9.-]+(e-?[0-9]+)?@.*", re.ASCII | re.IGNORECASE)
_MOST_LABEL = 1000
# Controls, halves of characters, separators of lines and paragraphs.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Invisible: joiners, marks of direction. An emoji holds some beside its visible characters.
_UNSEEN = frozenset({"Cf", "Zs", "Mn"})
_DIGITS = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)


def chat_filters(
    *,
    sort_by: SortBy | None = None,
    sort_order: SortOrder | None = None,
    chat_id: str | None = None,
    chat_type: ChatType | None = None,
    label: str | None = None,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
) -> dict[str, str | None]:
    """Check the filters of a list of chats, and write them in the form of the wire. Raises ConfigError."""
    return {
        "sort_by": one_of("sort_by", sort_by, get_args(SortBy)),
        "sort_order": one_of("sort_order", sort_order, get_args(SortOrder)),
        "chat_id": None if chat_id is None else normal_chat_id(chat_id),
        "chat_type": one_of("chat_type", chat_type, get_args(ChatType)),
        "label": None if label is None else normal_label(label),
        **period(start_time, end_time),
    }


def normal_chat_id(chat_id: str) -> str:
    """Write an id in the server's form: a phone number is a person's (``…@c.us``). Raises ConfigError.

    Separators are taken behind a "+" only: other ids hold dashes and dots, too.
    """
    text = pasted(_text("chat_id", chat_id))
    if text.startswith("+"):
        with suppress(ConfigError):
            return f"{normal_phone(text)}@c.us"
    if _DIGITS.fullmatch(text):
        return f"{text}@c.us"
    if not _CHAT_ID.fullmatch(text) or _DECIMAL_ID.fullmatch(text):
        raise ConfigError(
            f"chat_id {chat_id!r:.100} is not a chat's id; they look like 120363392071406466@g.us (a group) "
            "or 919876543210@c.us (a person; the digits alone will do)",
            parameter="chat_id",
        )
    return text


def normal_label(label: str, *, name: str = "label") -> str:
    """Take a label's name or id, without what was pasted around it. Raises ConfigError."""
    text = _text(name, label)
    kinds = {unicodedata.category(character) for character in text[: _MOST_LABEL + 1]}
    if kinds <= _UNSEEN or kinds & _NO_TEXT or len(text) > _MOST_LABEL:
        raise ConfigError(
            f"{name} {label!r:.100} is not a label's name or id: those are some letters or emoji, on one line",
            parameter=name,
        )
    return text


def _text(name: str, value: str) -> str:
    """Refuse anything but text; the likeliest slip is an id read as a number."""
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise no_text(name, value)
    # The first cell of a spreadsheet's file begins with a byte order mark.
    return value.strip().strip("\ufeff").strip()


def no_text(name: str, value: object) -> ConfigError:
    """Make the error for what is no text. An object in the place of its id is a likely slip."""
    kind, field = type(value).__name__, name.removesuffix("s")
    said = (
        f"a {kind}; give its .{field}"
        if isinstance(getattr(value, field, None), str)
        else f"{value!r:.100}, a {kind}; give it as a str"
    )
    return ConfigError(f"{name} is {said}", parameter=name)


def one_of(name: str, value: T | None, allowed: Sequence[T]) -> T | None:
    """Take one of the allowed words, or None. A member of an enum becomes the word that it equals."""
    if value is None:
        return None
    # pandas' NA has no truth, nor has what compares with it.
    if not isinstance(value, str) or value not in allowed:
        raise ConfigError(f"{name} is {value!r:.100}; it takes {' or '.join(map(repr, allowed))}", parameter=name)
    # An enum's member equals its word, but is written as its own name.
    return allowed[allowed.index(value)]
