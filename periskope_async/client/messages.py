"""Messages: read, sent, changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from periskope_async.client.content import written_content
from periskope_async.client.lists import CHAT_MESSAGES, MESSAGES, of_chat_or_all
from periskope_async.client.queue import QueueMethods
from periskope_async.client.sent import SentBroadcast, SentMessage
from periskope_async.decoding.objects import one_of, one_or_none, read_receipt, with_meta
from periskope_async.errors import ConfigError, NotFoundError
from periskope_async.models.message import Message
from periskope_async.models.queue import BroadcastReceipt, CancelledBroadcast, MessageStatus
from periskope_async.wire import inputs
from periskope_async.wire.chats import normal_chat_id
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from typing import Any, Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.client.content import Poll
    from periskope_async.media import Media
    from periskope_async.models.page import ListPage
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.inputs import Moment, Words
    from periskope_async.wire.listing import ListQuery

__all__ = ["MessageMethods"]

_VARIABLE = r"\{\{([^{}]+)\}\}"
_LOOK_AT = "list_queue_jobs and iter_messages(chat_id=…)"


class MessageMethods(QueueMethods):
    """The client's methods for messages (https://docs.periskope.app/api-reference/message/send-message).

    Writes wait for the limit, and go ahead of walks. They raise ConfigError, NotFoundError, ValidationError, other
    APIErrors, TransportError if nothing was sent, and OutcomeUnknown if the message may be on its way: it is never
    sent twice.
    """

    def iter_messages(
        self,
        *,
        chat_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        phone: str | None = None,
        **walk: Unpack[WalkParams],
    ) -> Pager[Message]:
        """Walk over the messages of one chat, or of all, newest first. Reactions are not in a list.

        The server has no filter by time for one chat. Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(_query(chat_id, start_time, end_time, self._phone(phone)), **walk)

    async def list_messages(
        self,
        *,
        chat_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        offset: int = 0,
        limit: int = 1000,
        phone: str | None = None,
    ) -> ListPage[Message]:
        """Read one page of the list of :meth:`iter_messages`. Raises as :meth:`list_chats` does."""
        query = _query(chat_id, start_time, end_time, self._phone(phone))
        return await self._page(query, offset=offset, limit=limit)

    async def get_message(self, message_id: str, *, phone: str | None = None) -> Message:
        """Read one message, with its reactions. ``message_id`` may also be a ``queue_id``, once that is sent.

        Raises NotFoundError if there is none, and the errors of :meth:`list_chats`.
        """
        target, reader = _target(message_id), with_meta(one_or_none(Message))
        found, meta = await self._read(target, reader, phone=self._phone(phone), expects="json or nothing")
        if found is None:
            raise NotFoundError(
                f"{meta.status} on GET {target}: there is nothing yet; if this is a queue_id, the message may still be "
                "in the queue, see list_queue_jobs(queue_id=…)",
                status=meta.status,
                meta=meta,
            )
        return found

    async def get_message_status(self, unique_id: str, *, phone: str | None = None) -> MessageStatus:
        """Read how far a message has come, by the ``unique_id`` of its sending.

        Source: https://docs.periskope.app/api-reference/message/message-status. Raises as :meth:`get_message` does.
        """
        target = f"/message/{encoded(inputs.path_id('unique_id', unique_id))}/status"
        return await self._read(target, one_of(MessageStatus), phone=self._phone(phone))

    async def send_message(
        self,
        chat_id: str,
        message: str | None = None,
        *,
        media: Media | None = None,
        poll: Poll | None = None,
        reply_to: str | None = None,
        hide_url_preview: bool | None = None,
        phone: str | None = None,
    ) -> SentMessage:
        """Queue a message, and get a handle: ``await sent.wait(until="delivered")``.

        ``chat_id`` is a chat's id, or a person's number; a chat that is not there yet is made. ``message`` is the text
        (WhatsApp's own marks for bold and the like work), or the caption of ``media``. ``reply_to`` is a message's id.
        The server picks a phone for a group if none is given.
        """
        body = await _message_body(chat_id, message, media, poll, reply_to, hide_url_preview)
        return await self._sent("/message/send", body, phone)

    async def send_message_and_wait(
        self,
        chat_id: str,
        message: str | None = None,
        *,
        media: Media | None = None,
        poll: Poll | None = None,
        reply_to: str | None = None,
        hide_url_preview: bool | None = None,
        sync_timeout: float | None = None,
        phone: str | None = None,
    ) -> SentMessage:
        """Send a message. The server answers once it is sent: then ``.message`` is there.

        It is only queued if this takes over ``sync_timeout`` seconds (the server's default is 20): ``.message`` is
        None. The client's own ``timeout`` must be longer. Arguments and errors are those of :meth:`send_message`.

        Source: https://docs.periskope.app/api-reference/message/send-message-sync.
        """
        seconds = inputs.seconds("sync_timeout", sync_timeout)
        body = await _message_body(chat_id, message, media, poll, reply_to, hide_url_preview, sync_timeout=seconds)
        return await self._sent("/message/send-sync", body, phone)

    async def broadcast(
        self,
        chat_ids: Words,
        message: str | None = None,
        *,
        media: Media | None = None,
        poll: Poll | None = None,
        reply_to: str | None = None,
        scheduled_at: Moment | None = None,
        delay: float | None = None,
        variables: Mapping[str, Mapping[str, str]] | None = None,
        phone: str | None = None,
    ) -> SentBroadcast:
        """Queue a message for many chats, and get a handle: ``(await sent.wait()).sent_chats``.

        ``delay`` is the seconds between two of them (the server's default is 1). ``variables`` maps each chat's id to
        the values of the message's ``{{name}}``, and each chat needs all of them. No document shows how the text marks
        a value's place: this form is a guess, so try it with one chat first. If the text itself holds ``{{x}}``, give
        that as the value of ``x``. ``sent.cancel()`` calls the broadcast off. Each message probably takes a paid
        credit, as the console's bulk messages do (https://docs.periskope.app/features/bulk-message).
        """
        ids = inputs.chat_ids(chat_ids)
        filled = {} if variables is None else _variables(variables)
        if strange := filled.keys() - set(ids):
            raise ConfigError(f"variables names a chat that chat_ids does not: {min(strange)}", parameter="variables")
        if isinstance(message, str):
            _check_filled(message, ids, filled)
        body = await written_content(
            {
                "chat_ids": ids,
                "scheduled_at": inputs.optional_point("scheduled_at", scheduled_at),
                "delay": inputs.seconds("delay", delay),
                "variables": [{"chat_id": chat_id, "values": values} for chat_id, values in filled.items()] or None,
            },
            message=message,
            media=media,
            poll=poll,
            reply_to=reply_to,
        )
        number = self._phone(phone)
        reader = with_meta(one_of(BroadcastReceipt))
        receipt, meta = await self._write(
            "POST", "/message/broadcast", reader, body=body, phone=number, look_at=_LOOK_AT
        )
        return SentBroadcast(self, receipt.broadcast_id, number or meta.phone_id)

    async def cancel_broadcast(self, broadcast_id: str) -> CancelledBroadcast:
        """Delete a broadcast that has not started, or stop one at once: what is not sent yet stays unsent.

        The credits of unsent messages are not charged, or are refunded. ``status`` of the answer is ``deleted`` or
        ``stopped``. Source: https://docs.periskope.app/api-reference/message/delete-broadcast.
        """
        target = f"/message/broadcast/{encoded(inputs.path_id('broadcast_id', broadcast_id))}"
        return await self._write("DELETE", target, one_of(CancelledBroadcast), look_at="get_broadcast")

    async def edit_message(self, message_id: str, edited_body: str, *, phone: str | None = None) -> None:
        """Change a message's text, or a file's caption, within 15 minutes after it was delivered. Polls cannot be.

        ``message_id`` may also be a ``queue_id``.
        """
        await self._act_on_message(message_id, "edit", {"edited_body": inputs.text("edited_body", edited_body)}, phone)

    async def delete_message(self, message_id: str, *, phone: str | None = None) -> None:
        """Delete a message, named by its id or ``queue_id``, for everyone."""
        await self._act_on_message(message_id, "delete", None, phone)

    async def forward_message(self, message_id: str, *, chat_ids: Words, phone: str | None = None) -> None:
        """Forward a message, named by its id or ``queue_id``, to these chats."""
        await self._act_on_message(message_id, "forward", {"forward_chat_ids": inputs.chat_ids(chat_ids)}, phone)

    async def react_to_message(self, message_id: str, reaction: str, *, phone: str | None = None) -> None:
        """React with an emoji to a message, named by its id or ``queue_id``. No document says how to take it back."""
        await self._act_on_message(message_id, "react", {"reaction": inputs.text("reaction", reaction, most=64)}, phone)

    async def pin_message(self, message_id: str, *, phone: str | None = None) -> None:
        """Pin a message, named by its id or ``queue_id``, in its chat."""
        await self._act_on_message(message_id, "pin", {"pin": True}, phone)

    async def unpin_message(self, message_id: str, *, phone: str | None = None) -> None:
        """Take the pin of a message, named by its id or ``queue_id``, away."""
        await self._act_on_message(message_id, "pin", {"pin": False}, phone)

    async def _sent(self, target: str, body: bytes, phone: str | None) -> SentMessage:
        number = self._phone(phone)
        reader = with_meta(read_receipt)
        receipt, meta = await self._write("POST", target, reader, body=body, phone=number, look_at=_LOOK_AT)
        # Without a phone of ours the server has picked one, and its handle must ask that one.
        return SentMessage(self, receipt, number or meta.phone_id)

    async def _act_on_message(
        self, message_id: str, action: str, values: Mapping[str, Any] | None, phone: str | None
    ) -> None:
        body = None if values is None else inputs.json_body(values)
        target = f"{_target(message_id)}/{action}"
        await self._do("POST", target, body=body, phone=self._phone(phone), look_at="get_message")


def _query(
    chat_id: str | None, start_time: Moment | None, end_time: Moment | None, phone: str | None
) -> ListQuery[Message]:
    return of_chat_or_all(MESSAGES, CHAT_MESSAGES, chat_id, start_time, end_time, phone=phone)


def _target(message_id: str) -> str:
    return f"/message/{encoded(inputs.path_id('message_id', message_id))}"


def _variables(variables: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Give the values of each chat, by its whole id."""
    inputs.instance("variables", variables, Mapping, "give a dict of a dict for each chat's id")
    filled: dict[str, dict[str, str]] = {}
    for chat_id, values in variables.items():
        whole = normal_chat_id(chat_id)
        if whole in filled:
            raise ConfigError(f"variables names {whole} twice, in two spellings; give it once", parameter="variables")
        filled[whole] = inputs.text_map("variables", values, of=f" of {whole}")
    return filled


def _check_filled(message: str, ids: list[str], filled: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a chat without a value for one of the message's variables: its text would go out as it stands."""
    for name in filter(None, map(str.strip, re.findall(_VARIABLE, message))):
        for chat_id in ids:
            if name not in filled.get(chat_id, {}):
                raise ConfigError(
                    f"variables has no {name!r:.100} for {chat_id}, and the text would go out as it stands; "
                    "give variables={chat_id: {name: value}} with one for each chat",
                    parameter="variables",
                )


async def _message_body(
    chat_id: str,
    message: str | None,
    media: Media | None,
    poll: Poll | None,
    reply_to: str | None,
    hide_url_preview: bool | None,  # noqa: FBT001 - passed on
    *,
    sync_timeout: float | None = None,
) -> bytes:
    is_hidden = inputs.optional_flag("hide_url_preview", hide_url_preview)
    rest = {
        "chat_id": normal_chat_id(chat_id),
        "sync_timeout": sync_timeout,
        "options": None if is_hidden is None else {"hide_url_preview": is_hidden},
    }
    return await written_content(rest, message=message, media=media, poll=poll, reply_to=reply_to)
