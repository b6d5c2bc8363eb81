"""Chats: https://docs.periskope.app/api-reference/chat/list-all-chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import CHATS
from periskope_async.models.page import ChatPage
from periskope_async.wire.chats import chat_filters, normal_chat_id
from periskope_async.wire.request import Request, encoded

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.cache import PageCache
    from periskope_async.client.base import WalkParams
    from periskope_async.models.chat import Chat
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.chats import ChatType, SortBy, SortOrder
    from periskope_async.wire.period import Moment

__all__ = ["ChatMethods"]


class ChatMethods(BaseClient):
    """The client's methods for chats."""

    def iter_chats(
        self,
        *,
        chat_type: ChatType | None = None,
        label: str | None = None,
        chat_id: str | None = None,
        phone: str | None = None,
        sort_by: SortBy | None = None,
        sort_order: SortOrder | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        **walk: Unpack[WalkParams],
    ) -> Pager[Chat]:
        """Walk over all chats that match: ``async for chat in client.iter_chats(label="vip")``.

        Filters and order are the server's (https://docs.periskope.app/api-reference/chat/list-all-chats): ``label`` is
        a label's name or id, ``start_time`` and ``end_time`` an ISO string, a date (an end date means its whole day) or
        a datetime (a naive one is UTC). ``phone`` overrides the client's.

        ``page_size`` is what one request asks for (a look at what moved may ask for more), ``max_items`` what you get.
        ``prefetch`` is how many pages are asked for at once: None chooses by limit, latency and your own pace, 1 asks
        for one after another. ``consistency="exact"`` loses and doubles nothing, or ``pager.report`` says what cannot
        be proven; ``"dedupe"`` only drops what is met twice; ``"none"`` gives rows as they come, at no memory.
        ``resume`` goes on behind a ``pager.token``. With a ``cache`` (:class:`PageCache`), pages that have not changed
        since they were last read are not sent again.

        Nothing is sent before the first row is asked for. Raises ConfigError here; while iterating APIError,
        TransportError, DecodeError, PaginationError, ClosedError.
        """
        filters = chat_filters(
            sort_by=sort_by,
            sort_order=sort_order,
            chat_id=chat_id,
            chat_type=chat_type,
            label=label,
            start_time=start_time,
            end_time=end_time,
        )
        return self._walk(CHATS.query(filters, phone=self._phone(phone)), **walk)

    async def list_chats(
        self,
        *,
        offset: int = 0,
        limit: int = 1000,
        chat_type: ChatType | None = None,
        label: str | None = None,
        chat_id: str | None = None,
        phone: str | None = None,
        sort_by: SortBy | None = None,
        sort_order: SortOrder | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        cache: PageCache | None = None,
    ) -> ChatPage:
        """Read one page of chats, as the server sends it: ``limit`` rows (1 to 2000) from ``offset`` (from 0) on.

        Members are not in a list; :meth:`get_chat` has them. ``cache`` is that of :meth:`iter_chats`. Waits for the
        limit. Raises ConfigError, APIError, TransportError, DecodeError, ClosedError.
        """
        filters = chat_filters(
            sort_by=sort_by,
            sort_order=sort_order,
            chat_id=chat_id,
            chat_type=chat_type,
            label=label,
            start_time=start_time,
            end_time=end_time,
        )
        query = CHATS.query(filters, phone=self._phone(phone))
        return await self._list(query, ChatPage, offset=offset, limit=limit, cache=cache)

    async def get_chat(self, chat_id: str, *, phone: str | None = None) -> Chat:
        """Read one chat, with its members. ``chat_id`` is ``…@g.us``, ``…@c.us``, or a person's digits.

        Waits for the limit. Raises NotFoundError where there is none, ConfigError where ``chat_id`` cannot be one, and
        what :meth:`list_chats` raises.
        """
        target = f"/chats/{encoded(normal_chat_id(chat_id))}"
        return await self._get(CHATS, Request(method="GET", target=target, phone=self._phone(phone)))
