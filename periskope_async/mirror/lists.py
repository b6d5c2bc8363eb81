"""The lists of a mirror, an entry each: the fields to read of a row, and the ways to find its changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, json

from periskope_async.client import PeriskopeClient, lists
from periskope_async.decoding.page import reader_of
from periskope_async.decoding.repair import Unreadable
from periskope_async.mirror.merge import Outcome
from periskope_async.mirror.table import Column, Index, Kind, Table
from periskope_async.models.times import in_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from periskope_async.mirror.table import Value
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.listing import Listing

__all__ = [
    "CHATS",
    "CONTACTS",
    "LISTS",
    "MESSAGES",
    "TICKETS",
    "Field",
    "MirroredList",
    "Order",
    "key_of",
    "micros",
    "to_text",
]


_CAME = frozenset({Outcome.INSERTED, Outcome.RESTORED})


class Field(Struct, frozen=True):
    """A column with a value from a row."""

    name: str
    kind: Kind
    paths: tuple[str, ...] = ()
    """Paths of the value, such as ``latest_message.timestamp``: the first value counts. The default is the name."""


class Order(Struct, frozen=True):
    """An order with the newest rows first, so that a walk finds what is new and may stop at known ground."""

    name: str
    arguments: dict[str, str]
    """The arguments of the list's method for it."""
    column: str
    """The column of the sort time. Rows without one may stand before all others, or behind them."""
    news: frozenset[Outcome]
    """These outcomes show that a row came or moved since the mirror last read the order."""


@dataclass(frozen=True, kw_only=True)
class MirroredList:
    """A list of the API, as a mirror keeps it."""

    listing: Listing[Any]
    walk: Callable[..., Pager[Any]]
    """The client's method for a pager, called with the client."""
    fields: tuple[Field, ...]
    """Each sort time of the listing needs a field with the same paths."""
    version: str = "updated_at"
    """The field with the time of a row's last change."""
    events: tuple[str, ...] = ()
    """The names of the events with a row of this list."""
    undocumented: tuple[str, ...] = ()
    """The names among these of which no document says what they bring. It may be a part of a row."""
    told_by: tuple[str, ...] = ()
    """The names of the events that call for a read of the list."""

    @property
    def name(self) -> str:
        """The name of its table."""
        return self.listing.key

    @cached_property
    def orders(self) -> tuple[Order, ...]:
        """The orders to find changes with, at their heads; none if the list has no known order."""
        columns = {field.paths or (field.name,): field.name for field in self.fields}
        return tuple(
            Order(
                name=sort.name or "",
                arguments={"sort_by": sort.name, str(self.listing.order_param): "desc"} if sort.name else {},
                column=columns[sort.times],
                news=_CAME | {Outcome.UPDATED} if sort.can_move_anywhere else _CAME,
            )
            for sort in self.listing.sorts
        )

    def read(self, row: bytes) -> Any:
        """Read a row. Raises Unreadable."""
        return reader_of(self.listing).row(row)

    def is_whole(self, row: bytes) -> bool:
        """Whether an object has the fields of a whole row."""
        try:
            read = self.read(row)
        except Unreadable:
            return False
        return all(getattr(read, field.name) is not UNSET for field in self.fields if not field.paths)

    def identity(self, row: bytes) -> dict[str, str | None]:
        """Give the fields that identify a row. Raises Unreadable."""
        reader = reader_of(self.listing)
        mark = reader.row(row, reader.marks)
        return {name: getattr(mark, name) or None for name in self.listing.identity}

    @cached_property
    def table(self) -> Table:
        """The table of its rows: the mirror's own columns, the fields, and the row as it was sent."""
        own = (
            Column("mirror_key", "text", is_required=True),
            Column("mirror_version", "integer"),
            Column("mirror_said_at", "integer", is_required=True),
            Column("mirror_misses", "integer", is_required=True),
            Column("deleted_at", "time"),
        )
        fields = tuple(Column(field.name, field.kind) for field in self.fields)
        columns = (order.column for order in self.orders)
        undated = (
            Index(f"without_{column}", ("deleted_at", column), f"deleted_at IS NULL AND {column} IS NULL")
            for column in columns
        )
        return Table(
            name=self.name,
            key=("mirror_key",),
            columns=(*own, *fields, Column("raw_json", "text", is_required=True)),
            indexes=(Index("deleted", ("deleted_at",), "deleted_at IS NOT NULL"), *undated),
        )

    def values(self, row: Any) -> tuple[Value, ...]:
        """Give the values of the fields' columns for a row."""
        return tuple(_as_kind(_first(row, field.paths or (field.name,)), field.kind) for field in self.fields)


def key_of(identity: Iterable[str | None]) -> str:
    """Give a row's identity as one text."""
    return json.encode(list(identity)).decode()


def micros(moment: datetime) -> int:
    """Give a time in microseconds since 1970, without rounding by a float."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_text(moment: datetime) -> str:
    """Give a time in the one spelling that sorts correctly: UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _first(row: Any, paths: Sequence[str]) -> Any:
    for path in paths:
        value = row
        for name in path.split("."):
            # An absent part is UNSET or None, without such an attribute.
            value = getattr(value, name, None)
        if value is not None and value is not False and not value:
            continue  # UNSET is falsy, as an empty text is.
        if value is not None:
            return value
    return None


def _as_kind(value: Any, kind: Kind) -> Value:
    """Give a value in the one form for its kind of column; None if it is of another kind."""
    if kind == "text":
        # PostgreSQL takes no NUL, and SQLite's functions stop at one.
        return value.replace("\0", "\ufffd") if isinstance(value, str) else None
    if kind == "time":
        # UTC may have no such time.
        utc = in_zone(value, UTC) if isinstance(value, datetime) else None
        return None if utc is None else to_text(utc)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if is_whole else None


CHATS = MirroredList(
    listing=lists.CHATS,
    walk=PeriskopeClient.iter_chats,
    fields=(
        Field("chat_id", "text"),
        Field("org_phone", "text"),
        Field("chat_name", "text"),
        Field("chat_type", "text"),
        Field("assigned_to", "text"),
        Field("member_count", "integer"),
        Field("message_unread_count", "integer"),
        Field("is_exited", "boolean"),
        Field("created_at", "time"),
        Field("updated_at", "time"),
        Field("closed_at", "time"),
        Field("latest_message_at", "time", ("latest_message_timestamp", "latest_message.timestamp")),
    ),
    events=("chat.created", "chat.updated", "chat.custom_properties.updated", "chat.label.updated"),
    undocumented=("chat.label.updated",),
)

# Each change of a message sends an event, so changes of older ones are not missed until all are read.
MESSAGES = MirroredList(
    listing=lists.MESSAGES,
    walk=PeriskopeClient.iter_messages,
    fields=(
        Field("message_id", "text"),
        Field("chat_id", "text"),
        Field("org_phone", "text"),
        Field("message_type", "text"),
        Field("body", "text"),
        Field("sender_phone", "text"),
        Field("performed_by", "text"),
        Field("from_me", "boolean"),
        Field("ack", "integer"),
        Field("is_deleted", "boolean"),
        Field("timestamp", "time"),
        Field("updated_at", "time"),
    ),
    events=(
        "message.created",
        "message.updated",
        "message.deleted",
        "message.ack.updated",
        "message.flagged",
        "message.unflagged",
        "message.ticket.attached",
    ),
)

CONTACTS = MirroredList(
    listing=lists.CONTACTS,
    walk=PeriskopeClient.iter_contacts,
    fields=(
        Field("contact_id", "text"),
        Field("contact_name", "text"),
        Field("contact_type", "text"),
        Field("is_internal", "boolean"),
        Field("updated_at", "time"),
    ),
)

# A ticket event brings no row of the list: the parts have other names, and some are missing.
TICKETS = MirroredList(
    listing=lists.TICKETS,
    walk=PeriskopeClient.iter_tickets,
    version="last_updated_at",
    fields=(
        Field("ticket_id", "text"),
        Field("chat_id", "text"),
        Field("subject", "text"),
        Field("status", "text"),
        Field("assignee", "text"),
        Field("priority", "integer"),
        Field("is_deleted", "boolean"),
        Field("created_at", "time"),
        Field("last_updated_at", "time"),
        Field("due_date", "time"),
        Field("closed_at", "time"),
    ),
    told_by=("ticket.created", "ticket.updated", "ticket.deleted"),
)

LISTS = {each.name: each for each in (CHATS, MESSAGES, CONTACTS, TICKETS)}
"""All lists that a mirror can keep, by name."""
