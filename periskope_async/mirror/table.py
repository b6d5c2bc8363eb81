"""The tables of a mirror, as every kind of database has them (pure)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ["Column", "Index", "Kind", "Table", "Value"]

Kind: TypeAlias = Literal["text", "integer", "boolean", "time"]
Value: TypeAlias = str | int | bool | None


class Column(Struct, frozen=True):
    """A column of a table."""

    name: str
    kind: Kind
    is_required: bool = False


class Index(Struct, frozen=True):
    """An index of some rows, for counting them."""

    name: str
    columns: tuple[str, ...]
    condition: str


class Table(Struct, frozen=True):
    """A table."""

    name: str
    key: tuple[str, ...]
    """The columns of its primary key; none if rows are only added."""
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
