"""The endpoints of members: the people of the team and their access to the organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import AGENTS, COLORS, ORG_ID
from periskope_async.sandbox.moments import NEWEST, stamp, stamp_now
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import TEXTS, an_array, an_object, choice

if TYPE_CHECKING:
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["MEMBER", "Members"]

MEMBER: Schema = an_object(
    {
        "text": "email org_id role member_color",
        "text_or_null": "created_at invited_at invited_by user_id member_name member_image",
        "bool": "is_active",
        "bool_or_null": "is_owner is_online",
        "map": "preferences",
        "map_or_null": "member_metadata",
        "any": "label_ids org_phones",
    }
)
_LIST_OR_NULL: Schema = {"type": ["array", "null"], "items": {"type": "string"}}


class Members:
    """Members by their e-mail. No endpoint lists them."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._rows: dict[str, dict[str, Any]] = {}
        for number, email in enumerate(AGENTS):
            at = stamp(NEWEST - number * 86_400)
            member = self._made(email, "admin" if number == 0 else "member", at, None, None)
            self._rows[email] = {**member, "is_active": True, "is_owner": number == 0}

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        access: dict[str, Schema] = {"labels": _LIST_OR_NULL, "orgPhones": _LIST_OR_NULL}
        invite = Body({"emails": TEXTS, "role": choice("admin", "member"), **access}, needed=("emails", "role"))
        change = Body({"emails": TEXTS, **access}, needed=("emails",), one_of=("labels", "orgPhones"))
        error = an_object({"text": "email"}, others={"error": an_object({"text": "message"})})
        invited = an_object({}, others={"addedMembers": an_array(MEMBER), "errors": an_array(error)})
        gone = an_object({"bool": "success", "text": "message"})
        return [
            Route("POST", "/members/invite", self._invite, invited, body=invite),
            Route("PATCH", "/members/access", self._access, an_array(MEMBER), body=change),
            Route("DELETE", "/members/{id}", self._delete, gone),
        ]

    def _invite(self, call: Call) -> dict[str, Any]:
        added: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for email in call.body["emails"]:
            if email in self._rows or "@" not in email:
                message = "Member already exists" if email in self._rows else "Invalid email"
                errors.append({"email": email, "error": {"message": message}})
                continue
            is_admin = call.body["role"] == "admin"
            labels, phones = (None, None) if is_admin else (call.body.get("labels"), call.body.get("orgPhones"))
            member = self._made(email, call.body["role"], stamp_now(call.now), labels, phones)
            self._rows[email] = member
            self._org.world.emit("org.member.created", member)
            added.append(member)
        return {"addedMembers": added, "errors": errors}

    def _access(self, call: Call) -> list[dict[str, Any]]:
        emails = call.body["emails"]
        for email in emails:
            if self._rows.get(email, {}).get("role") != "member":
                # Admins have no access to change. The server's answer for them is not documented.
                raise Refused(404, "Member not found")
        for email in emails:
            member = self._rows[email]
            if "labels" in call.body:
                member["label_ids"] = self._label_ids(call.body["labels"])
            if "orgPhones" in call.body:
                member["org_phones"] = _org_phones(call.body["orgPhones"])
            self._org.world.emit("org.member.updated", member)
        return [self._rows[email] for email in emails]

    def _delete(self, call: Call) -> dict[str, Any]:
        member = self._rows.get(call.path["id"])
        if member is None or member["is_owner"]:
            raise Refused(404, "Member not found")
        del self._rows[call.path["id"]]
        return {"success": True, "message": "Member deleted successfully"}

    def _made(
        self, email: str, role: str, at: str, labels: list[str] | None, phones: list[str] | None
    ) -> dict[str, Any]:
        drawn = self._org.draw(f"member {email}")
        return {
            "email": email,
            "org_id": ORG_ID,
            "role": role,
            "is_active": False,
            "member_color": COLORS[drawn[0] % len(COLORS)],
            "preferences": {},
            "created_at": at,
            "invited_at": at,
            "invited_by": "api",
            "user_id": uuid_of(drawn),
            "member_name": email.partition("@")[0],
            "member_image": None,
            "is_owner": False,
            "is_online": None,
            "label_ids": self._label_ids(labels),
            "org_phones": _org_phones(phones),
            "member_metadata": None,
        }

    def _label_ids(self, names: list[str] | None) -> list[str] | None:
        """Give a list of ids: members alone have a list of them."""
        return None if names is None else list(self._org.label_ids(",".join(names)))


def _org_phones(phones: list[str] | None) -> list[str] | None:
    return None if phones is None else [phone if "@" in phone else f"{phone}@c.us" for phone in phones]
