"""Rows as columns. Every typed format has the same ones, derived from the fields of the list's row type.

Nothing is dropped: each row is also kept as it was sent, in ``raw_json``.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from operator import attrgetter
from types import GenericAlias, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from periskope_async.decoding.body import UNREAD, has_surrogate, is_dense, mend
from periskope_async.decoding.repair import Unreadable, decoder_of, repair
from periskope_async.models.message import Message
from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, UnsetType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from periskope_async.wire.listing import Listing

__all__ = ["ROWS_A_STEP", "Batch", "Column", "Kind", "Table", "batches_of", "table_of"]

P = TypeVar("P", bound=Part)

Kind: TypeAlias = Literal["text", "integer", "real", "boolean", "time", "texts", "json"]
"""``texts`` is a list of texts, ``json`` a map or an object as its JSON text."""

# Steps of this size keep the objects in the processor's cache: a third faster than steps of 2,000.
ROWS_A_STEP = 250
_INT = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_WORDS: Any = Annotated[tuple[str, ...], msgspec.Meta(extra={"comma_separated": True})]
_NULL = Raw(b"null")
# These fields of an object inside a row become columns of their own; any other object is JSON text.
_FLATTENED: dict[type, tuple[str, ...]] = {
    Message: ("message_id", "timestamp", "message_type", "from_me", "sender_phone", "body", "ack", "is_deleted"),
}


class Column(Struct, frozen=True):
    """One column."""

    name: str
    kind: Kind
    path: tuple[str, ...]
    """The path of fields to its value."""


class Table(Struct, frozen=True, kw_only=True):
    """A list as a table."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """The columns that identify a row together."""
    row: type[Part]
    """The struct for decoding a row: its columns and no more."""
    inner: dict[str, Part]
    """Stands for a missing object, by the field. Each such field has columns for its own fields."""
    has_sources: bool = False
    """Whether the column ``source`` is a part of the key."""


class Batch(Struct, frozen=True):
    """Some rows."""

    values: list[list[Any]]
    """One list for each column; None stands for an unknown value."""
    raw: Sequence[bytes]
    """Each row as it was sent: JSON, in UTF-8 unless the server broke it."""
    source: str
    gone_at: list[datetime | None]
    """The time at which an update found a row gone from the list."""

    def __len__(self) -> int:
        return len(self.raw)


def table_of(listing: Listing[Any], *, has_sources: bool = False) -> Table:
    """Give the columns of a list."""
    columns, row, inner = _columns_of(cast("Any", listing.row))
    return Table(name=listing.key, columns=columns, key=listing.identity, row=row, inner=inner, has_sources=has_sources)


def batches_of(
    table: Table, rows: Sequence[bytes], *, source: str = "", gone_at: Sequence[datetime | None] | None = None
) -> Iterator[Batch]:
    """Turn rows into batches of columns."""
    for start in range(0, len(rows), ROWS_A_STEP):
        some = rows[start : start + ROWS_A_STEP]
        text = b"[" + b",".join(some) + b"]"
        read = _decoded(table.row, some, text)
        parts = {name: [part or empty for part in map(attrgetter(name), read)] for name, empty in table.inner.items()}
        values = [_values(column, parts.get(column.path[0], read)) for column in table.columns]
        if has_surrogate(text):
            _mend(table, values)
        gone: list[datetime | None] = (
            [None] * len(some) if gone_at is None else list(gone_at[start : start + ROWS_A_STEP])
        )
        yield Batch(values, some, source, gone)


def _decoded(row: type[Part], rows: Sequence[bytes], text: bytes) -> list[Part]:
    found: list[Part] | None = _decoded_plain(GenericAlias(list, (row,)), text)
    if found is not None:
        return found
    return [_decoded_plain(row, text) or _repaired(row, text) for text in rows]


def _decoded_plain(target: Any, text: bytes) -> Any:
    """Decode rows in one go; None for an odd value, or for text that would take many times its memory."""
    try:
        return None if is_dense(text) else decoder_of(target).decode(text)
    except UNREAD:
        return None


def _repaired(row: type[Part], text: bytes) -> Part:
    try:
        return _without_unset(repair(row, mend(text), "$"))
    except Unreadable:
        # Only raw_json can hold this row.
        return row()


def _without_unset(part: P) -> P:
    """Replace UNSET in a repaired row by None, as the decoders do."""
    return msgspec.structs.replace(
        part,
        **{
            field.name: _without_unset(value) if isinstance(value, Part) else field.default
            for field in msgspec.structs.fields(part)
            if isinstance(value := getattr(part, field.name), Part) or value is UNSET
        },
    )


@cache
def _columns_of(row: type[Part]) -> tuple[tuple[Column, ...], type[Part], dict[str, Part]]:
    columns: list[Column] = []
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    empty: dict[str, Part] = {}
    for field in msgspec.structs.fields(row):
        if field.name == "undecoded":
            continue
        names[field.name] = field.encode_name
        options = _options(field.type)
        inner = _FLATTENED.get(options[0]) if len(options) == 1 else None
        if inner is not None:
            nested, part = _flattened(field.encode_name, field.name, options[0], inner)
            columns += nested
            empty[field.name] = part()
            fields.append((field.name, part | None, None))
            continue
        kind, read_as = _kind_of(options)
        columns.append(Column(field.encode_name, kind, (field.name,)))
        fields.append((field.name, read_as, UNSET if kind == "json" else None))
    # Lists hold the value inside the object; a column of the same name beside it would be empty.
    flat = {column.name for column in columns if len(column.path) > 1}
    columns = [column for column in columns if len(column.path) > 1 or column.name not in flat]
    slim: Any = msgspec.defstruct(
        f"{row.__name__}Columns", fields, bases=(Part,), frozen=True, kw_only=True, gc=False, rename=names
    )
    return tuple(columns), slim, empty


def _flattened(prefix: str, field: str, kind: type, names: tuple[str, ...]) -> tuple[list[Column], Any]:
    columns: list[Column] = []
    fields: list[tuple[str, Any, Any]] = []
    for inner in msgspec.structs.fields(kind):
        if inner.name in names:
            kind_of, read_as = _kind_of(_options(inner.type))
            columns.append(Column(f"{prefix}_{inner.encode_name}", kind_of, (field, inner.name)))
            fields.append((inner.name, read_as, None))
    return columns, msgspec.defstruct(
        f"{kind.__name__}Columns", fields, bases=(Part,), frozen=True, kw_only=True, gc=False
    )


def _options(target: Any) -> tuple[Any, ...]:
    options = get_args(target) if get_origin(target) in {Union, UnionType} else (target,)
    return tuple(option for option in options if option not in {UnsetType, type(None)})


_SCALARS: dict[Any, tuple[Kind, Any]] = {
    str: ("text", str),
    bool: ("boolean", bool),
    int: ("integer", _INT),
    float: ("real", float),
    FlexTime: ("time", FlexTime),
}


def _kind_of(options: tuple[Any, ...]) -> tuple[Kind, Any]:
    """Give a column's kind, and the type to read its values as."""
    if set(options) == {dict[str, bool], tuple[str, ...]}:
        return "texts", dict[str, bool] | tuple[str, ...] | None
    if len(options) == 1:
        (option,) = options
        plain = get_args(option)[0] if get_origin(option) is Annotated else option
        if plain is datetime:
            return "time", option | None
        if plain in _SCALARS:
            kind, read_as = _SCALARS[plain]
            return kind, read_as | None if kind != "time" else Union[read_as, None]  # noqa: UP007 - no type to `|`
        if plain == tuple[str, ...]:
            return "texts", (_WORDS if plain is not option else plain) | None
    return "json", Raw | UnsetType


def _values(column: Column, rows: Sequence[Part]) -> list[Any]:
    """Give a column's values, of decoded rows or of the objects inside them."""
    values = list(map(attrgetter(column.path[-1]), rows))
    if column.kind == "json":
        if values.count(UNSET) == len(values):
            # Many columns are like this, and counting is many times as fast as looking at each value here.
            return [None] * len(values)
        return [None if raw is UNSET or raw == _NULL else str(raw, "utf-8", "replace") for raw in values]
    if column.kind == "texts":
        return [None if value is None else _texts(value) for value in values]
    return values


def _mend(table: Table, values: list[list[Any]]) -> None:
    """Replace half emojis in columns of JSON text. The decoder has replaced them in the others."""
    for column, texts in zip(table.columns, values, strict=True):
        if column.kind == "json":
            texts[:] = [text and str(mend(text.encode()), "utf-8") for text in texts]


def _texts(value: Any) -> list[str]:
    """Give a list; a map becomes the list of its keys with a true value."""
    if isinstance(value, dict):
        labels = cast("dict[str, bool]", value)
        return [name for name, is_on in labels.items() if is_on]
    return list(value)
