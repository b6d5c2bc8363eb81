"""The endpoints of groups: to make, join and leave them, and to change their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import ORG_ID
from periskope_async.sandbox.chats import CHAT
from periskope_async.sandbox.data import Traits
from periskope_async.sandbox.express import Answer
from periskope_async.sandbox.moments import stamp_now
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import BOOL, TEXT, TEXTS, an_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async.sandbox.notifications import Notifications
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["Groups"]

_OPERATIONS: Schema = {
    "type": "object",
    "additionalProperties": an_object(
        {"bool": "is_success isInviteV4Sent", "text": "message", "int": "code"}, maybe="isInviteV4Sent message code"
    ),
}
_OPTIONS: Schema = {
    "type": "object",
    "properties": {
        **dict.fromkeys(
            ("addMembersAdminsOnly", "messagesAdminsOnly", "infoAdminsOnly", "force_add_participants"), BOOL
        ),
        **dict.fromkeys(("description", "image"), TEXT),
    },
}
# The code alone, not the link to it.
_CODE: Schema = {"type": "string", "pattern": "^[^/]+$"}
# The keys of a chat for a group's settings.
_COLUMNS = {
    "description": "group_description",
    "image": "chat_image",
    "infoAdminsOnly": "info_admins_only",
    "messagesAdminsOnly": "messages_admins_only",
    "name": "chat_name",
}
_LINK = "https://chat.whatsapp.com/invite/"


class Groups:
    """The endpoints of groups. Groups are chats: they live in the world.

    Numbers ending in 0000 are not on WhatsApp and fail to join. Numbers ending in 1111 may only be invited, unless
    ``force_add_participants`` is set.
    """

    def __init__(self, org: Org, notifications: Notifications) -> None:
        self._org = org
        self._notifications = notifications

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        create = Body(
            {"group_name": TEXT, "participants": TEXTS, "options": _OPTIONS}, needed=("group_name", "participants")
        )
        settings: dict[str, Schema] = {
            **dict.fromkeys(("memberAddMode", "infoAdminsOnly", "messagesAdminsOnly"), BOOL),
            **dict.fromkeys(("description", "image", "name"), TEXT),
        }
        people = Body({"participants": TEXTS}, needed=("participants",))
        forced = Body({**people.keys, "force_add_participants": BOOL}, needed=("participants",))
        link = an_object({"text": "invite_link"})
        code = Body({"invite_code": _CODE}, needed=("invite_code",))
        one = "/chats/{chat_id}"
        change = Body(settings, one_of=tuple(settings))
        return [
            Route("POST", "/chats/create", self._create, CHAT, phone="needed", body=create),
            Route("POST", f"{one}/settings", self._settings, CHAT, phone="needed", body=change),
            Route("POST", f"{one}/invite", self._invite, link, phone="needed"),
            Route("POST", "/chats/accept-invite", self._accept, CHAT, phone="needed", body=code),
            Route("POST", f"{one}/add", self._add, _OPERATIONS, phone="needed", body=forced),
            Route("POST", f"{one}/remove", self._remove, _OPERATIONS, phone="needed", body=people),
            Route("POST", f"{one}/promote", self._promote, _OPERATIONS, phone="needed", body=people),
            Route("POST", f"{one}/demote", self._demote, _OPERATIONS, phone="needed", body=people),
            Route("POST", f"{one}/leave", self._leave, phone="needed"),
        ]

    def _group(self, call: Call) -> dict[str, Any]:
        chat_id = call.path["chat_id"]
        if not chat_id.endswith("@g.us"):
            message = "chat_id should be that of a group"
            raise Refused(422, message, {"chat_id": {"message": message, "value": chat_id}})
        return self._org.chat(chat_id, call.phone)

    def _create(self, call: Call) -> dict[str, Any]:
        people = [_contact_id(name) for name in call.body["participants"]]
        return self._open(call, call.body["group_name"], people, call.body.get("options", {}))

    def _open(self, call: Call, name: str, people: list[str], options: dict[str, Any]) -> dict[str, Any]:
        org = self._org
        drawn = org.issue("group")
        chat_id = f"120364{drawn[0] % 10**6:06d}{drawn[1] % 10**6:06d}@g.us"
        own = org.org_phone(call.phone)
        members = {own: self._member(chat_id, own, own, is_admin=True)}
        # The answer has no field for people who are not on WhatsApp or may not be added: they are left out.
        forced = options.get("force_add_participants", False)
        willing = [person for person in people if _refusal(person, forced=forced) is None]
        members |= {person: self._member(chat_id, own, person) for person in willing}
        chat = {
            "assigned_to": None,
            "chat_access": None,
            "chat_image": options.get("image"),
            "chat_name": name,
            "chat_org_phones": [own],
            "chat_type": "group",
            "custom_properties": {},
            "group_description": options.get("description"),
            "info_admins_only": options.get("infoAdminsOnly", False),
            "invite_link": f"{_LINK}{drawn[2]:08x}{drawn[3]:08x}",
            "is_exited": False,
            "label_ids": {},
            "labels": [],
            "member_add_mode": "true" if options.get("addMembersAdminsOnly") else "false",
            "member_count": len(members),
            "members": members,
            "messages_admins_only": options.get("messagesAdminsOnly", False),
            "org_phone": own,
        }
        return org.world.open(chat_id, Traits("group", (call.phone or 0,), ()), chat)

    def _settings(self, call: Call) -> dict[str, Any]:
        chat = self._group(call)
        changes: dict[str, Any] = {_COLUMNS[name]: value for name, value in call.only(*_COLUMNS).items()}
        if "memberAddMode" in call.body:
            changes["member_add_mode"] = "true" if call.body["memberAddMode"] else "false"
        for setting, kind in {"chat_name": "subject", "group_description": "desc"}.items():
            if setting in changes:
                self._tell(call, kind, [], body=changes[setting])
        return self._change(chat, changes)

    def _invite(self, call: Call) -> dict[str, Any]:
        chat = self._group(call)
        drawn = self._org.issue("invite")
        changed = self._change(chat, {"invite_link": f"{_LINK}{drawn[0]:08x}{drawn[1]:08x}"})
        return {"invite_link": changed["invite_link"]}

    def _accept(self, call: Call) -> dict[str, Any]:
        code = call.body["invite_code"]
        return self._open(call, f"Group {code[:6]}", [], {})

    def _add(self, call: Call) -> dict[str, Any]:
        chat = self._group(call)
        forced = call.body.get("force_add_participants", False)
        own = self._org.org_phone(call.phone)
        members = dict(chat["members"])
        told: dict[str, Any] = {}
        for person in map(_contact_id, call.body["participants"]):
            told[person] = _refusal(person, forced=forced) or {"is_success": True, "code": 200}
            if person in members:
                told[person] = {"is_success": False, "message": "Already in the group", "code": 409}
            elif told[person]["code"] == 200:  # noqa: PLR2004 - HTTP
                members[person] = self._member(chat["chat_id"], own, person)
        self._set_members(call, chat, members, "add", told)
        return told

    def _remove(self, call: Call) -> dict[str, Any]:
        def work(members: dict[str, Any], person: str) -> None:
            del members[person]

        return self._each(call, "remove", work)

    def _promote(self, call: Call) -> dict[str, Any]:
        return self._each(call, "promote", lambda members, person: _set_admin(members, person, is_admin=True))

    def _demote(self, call: Call) -> dict[str, Any]:
        return self._each(call, "demote", lambda members, person: _set_admin(members, person, is_admin=False))

    def _each(self, call: Call, kind: str, work: Callable[[dict[str, Any], str], None]) -> dict[str, Any]:
        """Apply ``work`` to each named member, and give each one's result."""
        chat = self._group(call)
        members = dict(chat["members"])
        told: dict[str, Any] = {}
        for person in map(_contact_id, call.body["participants"]):
            if person in members:
                work(members, person)
                told[person] = {"is_success": True, "code": 200}
            else:
                told[person] = {"is_success": False, "message": "Not in the group", "code": 404}
        self._set_members(call, chat, members, kind, told)
        return told

    def _set_members(
        self, call: Call, chat: dict[str, Any], members: dict[str, Any], kind: str, told: dict[str, Any]
    ) -> None:
        done = [person for person, result in told.items() if result["is_success"]]
        if done:
            self._change(chat, {"members": members, "member_count": len(members)})
            self._tell(call, kind, done)

    def _leave(self, call: Call) -> Answer:
        chat = self._group(call)
        own = self._org.org_phone(call.phone)
        members = {name: member for name, member in chat["members"].items() if name != own}
        self._tell(call, "leave", [own])
        self._change(chat, {"is_exited": True, "members": members, "member_count": len(members)})
        return Answer(200, (("Content-Length", "0"),))

    def _change(self, chat: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        changed = self._org.world.change(chat["chat_id"], {**changes, "updated_at": stamp_now(self._org.now)})
        self._org.world.emit("chat.updated", changed)
        return changed

    def _tell(self, call: Call, kind: str, recipients: list[str], *, body: str = "") -> None:
        own = self._org.org_phone(call.phone)
        self._notifications.tell(kind, call.path["chat_id"], own, author=own, recipients=recipients, body=body)

    @staticmethod
    def _member(chat_id: str, own: str, contact_id: str, *, is_admin: bool = False) -> dict[str, Any]:
        return {
            "chat_id": chat_id,
            "contact_color": "#06CF9C",
            "contact_id": contact_id,
            "contact_image": None,
            "contact_name": None,
            "is_admin": is_admin,
            "is_internal": contact_id == own,
            "is_super_admin": is_admin,
            "org_id": ORG_ID,
            "org_phone": own,
        }


def _contact_id(name: str) -> str:
    return name if "@" in name else f"{name}@c.us"


def _refusal(contact_id: str, *, forced: bool) -> dict[str, Any] | None:
    """Give the reason why somebody does not join, or None."""
    if contact_id.endswith("0000@c.us"):
        return {"is_success": False, "message": "Not on WhatsApp", "code": 404, "isInviteV4Sent": False}
    if contact_id.endswith("1111@c.us") and not forced:
        return {"is_success": True, "message": "Invite sent to participant", "code": 403, "isInviteV4Sent": True}
    return None


def _set_admin(members: dict[str, Any], person: str, *, is_admin: bool) -> None:
    members[person] = {**members[person], "is_admin": is_admin}
