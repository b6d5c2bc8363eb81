"""The endpoints of chats: the list, one chat, and the writes to chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from periskope_async.sandbox.cast import PROPERTIES
from periskope_async.sandbox.moments import stamp_now
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import BOOL, TEXT, TEXTS, an_object, choice, one_page, page_query
from periskope_async.sandbox.validation import Filters, list_query

if TYPE_CHECKING:
    from periskope_async.sandbox.express import Answer
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["CHAT", "Chats", "OneChat", "change_labels"]

OneChat = Literal["chat", "list"]

# The 26 keys of the recorded list.
_ROW: dict[str, str] = {
    "text": "chat_id chat_name chat_type created_at member_add_mode org_id org_phone updated_at",
    "text_or_null": "assigned_to chat_image group_description invite_link",
    "int_or_null": "closed_at member_count message_unread_count",
    "map_or_null": "chat_access flag_count_map latest_message",
    "map": "custom_properties hubspot_metadata label_ids",
    "texts": "chat_org_phones",
    "bool": "info_admins_only is_exited is_muted messages_admins_only",
}
_WHOLE = {"texts": "labels", "map": "members", "bool": "is_archived"}
CHAT_ROW: Schema = an_object(_ROW)
CHAT: Schema = an_object(
    {kind: f"{names} {_WHOLE.get(kind, '')}" for kind, names in _ROW.items()},
    maybe="is_archived ai_metadata pinned_messages",
    others={"ai_metadata": {"type": "object"}, "pinned_messages": {"type": "array", "items": {}}},
)
"""A whole chat, as one chat's endpoint and the writes give it."""

_PROPERTY_IDS = dict(zip(("tier", "city", "renewal"), (property_id for property_id, _ in PROPERTIES), strict=True))
"""The custom properties by name, in lower case. Input may use either; chats are keyed by id."""
_AI = {"is_agent_allowed": BOOL, "is_flagging_allowed": BOOL}
_MAP_OF_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_MAP_OF_BOOLS: Schema = {"type": "object", "additionalProperties": {"type": "boolean"}}


class Chats:
    """The endpoints of chats. The chats themselves live in the world."""

    def __init__(self, org: Org, *, one_chat: OneChat) -> None:
        self._org = org
        self._one_chat: OneChat = one_chat

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        filters = {"chat_id": TEXT, "chat_type": TEXT, "label": TEXT}
        order = {
            "sort_by": choice("created_at", "latest_message_timestamp"),
            "sort_order": choice("desc", "asc"),
        }
        query = page_query(times=True, **order, **filters)
        listed: Schema = {"anyOf": [one_page("chats", CHAT_ROW), CHAT]}
        ai = an_object({"text": "chat_id", "bool": "is_agent_allowed is_flagging_allowed"})
        some = ("labels", "custom_properties", "assigned_to")
        patch = Body({"assigned_to": TEXT, "custom_properties": _MAP_OF_TEXTS, "labels": TEXT}, one_of=some)
        labels = Body({"labels": TEXT, "chat_ids": TEXTS}, needed=("chat_ids", "labels"))
        access = Body({"access": _MAP_OF_BOOLS, "chat_ids": TEXTS, "replace": BOOL}, needed=("chat_ids",))
        one = "/chats/{chat_id}"
        return [
            Route("GET", "/chats", self._list, listed, phone="optional", query=query),
            Route("GET", one, self._get, CHAT, phone="optional"),
            Route("PATCH", one, self._update, CHAT, phone="needed", body=patch),
            Route("PATCH", "/chats/labels", self._set_labels, phone="needed", body=labels, status=204),
            Route("PATCH", "/chats/access", self._set_access, phone="needed", body=access, status=204),
            Route("PATCH", f"{one}/ai", self._set_ai, ai, body=Body(_AI, one_of=tuple(_AI)), newest=True),
            Route("POST", f"{one}/read", self._read, phone="needed", status=204),
        ]

    def _list(self, call: Call) -> bytes | Answer:
        org = self._org
        query = list_query(call.query, phone=call.phone, max_limit=org.max_limit, labels=org.labels)
        if query.chat_id is None:
            return org.world.page(query)
        # The documentation says "the same way the Get Chat By ID endpoint does": the bare chat. Or a list.
        if self._one_chat == "chat":
            return self._whole(query.chat_id, query.filters)
        row = org.world.one_chat(query.chat_id, query.filters, whole=False)
        is_on_page = row is not None and query.offset == 0
        tail = f'],"count":{int(row is not None)},"from":{query.offset + 1},"to":{query.offset + int(is_on_page)}}}'
        return b'{"chats":[' + (row if row is not None and is_on_page else b"") + tail.encode()

    def _get(self, call: Call) -> bytes:
        return self._whole(call.path["chat_id"], Filters(phone=call.phone))

    def _whole(self, chat_id: str, filters: Filters) -> bytes:
        chat = self._org.world.one_chat(chat_id, filters, whole=True)
        if chat is None:
            raise Refused(404, "Chat not found")
        return chat

    def _update(self, call: Call) -> dict[str, Any]:
        org, chat_id = self._org, call.path["chat_id"]
        chat = org.chat(chat_id, call.phone)
        changes: dict[str, Any] = {"updated_at": stamp_now(call.now)}
        if "assigned_to" in call.body:
            changes["assigned_to"] = call.body["assigned_to"] or None
        if "custom_properties" in call.body:
            given = call.body["custom_properties"].items()
            by_id = {_PROPERTY_IDS.get(name.lower(), name): value for name, value in given}
            changes["custom_properties"] = {**chat["custom_properties"], **by_id}
        changed = org.world.change(chat_id, changes)
        if "labels" in call.body:
            changed = change_labels(org, chat_id, call.body["labels"])
        if "custom_properties" in call.body:
            org.world.emit("chat.custom_properties.updated", changed)
        org.world.emit("chat.updated", changed)
        return changed

    def _set_labels(self, call: Call) -> None:
        for chat_id in self._known(call):
            changed = change_labels(self._org, chat_id, call.body["labels"])
            self._org.world.emit("chat.label.updated", changed)

    def _set_access(self, call: Call) -> None:
        for chat_id in self._known(call):
            before: dict[str, bool] = {} if call.body.get("replace") else self._org.chat(chat_id)["chat_access"] or {}
            access = {**before, **call.body.get("access", {})}
            self._org.world.emit("chat.updated", self._org.world.change(chat_id, {"chat_access": access}))

    def _known(self, call: Call) -> list[str]:
        """Give the chats of a body. One unknown chat refuses them all: nothing is half done."""
        for chat_id in call.body["chat_ids"]:
            self._org.chat(chat_id, call.phone)
        return list(call.body["chat_ids"])

    def _set_ai(self, call: Call) -> dict[str, Any]:
        chat_id = call.path["chat_id"]
        known = self._org.chat(chat_id).get("ai_metadata") or {
            "is_active": False,
            "snooze_until": "",
            "activation_state": "inactive",
            **dict.fromkeys(_AI, False),
        }
        ai = {**known, **{name: call.body[name] for name in _AI if name in call.body}}
        self._org.world.emit("chat.updated", self._org.world.change(chat_id, {"ai_metadata": ai}))
        return {"chat_id": chat_id, **{name: ai[name] for name in _AI}}

    def _read(self, call: Call) -> None:
        chat_id = call.path["chat_id"]
        self._org.chat(chat_id, call.phone)
        self._org.world.emit("chat.updated", self._org.world.change(chat_id, {"message_unread_count": 0}))


def change_labels(org: Org, chat_id: str, labels: str) -> dict[str, Any]:
    """Replace all labels of a chat, also for the filter by label. Returns the chat."""
    label_ids = org.label_ids(labels)
    traits = org.world.traits(chat_id)._replace(labels=org.label_numbers(label_ids))
    return org.world.change(chat_id, {"label_ids": label_ids, "labels": org.label_names(label_ids)}, traits=traits)
