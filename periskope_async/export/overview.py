"""The numbers of an export of chats, for a report (pure)."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from heapq import nlargest
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct, field

from periskope_async.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from periskope_async.tables.columns import Batch, Table

__all__ = ["MOST_LISTED", "ChatLine", "Overview", "overview"]

MOST_LISTED = 20_000
_MOST_NAME = 120
_MOST_DAYS = 92
_BUSY_DAYS = 7
_COLUMNS = (
    "chat_id",
    "chat_name",
    "chat_type",
    "labels",
    "label_ids",
    "member_count",
    "message_unread_count",
    "unread_count",
    "latest_message_timestamp",
)
_UNKNOWN = "unknown"
_COUNTS = msgspec.json.Decoder(dict[str, int | None])


class ChatLine(Struct, frozen=True, array_like=True):
    """One chat of a report."""

    name: str
    chat_id: str
    type: str
    labels: tuple[str, ...]
    latest: datetime | None
    unread: int
    members: int
    is_gone: bool


class Overview(Struct):
    """The numbers of a report."""

    chats: int = 0
    """Chats in the list. Chats gone from it are counted in ``gone`` only."""
    gone: int = 0
    is_of_chats: bool = False
    """Whether any row has a field that only chats have."""
    groups: int = 0
    with_unread: int = 0
    unread: int = 0
    types: Counter[str] = field(default_factory=Counter[str])
    labels: Counter[str] = field(default_factory=Counter[str])
    days: Counter[date] = field(default_factory=Counter[date])
    """How many chats had their latest message on a day (UTC)."""
    listed: list[ChatLine] = field(default_factory=list[ChatLine])
    """The chats with the latest activity, newest first, max 20,000."""
    most_unread: list[ChatLine] = field(default_factory=list[ChatLine])

    def activity(self) -> tuple[Literal["day", "month"], list[tuple[date, int]]]:
        """Count the chats by the day of their latest message, or by the month if there are more than 92 days."""
        if not self.days or (max(self.days) - min(self.days)).days <= _MOST_DAYS:
            return "day", sorted(self.days.items())
        months = Counter[date]()
        for day, count in self.days.items():
            months[day.replace(day=1)] += count
        return "month", sorted(months.items())

    def busiest_groups(self, count: int) -> list[ChatLine]:
        """Give the groups with activity in the last week of the data, those with the most members first."""
        there = [(line, line.latest) for line in self.listed if line.latest and not line.is_gone]
        if not there:
            return []
        _, newest = there[0]
        week = timedelta(days=_BUSY_DAYS)
        active = [line for line, latest in there if _is_group(line) and newest - latest <= week]
        return nlargest(count, active, key=lambda line: line.members)


def overview(table: Table, batches: Iterable[Batch]) -> Overview:
    """Count the chats, labels and days of some rows."""
    found = Overview()
    for line in _lines(table, batches, found):
        found.listed.append(line)
        if len(found.listed) > 2 * MOST_LISTED:
            found.listed = _newest(found.listed)
        if line.is_gone:
            found.gone += 1
            continue
        found.chats += 1
        found.groups += _is_group(line)
        found.types[line.type] += 1
        found.labels.update(line.labels)
        if line.latest is not None:
            found.days[line.latest.date()] += 1
        if line.unread:
            found.with_unread += 1
            found.unread += line.unread
            found.most_unread = nlargest(15, [*found.most_unread, line], key=lambda each: each.unread)
    found.listed = _newest(found.listed)
    return found


def _lines(table: Table, batches: Iterable[Batch], found: Overview) -> Iterator[ChatLine]:
    places = {column.name: place for place, column in enumerate(table.columns)}
    for batch in batches:
        columns = [batch.values[places[name]] for name in _COLUMNS]
        for gone_at, *values in zip(batch.gone_at, *columns, strict=True):
            chat_id, name, kind, labels, label_ids, members, unread, unread_by_member, latest = values
            own = name, kind, members, unread, unread_by_member, latest
            found.is_of_chats |= any(value is not None for value in own)
            yield ChatLine(
                name=one_line(name or "", limit=_MOST_NAME) or one_line(chat_id or "", limit=_MOST_NAME),
                chat_id=one_line(chat_id or "", limit=_MOST_NAME),
                type=one_line(kind or _UNKNOWN, limit=_MOST_NAME),
                labels=tuple([one_line(label, limit=_MOST_NAME) for label in labels or label_ids or ()]),
                latest=latest,
                unread=unread if unread is not None else _most(unread_by_member),
                members=members or 0,
                is_gone=gone_at is not None,
            )


def _most(counts: str | None) -> int:
    """Give the max of the members' counts of a chat; 0 if none can be read."""
    try:
        return max([count or 0 for count in _COUNTS.decode(counts or "{}").values()], default=0)
    except msgspec.MsgspecError:
        return 0


def _is_group(line: ChatLine) -> bool:
    return line.chat_id.endswith("@g.us")


def _newest(lines: list[ChatLine]) -> list[ChatLine]:
    return nlargest(MOST_LISTED, lines, key=lambda line: line.latest.timestamp() if line.latest else 0.0)
