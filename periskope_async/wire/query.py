"""GET /chats and GET /chats/{chat_id}: typed parameters, checked and normalised, become requests (pure).

Every walk asks all its pages through one frozen :class:`ChatQuery`, so a filter cannot get lost after page 1.
What each parameter takes: https://docs.periskope.app/api-reference/chat/list-all-chats
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args
from urllib.parse import quote

from msgspec import Struct

from periskope_async.errors import ConfigError
from periskope_async.typed import is_whole, pasted
from periskope_async.wire.order import Order
from periskope_async.wire.request import Request, encoded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MAX_LIMIT",
    "ChatQuery",
    "ChatType",
    "Moment",
    "SortBy",
    "SortOrder",
    "chat_query",
    "check_page",
    "get_chat_request",
    "normal_chat_id",
]

SortBy: TypeAlias = Literal["created_at", "latest_message_timestamp"]
SortOrder: TypeAlias = Literal["asc", "desc"]
ChatType: TypeAlias = Literal["user", "group", "business"]
Moment: TypeAlias = str | date | datetime
"""A point in time: an ISO string, a date, or a datetime (a naive one is UTC)."""

_SORTS_BY: tuple[SortBy, ...] = get_args(SortBy)
_SORT_ORDERS: tuple[SortOrder, ...] = get_args(SortOrder)
_CHAT_TYPES: tuple[ChatType, ...] = get_args(ChatType)

MAX_LIMIT = 2000
"""Most rows of one page; the server answers 422 to 10,000 ("Limit should be less than 2000")."""

T = TypeVar("T")
U = TypeVar("U")

_CHAT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}@[a-z0-9.]{1,64}", re.ASCII)
# A number from a spreadsheet's column with the suffix behind it: 919876543210.0@c.us.
_DECIMAL_ID = re.compile(r"[0-9]+\.0@.*", re.ASCII)
# What fromisoformat() reads as people mean it; it would take 2025042501234 for 12:34, and a week for its Monday.
_TIME_TEXT = re.compile(r"([0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{4}-?W[0-9]{2}-?[0-9])([T ].+)?", re.ASCII)
_MOST_LABEL = 1000
# Controls, halves of characters, separators of lines and paragraphs.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Nothing to see: joiners, marks of direction. An emoji holds some, beside what is seen.
_UNSEEN = frozenset({"Cf", "Zs", "Mn"})
_DIGITS = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)


_FILTERS = ("sort_by", "sort_order", "chat_id", "chat_type", "label", "start_time", "end_time")


class ChatQuery(Struct, frozen=True, kw_only=True, gc=False):
    """What to list, without where in the list: made by :func:`chat_query`, which checks it."""

    sort_by: SortBy | None = None
    sort_order: SortOrder | None = None
    chat_id: str | None = None
    chat_type: ChatType | None = None
    label: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    phone: str | None = None

    @property
    def order(self) -> Order:
        """What the order lets chats do; the server's default is ``desc``.

        By latest message a chat may move anywhere: a message may come late, and the latest one be deleted.
        """
        return Order(
            is_newest_first=self.sort_order != "asc", can_move_anywhere=self.sort_by == "latest_message_timestamp"
        )

    @property
    def fingerprint(self) -> str:
        """A short hash that binds a resume token to its query; the query cannot be read back from it."""
        text = "\n".join([f"{name}={value}" for name, value in self._filters()]) + f"\nx-phone={self.phone}"
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def page(self, *, offset: int, limit: int) -> Request:
        """Ask for ``limit`` rows from ``offset`` (counted from 0) on."""
        filters = "".join([f"&{name}={encoded(value)}" for name, value in self._filters()])
        # Both are always sent: the documents disagree on the defaults (offset 0 or 1, limit 1000 or 2000).
        return Request(method="GET", target=f"/chats?offset={offset}&limit={limit}{filters}", phone=self.phone)

    def _filters(self) -> list[tuple[str, str]]:
        return [(name, value) for name in _FILTERS if (value := getattr(self, name)) is not None]


def chat_query(
    *,
    sort_by: SortBy | None = None,
    sort_order: SortOrder | None = None,
    chat_id: str | None = None,
    chat_type: ChatType | None = None,
    label: str | None = None,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
    phone: str | None = None,
) -> ChatQuery:
    """Check and normalise the parameters of a listing; ``phone`` comes normalised. Raises ConfigError."""
    start = None if start_time is None else _moment("start_time", start_time, time.min)
    # A bare end date means its whole day: the documents give 2025-04-30T23:59:59Z beside it.
    end = None if end_time is None else _moment("end_time", end_time, time(23, 59, 59, 999000))
    if start is not None and end is not None and start > end:
        raise ConfigError(f"start_time {_wire(start)} lies after end_time {_wire(end)}", parameter="start_time")
    return ChatQuery(
        sort_by=_one_of("sort_by", sort_by, _SORTS_BY),
        sort_order=_one_of("sort_order", sort_order, _SORT_ORDERS),
        chat_id=_optional(chat_id, normal_chat_id),
        chat_type=_one_of("chat_type", chat_type, _CHAT_TYPES),
        label=_optional(label, _label),
        start_time=_optional(start, _wire),
        end_time=_optional(end, _wire),
        phone=phone,
    )


def get_chat_request(chat_id: str, *, phone: str | None) -> Request:
    """Ask for one chat with its members. Raises ConfigError where ``chat_id`` cannot be one."""
    return Request(method="GET", target=f"/chats/{quote(normal_chat_id(chat_id), safe='@')}", phone=phone)


def check_page(*, offset: int, limit: int, limit_name: str = "limit") -> None:
    """Refuse a page that no server could give. Raises ConfigError."""
    if not is_whole(offset, least=0):
        raise ConfigError(f"offset is {offset!r}; it must be a whole number from 0 up", parameter="offset")
    if not is_whole(limit, least=1) or limit > MAX_LIMIT:
        raise ConfigError(
            f"{limit_name} is {limit!r}; it must be a whole number from 1 to {MAX_LIMIT}",
            parameter=limit_name,
        )


def normal_chat_id(chat_id: str) -> str:
    """Give the id as the server writes it: bare digits are a person's (``…@c.us``). Raises ConfigError."""
    text = pasted(_text("chat_id", chat_id))
    if _DIGITS.fullmatch(bare := text.removeprefix("+")):
        return f"{bare}@c.us"
    if not _CHAT_ID.fullmatch(text) or _DECIMAL_ID.fullmatch(text):
        raise ConfigError(
            f"chat_id {chat_id!r:.100} is not a chat's id; they look like 120363392071406466@g.us (a group) "
            "or 919876543210@c.us (a person; the digits alone will do)",
            parameter="chat_id",
        )
    return text


def _label(label: str) -> str:
    text = _text("label", label)
    kinds = {unicodedata.category(character) for character in text[: _MOST_LABEL + 1]}
    if kinds <= _UNSEEN or kinds & _NO_TEXT or len(text) > _MOST_LABEL:
        raise ConfigError(
            f"label {label!r:.100} is not a label's name or id: those are some letters or emoji, on one line",
            parameter="label",
        )
    return text


def _text(name: str, value: str) -> str:
    """Refuse what is no text: an id that was read as a number is the likeliest slip."""
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{name} is {value!r}, a {type(value).__name__}; give it as a str", parameter=name)
    # The first cell of a spreadsheet's file begins with a byte order mark.
    return value.strip().strip("\ufeff").strip()


def _one_of(name: str, value: T | None, allowed: tuple[T, ...]) -> T | None:
    if value is not None and value not in allowed:
        raise ConfigError(f"{name} is {value!r}; it takes {' or '.join(map(repr, allowed))}", parameter=name)
    return value


def _optional(value: T | None, convert: Callable[[T], U]) -> U | None:
    return None if value is None else convert(value)


def _moment(name: str, value: Moment, time_of_bare_date: time) -> datetime:
    if isinstance(value, str):
        value = _read_moment(name, value)
    if not isinstance(value, date):  # pyright: ignore[reportUnnecessaryIsInstance] - see _text
        raise ConfigError(f"{name} is {value!r}; give an ISO string, a date or a datetime", parameter=name)
    if not isinstance(value, datetime):
        return datetime.combine(value, time_of_bare_date, tzinfo=UTC)
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ConfigError(f"{name} {value} cannot be told in UTC", parameter=name) from None


def _read_moment(name: str, typed: str) -> date:
    text = pasted(typed).upper()
    form = _TIME_TEXT.fullmatch(text)
    reason = "it is in no form that means the same everywhere"
    try:
        if form is not None:
            return datetime.fromisoformat(text) if form[2] else date.fromisoformat(text)
    except ValueError as error:
        reason = str(error)
    raise ConfigError(
        f"{name} {typed!r:.100} is not a time: {reason}; give 2025-04-25 or 2025-04-25T00:00:00Z", parameter=name
    )


def _wire(moment: datetime) -> str:
    """Write a time in full, with Z: what a bare date or another zone means to the server is not documented."""
    timespec = "seconds" if not moment.microsecond else "milliseconds" if moment.microsecond % 1000 == 0 else "auto"
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
