"""Reactions to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import REACTIONS
from periskope_async.wire import inputs
from periskope_async.wire.chats import normal_chat_id
from periskope_async.wire.period import period

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.models.message import Reaction
    from periskope_async.models.page import ListPage
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.listing import ListQuery
    from periskope_async.wire.period import Moment

__all__ = ["ReactionMethods"]


class ReactionMethods(BaseClient):
    """The client's methods for reactions (https://docs.periskope.app/api-reference/reactions/get-reactions)."""

    def iter_reactions(
        self,
        *,
        chat_id: str | None = None,
        message_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        phone: str | None = None,
        **walk: Unpack[WalkParams],
    ) -> Pager[Reaction]:
        """Walk over the reactions to one message, in one chat, or to all. Their order is not documented.

        Times, options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(_query(chat_id, message_id, start_time, end_time, self._phone(phone)), **walk)

    async def list_reactions(
        self,
        *,
        chat_id: str | None = None,
        message_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        offset: int = 0,
        limit: int = 500,
        phone: str | None = None,
    ) -> ListPage[Reaction]:
        """Read one page of the list of :meth:`iter_reactions`. Raises as :meth:`list_chats` does."""
        query = _query(chat_id, message_id, start_time, end_time, self._phone(phone))
        return await self._page(query, offset=offset, limit=limit)


def _query(
    chat_id: str | None,
    message_id: str | None,
    start_time: Moment | None,
    end_time: Moment | None,
    phone: str | None,
) -> ListQuery[Reaction]:
    filters = {
        "chat_id": None if chat_id is None else normal_chat_id(chat_id),
        "message_id": None if message_id is None else inputs.path_id("message_id", message_id),
        **period(start_time, end_time),
    }
    return REACTIONS.query(filters, phone=phone)
