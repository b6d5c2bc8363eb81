"""The lists that a mirror keeps, an entry each: what is read of a row, and how news of it is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct, json

from periskope_async.mirror.database import Column, Kind, Table
from periskope_async.mirror.merge import Outcome
from periskope_async.models.page import read_chat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from periskope_async.client import PeriskopeClient
    from periskope_async.mirror.database import Value
    from periskope_async.paging.pager import Pager

__all__ = ["CHATS", "LISTS", "Field", "MirroredList", "Order", "key_of", "micros", "to_text"]


_CAME = frozenset({Outcome.INSERTED, Outcome.RESTORED})


class Field(Struct, frozen=True):
    """A column that is filled from a row."""

    name: str
    kind: Kind
    paths: tuple[str, ...] = ()
    """Where the value is, such as ``latest_message.timestamp``: the first that is set counts. By default its name."""


class Order(Struct, frozen=True):
    """An order in which the newest rows come first, so that a walk finds what is new and may stop at known ground."""

    sort_by: str
    column: str
    """The column that holds the sort time. Rows without one may stand before all others, or behind them."""
    is_moved_by_changes: bool = False
    """Whether a change takes a row to the head."""

    @property
    def news(self) -> frozenset[Outcome]:
        """What tells that a row was not at its place in this order when the mirror last read it."""
        return _CAME | {Outcome.UPDATED} if self.is_moved_by_changes else _CAME


class MirroredList(Struct, frozen=True, kw_only=True):
    """A list of the API, as a mirror keeps it."""

    name: str
    """The name of its table."""
    identity: tuple[str, ...]
    """The fields that together tell a row from the others."""
    fields: tuple[Field, ...]
    version: str
    """The field with the time of a row's last change."""
    orders: tuple[Order, ...]
    """Every change that can be found without reading the whole list is at the head of one of these. Empty where the
    list has no known order, so that it is read whole each time."""
    walk: Callable[..., Pager[Any]]
    """Gives a pager: called with the client, ``sort_by`` where there are orders, and arguments of every pager."""
    read: Callable[[bytes], Any]
    """Reads a row. Raises Unreadable."""
    events: tuple[str, ...] = ()
    """How the names of the events begin that bring a row of this list."""

    @property
    def table(self) -> Table:
        """The table of its rows: the mirror's own columns, the fields, and the row as it was sent."""
        own = (
            Column("mirror_key", "text", is_required=True),
            Column("mirror_version", "integer"),
            Column("mirror_misses", "integer", is_required=True),
            Column("deleted_at", "time"),
        )
        fields = tuple(Column(field.name, field.kind) for field in self.fields)
        return Table(
            name=self.name,
            key=("mirror_key",),
            columns=(*own, *fields, Column("raw_json", "text", is_required=True)),
            indexed=tuple(order.column for order in self.orders),
        )

    def values(self, row: Any) -> tuple[Value, ...]:
        """Give what the fields' columns hold for a row."""
        return tuple(_as_kind(_first(row, field.paths or (field.name,)), field.kind) for field in self.fields)


def key_of(identity: Sequence[str | None]) -> str:
    """Give the one text that stands for a row's identity."""
    return json.encode(identity).decode()


def micros(moment: datetime) -> int:
    """Give a time in microseconds since 1970, with no rounding by a float."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_text(moment: datetime) -> str:
    """Give a time in the one spelling that sorts rightly: UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _first(row: Any, paths: Sequence[str]) -> Any:
    for path in paths:
        value = row
        for name in path.split("."):
            # An absent part is UNSET or None, which has no such attribute.
            value = getattr(value, name, None)
        if value is not None and value is not False and not value:
            continue  # UNSET is falsy, as an empty text is.
        if value is not None:
            return value
    return None


def _as_kind(value: Any, kind: Kind) -> Value:
    """Give a value in the one form its kind of column takes; None where it is something else."""
    if kind == "text":
        # PostgreSQL takes no NUL, and SQLite's functions stop at one.
        return value.replace("\0", "\ufffd") if isinstance(value, str) else None
    if kind == "time":
        return to_text(value) if isinstance(value, datetime) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if is_whole else None


def _walk_chats(client: PeriskopeClient, **arguments: Any) -> Pager[Any]:
    return client.iter_chats(**arguments)


CHATS = MirroredList(
    name="chats",
    identity=("chat_id", "org_phone"),
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
    version="updated_at",
    orders=(
        Order("created_at", "created_at"),
        Order("latest_message_timestamp", "latest_message_at", is_moved_by_changes=True),
    ),
    walk=_walk_chats,
    read=read_chat,
    events=("chat.created", "chat.updated", "chat.custom_properties.updated"),
)

LISTS = {each.name: each for each in (CHATS,)}
"""Every list that a mirror can keep, by its name."""
