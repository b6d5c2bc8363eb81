"""Groups: POST /chats/create and the changes of a group (types of ``@periskope/periskope-client``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.decoding.objects import one_of, read_invite_link, read_participants
from periskope_async.models.chat import Chat
from periskope_async.wire import inputs
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from periskope_async.models.outcome import ParticipantResults
    from periskope_async.wire.inputs import Words

__all__ = ["GroupMethods"]


class GroupMethods(BaseClient):
    """The client's methods for groups (types of ``@periskope/periskope-client``).

    All act for one phone, the client's or ``phone``. They wait for the limit and raise ConfigError, NotFoundError,
    ValidationError, other APIErrors, TransportError if nothing was sent, and OutcomeUnknown.
    """

    async def create_group(
        self,
        group_name: str,
        *,
        participants: Words,
        description: str | None = None,
        image: str | None = None,
        only_admins_add: bool | None = None,
        only_admins_write: bool | None = None,
        only_admins_change_info: bool | None = None,
        force_add_participants: bool | None = None,
        phone: str | None = None,
    ) -> Chat:
        """Create a group with these participants (phone numbers), and get its chat. ``image`` is a public URL.

        ``force_add_participants`` adds even people who are not the phone's contacts, or whose privacy settings forbid
        it (the server's default is False). Old servers answered with the chat's id alone: then the other fields are
        UNSET. A one-to-one chat needs no creation: sending a message makes it.
        """
        options = {
            "addMembersAdminsOnly": inputs.optional_flag("only_admins_add", only_admins_add),
            "messagesAdminsOnly": inputs.optional_flag("only_admins_write", only_admins_write),
            "infoAdminsOnly": inputs.optional_flag("only_admins_change_info", only_admins_change_info),
            "description": inputs.optional_text("description", description),
            "image": None if image is None else inputs.url("image", image),
            "force_add_participants": inputs.optional_flag("force_add_participants", force_add_participants),
        }
        given = {name: value for name, value in options.items() if value is not None}
        body = inputs.json_body(
            {
                "group_name": inputs.text("group_name", group_name),
                "participants": inputs.many_digits("participants", participants),
                "options": given or None,
            }
        )
        look_at = 'iter_chats(chat_type="group")'
        return await self._write(
            "POST", "/chats/create", one_of(Chat), body=body, phone=self._phone(phone), look_at=look_at
        )

    async def update_group(
        self,
        chat_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        image: str | None = None,
        only_admins_add: bool | None = None,
        only_admins_write: bool | None = None,
        only_admins_change_info: bool | None = None,
        phone: str | None = None,
    ) -> Chat:
        """Change a group's settings, and get its chat as it is now. ``image`` is a public URL.

        None leaves a setting out, which should keep it. The types name defaults, though (True for ``only_admins_add``,
        False for the other two), and do not say whether these replace what is left out: look at the answer.
        """
        changes = {
            "name": None if name is None else inputs.text("name", name),
            "description": inputs.optional_text("description", description),
            "image": None if image is None else inputs.url("image", image),
            "memberAddMode": inputs.optional_flag("only_admins_add", only_admins_add),
            "messagesAdminsOnly": inputs.optional_flag("only_admins_write", only_admins_write),
            "infoAdminsOnly": inputs.optional_flag("only_admins_change_info", only_admins_change_info),
        }
        inputs.at_least_one(
            name=name,
            description=description,
            image=image,
            only_admins_add=only_admins_add,
            only_admins_write=only_admins_write,
            only_admins_change_info=only_admins_change_info,
        )
        return await self._write(
            "POST",
            _group(chat_id, "settings"),
            one_of(Chat),
            body=inputs.json_body(changes),
            phone=self._phone(phone),
            look_at="get_chat",
        )

    async def create_invite_link(self, chat_id: str, *, phone: str | None = None) -> str:
        """Make a new invite link for a group, and get it; the old one stops working."""
        return await self._write(
            "POST", _group(chat_id, "invite"), read_invite_link, phone=self._phone(phone), look_at="get_chat"
        )

    async def accept_invite(self, invite: str, *, phone: str | None = None) -> Chat:
        """Join a group by its invite link, or by the code at the link's end, and get its chat."""
        code = inputs.path_id("invite", invite).partition("?")[0].rstrip("/").rpartition("/")[2]
        body = inputs.json_body({"invite_code": inputs.text("invite", code)})
        return await self._write(
            "POST", "/chats/accept-invite", one_of(Chat), body=body, phone=self._phone(phone), look_at="iter_chats"
        )

    async def add_participants(
        self,
        chat_id: str,
        *,
        participants: Words,
        force_add_participants: bool | None = None,
        phone: str | None = None,
    ) -> ParticipantResults:
        """Add participants (phone numbers). It may succeed for some: see ``.failed`` and ``raise_for_failures()``.

        People who are not the phone's contacts, or whose privacy settings forbid it, get an invite instead.
        ``force_add_participants`` adds the former, too (the server's default is False).

        Source: https://docs.periskope.app/api-reference/chat/add-participant.
        """
        force = {"force_add_participants": inputs.optional_flag("force_add_participants", force_add_participants)}
        return await self._participants(chat_id, "add", participants, phone, force)

    async def remove_participants(
        self, chat_id: str, *, participants: Words, phone: str | None = None
    ) -> ParticipantResults:
        """Remove participants. It may succeed for some, see :meth:`add_participants`."""
        return await self._participants(chat_id, "remove", participants, phone)

    async def promote_participants(
        self, chat_id: str, *, participants: Words, phone: str | None = None
    ) -> ParticipantResults:
        """Make participants admins. It may succeed for some, see :meth:`add_participants`."""
        return await self._participants(chat_id, "promote", participants, phone)

    async def demote_participants(
        self, chat_id: str, *, participants: Words, phone: str | None = None
    ) -> ParticipantResults:
        """Make admins plain participants. It may succeed for some, see :meth:`add_participants`."""
        return await self._participants(chat_id, "demote", participants, phone)

    async def leave_group(self, chat_id: str, *, phone: str | None = None) -> None:
        """Leave a group."""
        await self._do("POST", _group(chat_id, "leave"), phone=self._phone(phone), look_at="get_chat(…).is_exited")

    async def _participants(
        self,
        chat_id: str,
        action: str,
        participants: Words,
        phone: str | None,
        options: dict[str, bool | None] | None = None,
    ) -> ParticipantResults:
        numbers = inputs.many_digits("participants", participants)
        return await self._write(
            "POST",
            _group(chat_id, action),
            read_participants,
            body=inputs.json_body({"participants": numbers, **(options or {})}),
            phone=self._phone(phone),
            look_at="get_chat(…).members",
        )


def _group(chat_id: str, action: str) -> str:
    return f"/chats/{encoded(inputs.group_id(chat_id))}/{action}"
