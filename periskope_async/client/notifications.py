"""Notifications: joins, new names, calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import CHAT_NOTIFICATIONS, NOTIFICATIONS, of_chat_or_all

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.models.notification import Notification
    from periskope_async.models.page import ListPage
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.listing import ListQuery
    from periskope_async.wire.period import Moment

__all__ = ["NotificationMethods"]


class NotificationMethods(BaseClient):
    """The client's methods for notifications (https://docs.periskope.app/api-reference/chat/list-all-notifications)."""

    def iter_notifications(
        self,
        *,
        chat_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        phone: str | None = None,
        **walk: Unpack[WalkParams],
    ) -> Pager[Notification]:
        """Walk over the notifications of one chat, or of all, newest first.

        Without a phone, those of one chat are of every phone of the key. The server has no filter by time for one chat.
        Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(_query(chat_id, start_time, end_time, self._phone(phone)), **walk)

    async def list_notifications(
        self,
        *,
        chat_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        offset: int = 0,
        limit: int = 1000,
        phone: str | None = None,
    ) -> ListPage[Notification]:
        """Read one page of the list of :meth:`iter_notifications`. Raises as :meth:`list_chats` does."""
        query = _query(chat_id, start_time, end_time, self._phone(phone))
        return await self._page(query, offset=offset, limit=limit)


def _query(
    chat_id: str | None, start_time: Moment | None, end_time: Moment | None, phone: str | None
) -> ListQuery[Notification]:
    return of_chat_or_all(NOTIFICATIONS, CHAT_NOTIFICATIONS, chat_id, start_time, end_time, phone=phone)
