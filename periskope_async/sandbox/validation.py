"""Turns the query of ``GET /v1/chats`` into its parameters, or into the fields at fault.

The documentation shows one refusal, of a limit above the maximum; the others follow its pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from periskope_async.sandbox.cast import LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from periskope_async.sandbox.cast import Label

__all__ = ["BadQuery", "Filters", "ListQuery", "list_query", "moment_of", "number_of", "page_limit"]

SortBy = Literal["created_at", "latest_message_timestamp"]

_DIGITS = re.compile(r"[0-9]{1,15}\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


class BadQuery(Exception):  # noqa: N818 - it never leaves the sandbox; it is the 422
    """The faults of a query: the headline, and for each field (message, the value sent)."""

    def __init__(self, message: str, fields: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Filters:
    """Which chats are wanted: None lets all through. Times are Unix seconds, both ends included."""

    chat_type: str | None = None
    label: int | None = None
    phone: int | None = None
    start: float | None = None
    end: float | None = None

    @property
    def empty(self) -> bool:
        """Whether every chat passes."""
        return self == Filters()


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A page of a filtered, sorted list."""

    offset: int
    limit: int
    sort_by: SortBy
    descending: bool
    filters: Filters
    chat_id: str | None


def list_query(
    query: Mapping[str, Sequence[str]], *, phone: int | None, max_limit: int, labels: Sequence[Label] = LABELS
) -> ListQuery:
    """Read the parameters; each may come several times. Raises :class:`BadQuery` at the first wrong one."""
    sort_by = _word(query, "sort_by", ("created_at", "latest_message_timestamp"))
    sort_order = _word(query, "sort_order", ("desc", "asc"))
    filters = Filters(
        chat_type=_text(query, "chat_type"),
        label=_label(_text(query, "label"), labels),
        phone=phone,
        start=moment_of(query, "start_time"),
        end=moment_of(query, "end_time", end_of_day=True),
    )
    return ListQuery(
        offset=number_of(query, "offset", default=0),
        limit=page_limit(query, max_limit),
        sort_by="created_at" if sort_by == "created_at" else "latest_message_timestamp",
        descending=sort_order == "desc",
        filters=filters,
        chat_id=_text(query, "chat_id"),
    )


def _text(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    """Join several values with commas, as JavaScript writes an array; empty is as good as absent."""
    return ",".join(query.get(name, ())) or None


def number_of(query: Mapping[str, Sequence[str]], name: str, *, default: int) -> int:
    """Read a whole number from 0. Raises :class:`BadQuery`."""
    if name not in query:
        return default
    text = ",".join(query[name])
    if not _DIGITS.match(text):
        message = f"{name.capitalize()} should be a non-negative whole number"
        raise BadQuery(message, {name: (message, text)})
    return int(text)


def page_limit(query: Mapping[str, Sequence[str]], max_limit: int, *, default: int | None = None) -> int:
    """Read ``limit``. Raises :class:`BadQuery` for one above the maximum, as recorded, and for one below 1."""
    limit = number_of(query, "limit", default=max_limit if default is None else default)
    if limit > max_limit:
        # The headline shows the template with its variable left in, as the recorded answer does.
        field = (f"Limit should be less than {max_limit}", ",".join(query["limit"]))
        raise BadQuery("Limit should be less than ${MAX_LIMIT}", {"limit": field})
    if limit < 1:
        message = "Limit should be greater than 0"
        raise BadQuery(message, {"limit": (message, ",".join(query["limit"]))})
    return limit


def _word(query: Mapping[str, Sequence[str]], name: str, words: tuple[str, ...]) -> str:
    if name not in query:
        return words[0]
    text = ",".join(query[name])
    if text not in words:
        message = f"{name} should be one of {', '.join(words)}"
        raise BadQuery(message, {name: (message, text)})
    return text


def _label(text: str | None, labels: Sequence[Label]) -> int | None:
    """Find a label by name or id, in any case; -1 is a label without chats."""
    if text is None:
        return None
    wanted = text.casefold()
    for number, label in enumerate(labels):
        if wanted in {label.label_id, label.name.casefold()}:
            return number
    return -1


def moment_of(query: Mapping[str, Sequence[str]], name: str, *, end_of_day: bool = False) -> float | None:
    """Read ``2025-04-25`` or an ISO time (naive: UTC). A bare date as an end means the end of that day."""
    text = _text(query, name)
    if text is None:
        return None
    try:
        if _DATE.match(text):
            moment = datetime.combine(date.fromisoformat(text), time(), UTC)
            return moment.timestamp() + (timedelta(days=1).total_seconds() - 0.001 if end_of_day else 0)
        # A bare "+" in a query means a space, and "+00:00" often arrives so.
        moment = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d\Z)", "+", text) if "T" in text else text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        message = f"{name} should be a date like 2025-04-25 or a time like 2025-04-25T00:00:00Z"
        raise BadQuery(message, {name: (message, text)}) from None
