"""What a walk reads from, and the pages as they come from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from periskope_async.call import Account
    from periskope_async.meta import ResponseMeta

__all__ = ["FetchedPage", "Source", "UnreadPage"]

T = TypeVar("T")


class FetchedPage(Struct, Generic[T], frozen=True):
    """A page as it came."""

    rows: Sequence[T]
    """All of them; of a page that was looked through only, :class:`LateRows`."""
    keys: Sequence[int]
    """Each row's identity, hashed."""
    identity: Callable[[int], tuple[str | None, ...]]
    """What tells a row from the others: the values of the list's identity, None where one is empty or absent."""
    count: int | None
    first_index: int | None
    meta: ResponseMeta
    is_all: bool
    """Whether this is known to be everything: the one chat that was asked for by its id."""
    sort_time: Callable[[int], float | None]
    """Reads a row's sort time in Unix seconds; called for the few rows where it matters."""
    changed_since: Callable[[Sequence[int], float], int]
    """Counts those of the rows that may have come or changed since a time in Unix seconds."""


class UnreadPage(Struct, Generic[T], frozen=True):
    """An answer that came, not decoded yet."""

    read: Callable[[], Awaitable[FetchedPage[T]]]
    """Decodes it, letting other tasks have their turn now and then. May be called again.

    Where it was cut off, it is fetched anew. Raises DecodeError, and what fetching raises."""
    look_through: Callable[[], Awaitable[FetchedPage[T]]]
    """Does the same, but may leave the rows to be decoded when they are handed over."""


class Source(Protocol[T]):
    """Where pages come from: the client, bound to one query."""

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool, account: Account) -> UnreadPage[T]:
        """Fetch one page; retries and the limit are its own business."""
        ...

    def requests_per_second(self) -> float:
        """Tell what the limit allows, as well as it is known."""
        ...

    def requests_at_once(self) -> int:
        """Tell how many requests the limit allows at once, after a rest."""
        ...
