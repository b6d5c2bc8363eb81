"""What the pager reads from: one query of the chats, typed or as original bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from periskope_async.models.page import read_chat, read_chat_page, read_raw_page
from periskope_async.paging.run import FetchedPage

if TYPE_CHECKING:
    from periskope_async.cache import PageCache
    from periskope_async.models.chat import Chat
    from periskope_async.session import SessionManager
    from periskope_async.transport import Answer
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
        view = self._manager.limiter.snapshot()
        return view.limit / view.window

    def _is_all(self, rows: int, *, limit: int, count: int | None) -> bool:
        """Whether nothing can follow: one id names one chat, answered bare or as a list that does not fill its page."""
        return self._query.chat_id is not None and (rows < limit or count is None)

    def _sort_time(self, chat: Chat) -> float | None:
        """Read what the list is sorted by, in Unix seconds."""
        if self._query.sort_by == "latest_message_timestamp":
            message = chat.latest_message
            time = chat.latest_message_timestamp or (message.timestamp if message else None)
        else:
            time = chat.created_at
        return time.timestamp() if time else None

    async def _page(self, offset: int, limit: int, *, is_reversed: bool) -> Answer:
        query = self._query
        if is_reversed:
            query = replace(query, sort_order="asc" if query.is_newest_first else "desc")
        return await self._manager.fetch(query.page(offset=offset, limit=limit), cache=self._cache, is_bulk=True)


class ChatSource(_Chats):
    """Pages of typed chats."""

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool) -> FetchedPage[Chat]:
        """Fetch and decode one page."""
        answer = await self._page(offset, limit, is_reversed=is_reversed)
        page = answer.read(read_chat_page)
        return FetchedPage(
            rows=page.chats,
            identities=[(chat.chat_id, chat.org_phone or None) for chat in page.chats],
            count=page.count,
            first_index=page.from_,
            meta=answer.meta,
            is_all=self._is_all(len(page.chats), limit=limit, count=page.count),
            sort_time=lambda index: self._sort_time(page.chats[index]),
        )


class RawChatSource(_Chats):
    """Pages of chats as the server wrote them."""

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool) -> FetchedPage[bytes]:
        """Fetch one page and read no more of its rows than what tells them apart."""
        answer = await self._page(offset, limit, is_reversed=is_reversed)
        page = answer.read(read_raw_page)
        return FetchedPage(
            rows=[row.json for row in page.rows],
            identities=[(row.chat_id, row.org_phone) for row in page.rows],
            count=page.count,
            first_index=page.from_,
            meta=answer.meta,
            is_all=self._is_all(len(page.rows), limit=limit, count=page.count),
            sort_time=lambda index: self._sort_time(read_chat(page.rows[index].json)),
        )
