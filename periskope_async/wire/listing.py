"""A paged list of the API as data: all facts about it for requests, decoder, walk and export (pure).

A new list takes a row type, one :class:`Listing`, and methods with its filters as arguments.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.errors import ConfigError
from periskope_async.models.part import Part
from periskope_async.typed import is_whole, numpy_hint
from periskope_async.wire.order import Order
from periskope_async.wire.request import Request, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ListQuery", "Listing", "Sort", "check_page"]

T = TypeVar("T", bound=Part)


class Sort(Struct, frozen=True, kw_only=True):
    """One sort key of a list."""

    name: str | None = None
    """The value of ``sort_by``; None if the list has only one sort key."""
    times: tuple[str, ...]
    """The possible fields of a row's sort time, such as ``latest_message.timestamp``; the first one set counts."""
    can_move_anywhere: bool = False
    """Whether a row's sort time may change to any other time, and not only to the present."""


class Listing(Struct, Generic[T], frozen=True, kw_only=True, eq=False):
    """A paged list: ``GET path?offset=…&limit=…`` answers ``{from, to, count, key: [row, …]}``."""

    path: str
    """Path below the base URL. It may have placeholders for ids, as in ``/chats/{chat_id}/messages``."""
    key: str
    """The body's key for the rows, and the list's name."""
    row: type[T]
    identity: tuple[str, ...]
    """The fields of a row's identity. The row type requires the first; the others may be null."""
    other_keys: tuple[str, ...] = ()
    """Further spellings of ``key`` in other sources. A page under one of them is read row by row."""
    sorts: tuple[Sort, ...] = ()
    """The sort keys, the server's default first. Empty if the order is not documented."""
    order_param: str | None = None
    """The parameter for ``asc`` and ``desc``; None if the order cannot be reversed."""
    single_param: str | None = None
    """The filter for one row by its id; its answer may be the bare row."""
    says_updated_at: bool = False
    """Whether each row gives the time of its last change in ``updated_at``."""
    has_total: bool = True
    """Whether ``count`` is the number of all rows, and not of the answer's. A walk takes no note of the latter."""
    max_limit: int = 2000
    """Max rows of a page. The server answers 422 to 10,000 ("Limit should be less than 2000")."""

    def query(
        self,
        params: Mapping[str, str | None] | None = None,
        *,
        phone: str | None = None,
        ids: Mapping[str, str] | None = None,
    ) -> ListQuery[T]:
        """Bind checked filters (None: left out), the phone, and the ids of the path."""
        given = tuple([(name, value) for name, value in (params or {}).items() if value is not None])
        path = self.path.format_map({name: encoded(value) for name, value in (ids or {}).items()})
        return ListQuery(listing=self, path=path, params=given, phone=phone)


class ListQuery(Struct, Generic[T], frozen=True, kw_only=True):
    """A query of a list, without a position in it. One query serves all pages of a walk."""

    listing: Listing[T]
    path: str
    params: tuple[tuple[str, str], ...] = ()
    phone: str | None = None

    @property
    def sort(self) -> Sort | None:
        """The sort key of the query, by default the server's; None if that is not documented."""
        by, sorts = self._param("sort_by"), self.listing.sorts
        return next((sort for sort in sorts if sort.name == by), sorts[0] if sorts else None)

    @property
    def order(self) -> Order:
        """What a walk relies on. The server's default is newest first."""
        return Order(
            is_newest_first=self._param(self.listing.order_param) != "asc",
            is_reversible=self.listing.order_param is not None,
            has_sort_time=self.sort is not None,
            says_updated_at=self.listing.says_updated_at,
            max_limit=self.listing.max_limit,
        )

    @property
    def is_for_one(self) -> bool:
        """Whether a filter names the one wanted row."""
        return self._param(self.listing.single_param) is not None

    @property
    def fingerprint(self) -> str:
        """A short hash that binds a resume token to its query; nobody can read the query back from it."""
        text = "\n".join([self.path, *(f"{name}={value}" for name, value in self.params), f"x-phone={self.phone}"])
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    @property
    def unordered(self) -> ListQuery[T]:
        """The same rows in the server's default order. Its fingerprint tells which rows are asked for."""
        orders = {"sort_by", self.listing.order_param}
        return replace(self, params=tuple([param for param in self.params if param[0] not in orders]))

    @property
    def filters(self) -> dict[str, str]:
        """The parameters without the order, the phone, and a path with ids: for people."""
        others = {"phone": self.phone, "path": None if self.path == self.listing.path else self.path}
        return dict(self.unordered.params) | {name: value for name, value in others.items() if value is not None}

    def newest_first(self) -> dict[str, ListQuery[T]]:
        """Give the same rows newest first by each sort key, by its name. Empty where no order is documented."""
        if self.is_for_one:
            return {}
        rows, order = self.unordered, self.listing.order_param
        return {
            sort.times[0]: replace(rows, params=(*rows.params, ("sort_by", sort.name), (order, "desc")))
            if sort.name and order
            else rows
            for sort in self.listing.sorts
        }

    def page(self, *, offset: int, limit: int, is_reversed: bool = False) -> Request:
        """Ask for ``limit`` rows from ``offset`` (counted from 0) on. An irreversible list keeps its order."""
        params, order = self.params, self.listing.order_param
        if is_reversed and order is not None:
            opposite = "asc" if self.order.is_newest_first else "desc"
            params = (*(param for param in params if param[0] != order), (order, opposite))
        filters = "".join([f"&{name}={encoded(value)}" for name, value in params])
        # Both are always sent: the documents disagree on the defaults (offset 0 or 1, limit 1000 or 2000).
        # An enum's member would be written as its name.
        position = f"offset={int(offset)}&limit={int(limit)}"
        return Request(method="GET", target=f"{self.path}?{position}{filters}", phone=self.phone)

    def _param(self, name: str | None) -> str | None:
        return next((value for param, value in self.params if param == name), None)


def check_page(listing: Listing[T], *, offset: int, limit: int, limit_name: str = "limit") -> None:
    """Refuse a page that no server could give. Raises ConfigError."""
    if not is_whole(offset, least=0):
        raise ConfigError(
            f"offset is {offset!r:.100}; it must be a whole number from 0 up{numpy_hint(offset)}", parameter="offset"
        )
    if not is_whole(limit, least=1) or limit > listing.max_limit:
        raise ConfigError(
            f"{limit_name} is {limit!r:.100}; it must be a whole number from 1 to {listing.max_limit}"
            f"{numpy_hint(limit)}",
            parameter=limit_name,
        )
