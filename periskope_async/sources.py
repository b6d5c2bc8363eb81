"""The pager's source: one query of a list, its rows typed or as original bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from periskope_async.decoding.page import reader_of
from periskope_async.paging.page import Page, UnreadPage, pick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from periskope_async.cache import PageCache
    from periskope_async.call import Costs, Reply
    from periskope_async.decoding.page import ReadPage, Want
    from periskope_async.session import SessionManager
    from periskope_async.wire.listing import ListQuery

__all__ = ["ListSource"]

R = TypeVar("R")

_Identity: TypeAlias = tuple[str | None, ...]


class ListSource(Generic[R]):
    """The pages of one query, with typed rows or with raw ones."""

    def __init__(
        self, manager: SessionManager, query: ListQuery[Any], cache: PageCache | None = None, *, is_raw: bool = False
    ) -> None:
        self._manager, self._query, self._cache = manager, query, cache
        self._reader = reader_of(query.listing)
        self._want: Want = "raw" if is_raw else "typed"
        # A walk from the oldest row reads the sort time of every row: late rows gain nothing.
        self._want_later: Want = "late" if query.order.is_newest_first and not is_raw else self._want
        sort = query.sort
        self._sort_times = [path.split(".") for path in sort.times] if sort else []

    def requests_per_second(self) -> float:
        """Give the rate of the limit, by the best estimate."""
        return self._manager.limiter.requests_per_second

    def requests_at_once(self) -> int:
        """Give the number of requests that the limit allows at once, after a rest."""
        return self._manager.limiter.requests_at_once

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool, costs: Costs) -> UnreadPage[R]:
        """Fetch one page."""
        request = self._query.page(offset=offset, limit=limit, is_reversed=is_reversed)
        reply = await self._manager.fetch(request, cache=self._cache, is_bulk=True, costs=costs)
        return UnreadPage(
            read=partial(self._read, reply, limit, self._want),
            look_through=partial(self._read, reply, limit, self._want_later),
        )

    async def _read(self, reply: Reply, limit: int, want: Want) -> Page[R]:
        listing = self._query.listing
        page: ReadPage[R] = await reply.read(partial(self._reader.page, want=want))
        keys, identity = _identified(page.marks, listing.identity)
        return Page(
            items=page.rows,
            keys=keys,
            identity=identity,
            count=page.numbers.count if listing.has_total else None,
            first_index=page.numbers.from_,
            meta=page.meta,
            # One id names one row; the answer is bare, or a list shorter than its page.
            is_all=self._query.is_for_one and (len(page.rows) < limit or page.numbers.count is None),
            sort_time=lambda index: self._sort_time(page.timed(index)),
            changed_since=_changes(page.marks),
        )

    def _sort_time(self, row: Any) -> float | None:
        """Read a row's sort time, in Unix seconds."""
        for path in self._sort_times:
            value = row
            for name in path:
                value = getattr(value, name) if value else None
            if isinstance(value, datetime):
                return value.timestamp()
        return None


def _identified(marks: Sequence[Any], names: tuple[str, ...]) -> tuple[list[int], Callable[[int], _Identity]]:
    """Give a page's keys, and a reader of a row's identity; at the speed of C if no part of one is missing."""

    def identity_of(mark: Any) -> _Identity:
        # Empty, null and absent are the same.
        return tuple([getattr(mark, name) or None for name in names])

    is_whole = all(all(map(attrgetter(name), marks)) for name in names[1:])
    key_of: Callable[[Any], Any] = attrgetter(*names) if is_whole else identity_of
    return list(map(hash, map(key_of, marks))), lambda index: identity_of(marks[index])


def _changes(marks: Sequence[Any]) -> Callable[[Sequence[int], float], int]:
    """Give a counter of a page's rows that may have come or changed since a time."""

    def changed_since(indexes: Sequence[int], since: float) -> int:
        moment = datetime.fromtimestamp(since, UTC)
        times = list(map(attrgetter("updated_at"), pick(indexes, marks)))
        # Decided in C for the usual page: each row has a time of change, none since the given time.
        if all(times) and max(times) < moment:
            return 0
        return sum(not time or time >= moment for time in times)

    return changed_since
