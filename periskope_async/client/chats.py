"""Chats: https://docs.periskope.app/api-reference/chat/list-all-chats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import CHATS
from periskope_async.decoding.objects import one_of
from periskope_async.models.chat import Chat
from periskope_async.models.page import ChatPage
from periskope_async.models.settings import ChatAiSettings
from periskope_async.wire import inputs
from periskope_async.wire.chats import chat_filters, normal_chat_id
from periskope_async.wire.request import Request, encoded

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.cache import PageCache
    from periskope_async.client.base import WalkParams
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.chats import ChatType, SortBy, SortOrder
    from periskope_async.wire.inputs import Moment, Words

__all__ = ["ChatMethods"]


class ChatMethods(BaseClient):
    """The client's methods for chats (https://docs.periskope.app/api-reference/chat/list-all-chats)."""

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
        """Walk over all matching chats: ``async for chat in client.iter_chats(label="vip")``.

        Filters and order are the server's (https://docs.periskope.app/api-reference/chat/list-all-chats): ``label`` is
        a label's name or id, ``start_time`` and ``end_time`` an ISO string, a date (an end date means its whole day) or
        a datetime (a naive one is UTC). ``phone`` overrides the client's.

        ``page_size`` is the rows of one request (a look at moved rows may ask for more), ``max_items`` the max rows
        you get. ``prefetch`` is the number of pages in flight: None chooses by limit, latency and your own pace, 1
        asks for one after another. ``consistency="exact"`` loses and doubles nothing, or ``pager.report`` names the
        doubt; ``"dedupe"`` only drops duplicates; ``"none"`` gives rows as they come, at no memory. ``resume`` goes on
        behind a ``pager.token``. A ``cache`` (:class:`PageCache`) saves the server from sending unchanged pages again.

        Asking for the first row sends the first request. Raises ConfigError here; while iterating APIError,
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

        Members are not in a list; :meth:`get_chat` has them. ``cache`` is as in :meth:`iter_chats`. Waits for the
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
        """Read one chat, with its members. ``chat_id`` is ``…@g.us``, ``…@c.us``, or a person's number.

        Waits for the limit. Raises NotFoundError if there is none, ConfigError if ``chat_id`` cannot be one, and the
        errors of :meth:`list_chats`.
        """
        target = f"/chats/{encoded(normal_chat_id(chat_id))}"
        return await self._get(CHATS, Request(method="GET", target=target, phone=self._phone(phone)))

    async def update_chat(
        self,
        chat_id: str,
        *,
        assigned_to: str | None = None,
        labels: Words | None = None,
        custom_properties: Mapping[str, str] | None = None,
        phone: str | None = None,
    ) -> Chat:
        """Change a chat, and get it as it is now. None keeps a value.

        ``assigned_to`` is a member's e-mail, ``labels`` replaces all of the chat's labels (names; unknown ones are
        created; none takes all away), ``custom_properties`` maps a property's name or id to its value, a text.
        ``assigned_to=""`` is sent to take the assignee away; no document states what does: look at the answer.

        Source: https://docs.periskope.app/api-reference/chat/update-chat. Waits for the limit. Raises ConfigError,
        NotFoundError, ValidationError, other APIErrors, TransportError if nothing was sent, and OutcomeUnknown.
        """
        inputs.at_least_one(assigned_to=assigned_to, labels=labels, custom_properties=custom_properties)
        body = inputs.json_body(
            {
                "assigned_to": inputs.new_email("assigned_to", assigned_to),
                "labels": inputs.optional_labels_text("labels", labels),
                "custom_properties": None
                if custom_properties is None
                else inputs.text_map("custom_properties", custom_properties),
            }
        )
        target = f"/chats/{encoded(normal_chat_id(chat_id))}"
        return await self._write("PATCH", target, one_of(Chat), body=body, phone=self._phone(phone), look_at="get_chat")

    async def set_chat_labels(self, chat_ids: Words, labels: Words, *, phone: str | None = None) -> None:
        """Replace all labels of these chats by ``labels`` (names; unknown ones are created; none takes all away).

        Source: PATCH /chats/labels of the official client. Raises as :meth:`update_chat` does.
        """
        body = inputs.json_body({"chat_ids": inputs.chat_ids(chat_ids), "labels": inputs.labels_text("labels", labels)})
        await self._do("PATCH", "/chats/labels", body=body, phone=self._phone(phone), look_at="iter_chats(label=…)")

    async def set_chat_access(
        self, chat_ids: Words, access: Mapping[str, bool], *, replace: bool = False, phone: str | None = None
    ) -> None:
        """Set the members' access to these chats: ``access`` maps a member's e-mail to True or False.

        ``replace`` takes all other members' own access away; otherwise ``access`` is merged with theirs.
        Source: PATCH /chats/access of the official client. Raises as :meth:`update_chat` does.
        """
        inputs.instance("access", access, Mapping, 'give a dict, such as {"ada@example.com": True}')
        may_see = {inputs.email("access", email): inputs.flag("access", may) for email, may in access.items()}
        body = inputs.json_body(
            {"chat_ids": inputs.chat_ids(chat_ids), "access": may_see, "replace": inputs.flag("replace", replace)}
        )
        await self._do("PATCH", "/chats/access", body=body, phone=self._phone(phone), look_at="get_chat")

    async def update_chat_ai(
        self, chat_id: str, *, is_agent_allowed: bool | None = None, is_flagging_allowed: bool | None = None
    ) -> ChatAiSettings:
        """Set the AI agent's rights in a chat, and get them as they are now. None keeps a value.

        Source: https://docs.periskope.app/api-reference/chat/update-chat-ai-settings. Raises as :meth:`update_chat`.
        """
        inputs.at_least_one(is_agent_allowed=is_agent_allowed, is_flagging_allowed=is_flagging_allowed)
        body = inputs.json_body(
            {
                "is_agent_allowed": inputs.optional_flag("is_agent_allowed", is_agent_allowed),
                "is_flagging_allowed": inputs.optional_flag("is_flagging_allowed", is_flagging_allowed),
            }
        )
        target = f"/chats/{encoded(normal_chat_id(chat_id))}/ai"
        return await self._write("PATCH", target, one_of(ChatAiSettings), body=body, look_at="get_chat(…).ai_metadata")

    async def mark_chat_read(self, chat_id: str, *, phone: str | None = None) -> None:
        """Mark a chat as read. Doing it twice does no harm.

        Source: https://docs.periskope.app/api-reference/chat/mark-read. Raises as :meth:`update_chat` does.
        """
        target = f"/chats/{encoded(normal_chat_id(chat_id))}/read"
        await self._do("POST", target, phone=self._phone(phone), look_at="get_chat(…).message_unread_count")
