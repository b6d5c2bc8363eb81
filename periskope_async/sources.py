"""What the pager reads from: one query of the chats, typed or as original bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from periskope_async.models.page import PartedPage, chat_page_steps, parted_page_steps, read_part
from periskope_async.models.raw_page import raw_page_steps
from periskope_async.models.row_times import read_part_times, read_row_times
from periskope_async.paging.ask import pick
from periskope_async.paging.fetched import FetchedPage, UnreadPage
from periskope_async.paging.late_rows import LateRows, Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from periskope_async.cache import PageCache
    from periskope_async.call import Account, Reply
    from periskope_async.models.chat import Chat
    from periskope_async.models.page import ChatPage
    from periskope_async.models.raw_page import Identity, RawRow
    from periskope_async.models.row_times import RowTimes
    from periskope_async.session import SessionManager
    from periskope_async.wire.query import ChatQuery

__all__ = ["ChatSource", "RawChatSource"]


class _Chats:
    """Fetches the pages of one query."""

    def __init__(self, manager: SessionManager, query: ChatQuery, cache: PageCache | None = None) -> None:
        self._manager = manager
        self._query = query
        self._cache = cache

    def requests_per_second(self) -> float:
        """Tell what the limit allows, as well as it is known."""
        return self._manager.limiter.requests_per_second

    def requests_at_once(self) -> int:
        """Tell how many requests the limit allows at once, after a rest."""
        return self._manager.limiter.requests_at_once

    def _is_all(self, rows: int, *, limit: int, count: int | None) -> bool:
        """Whether nothing can follow: one id names one chat, answered bare or as a list that does not fill its page."""
        return self._query.chat_id is not None and (rows < limit or count is None)

    def _sort_time(self, chat: Chat | RowTimes) -> float | None:
        """Read what the list is sorted by, in Unix seconds."""
        if self._query.sort_by == "latest_message_timestamp":
            message = chat.latest_message
            time = chat.latest_message_timestamp or (message.timestamp if message else None)
        else:
            time = chat.created_at
        return time.timestamp() if time else None

    async def _reply(self, offset: int, limit: int, *, is_reversed: bool, account: Account) -> Reply:
        query = self._query
        if is_reversed:
            query = replace(query, sort_order="asc" if query.order.is_newest_first else "desc")
        request = query.page(offset=offset, limit=limit)
        return await self._manager.fetch(request, cache=self._cache, is_bulk=True, account=account)


class ChatSource(_Chats):
    """Pages of typed chats."""

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool, account: Account) -> UnreadPage[Chat]:
        """Fetch one page."""
        reply = await self._reply(offset, limit, is_reversed=is_reversed, account=account)

        def fetched(
            page: ChatPage | PartedPage,
            rows: Sequence[Chat],
            identities: Sequence[Chat | Identity],
            times: Sequence[Chat | RowTimes],
        ) -> FetchedPage[Chat]:
            keys, identity = _identified(identities)
            return FetchedPage(
                rows=rows,
                keys=keys,
                identity=identity,
                count=page.count,
                first_index=page.from_,
                meta=page.meta,
                is_all=self._is_all(len(rows), limit=limit, count=page.count),
                sort_time=lambda index: self._sort_time(times[index]),
                changed_since=_changes(identities),
            )

        async def read() -> FetchedPage[Chat]:
            page = await reply.read(chat_page_steps)
            return fetched(page, page.chats, page.chats, page.chats)

        async def look_through() -> FetchedPage[Chat]:
            page = await reply.read(parted_page_steps)
            if not isinstance(page, PartedPage):
                return fetched(page, page.chats, page.chats, page.chats)
            rows = LateRows(Parts(page.parts, page.ends, read_part))
            # Times are read by themselves: that is cheaper than decoding the rows, and keeps none of them.
            times = LateRows(Parts(page.parts, page.ends, read_part_times))
            return fetched(page, rows, page.identities, times)

        # Oldest first, a walk reads the sort time of every row: then there is nothing to gain.
        return UnreadPage(read, look_through if self._query.order.is_newest_first else read)


class RawChatSource(_Chats):
    """Pages of chats as the server wrote them."""

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool, account: Account) -> UnreadPage[bytes]:
        """Fetch one page; no more is read of its rows than what tells them apart, and when they were changed last."""
        reply = await self._reply(offset, limit, is_reversed=is_reversed, account=account)

        async def read() -> FetchedPage[bytes]:
            page = await reply.read(raw_page_steps)
            keys, identity = _identified(page.rows)
            return FetchedPage(
                rows=[row.json for row in page.rows],
                keys=keys,
                identity=identity,
                count=page.count,
                first_index=page.from_,
                meta=page.meta,
                is_all=self._is_all(len(page.rows), limit=limit, count=page.count),
                sort_time=lambda index: self._sort_time(read_row_times(page.rows[index].json)),
                changed_since=_changes(page.rows),
            )

        return UnreadPage(read, look_through=read)


_identity = attrgetter("chat_id", "org_phone")


def _identity_without_phone(row: Chat | RawRow | Identity) -> tuple[str, str | None]:
    """Take a phone that is empty, null or absent for one and the same."""
    return row.chat_id, row.org_phone or None


def _identified(
    rows: Sequence[Chat | RawRow | Identity],
) -> tuple[list[int], Callable[[int], tuple[str, str | None]]]:
    """Give a page's keys, and what reads a row's identity; at the speed of C where each row has its phone."""
    has_phones = all(map(attrgetter("org_phone"), rows))
    identity_of: Callable[[Chat | RawRow | Identity], tuple[str, str | None]] = (
        _identity if has_phones else _identity_without_phone
    )
    return list(map(hash, map(identity_of, rows))), lambda index: identity_of(rows[index])


_updated_at = attrgetter("updated_at")


def _changes(rows: Sequence[Chat | RawRow | Identity]) -> Callable[[Sequence[int], float], int]:
    """Give what counts those of a page's rows that may have come or changed since a time."""

    def changed_since(indexes: Sequence[int], since: float) -> int:
        moment = datetime.fromtimestamp(since, UTC)
        times = list(map(_updated_at, pick(indexes, rows)))
        # Told in C where each row says when it was changed, and none since: that is nearly always.
        if all(times) and max(times) < moment:
            return 0
        return sum(not time or time >= moment for time in times)

    return changed_since
