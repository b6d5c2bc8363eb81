"""The endpoints of tickets: flat rows in the list, chat and messages beside the ticket everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import AGENTS, LINES, ORG_ID
from periskope_async.sandbox.moments import NEWEST, made_stamp, moment_after, stamp, stamp_now
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import TEXT, TIME_OR_NULL, an_object, choice, moment_in, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["TICKET", "Tickets"]

TICKET: Schema = an_object(
    {
        "text": "org_id ticket_id chat_id subject created_at last_updated_at",
        "text_or_null": (
            "status assignee assigned_by raised_by quoted_message_id due_date closed_at first_assigned_at"
            " last_updated_by"
        ),
        "int_or_null": "priority response_time",
        "bool": "is_deleted",
        "map": (
            "label_ids custom_properties close_ticket_metadata freshdesk_metadata hubspot_metadata zohodesk_metadata"
        ),
        "texts": "labels",
    }
)
_INFO_TICKET = an_object(
    {
        "text": "org_id ticket_id subject created_at ticket_labels",
        "text_or_null": (
            "status assignee due_date raised_by assigned_by quoted_message_id closed_at closed_by closed_message"
            " first_assigned_at"
        ),
        "int_or_null": "priority",
        "bool": "is_deleted",
        "map_or_null": "ticket_custom_properties",
    }
)
_INFO_MESSAGE = an_object(
    {
        "text": "body chat_id org_phone timestamp message_id",
        "text_or_null": "media_path sender_name performed_by sender_phone",
    }
)
INFO: Schema = an_object(
    {"map": "chat"},
    others={
        "ticket": _INFO_TICKET,
        "message": {"anyOf": [_INFO_MESSAGE, {"type": "null"}]},
        "attached_messages": {"type": "array", "items": _INFO_MESSAGE},
    },
)

_STATUSES = ("open", "inprogress", "closed", "archived")
_PRIORITY: Schema = {"enum": [1, 2, 3, 4, "1", "2", "3", "4"]}


class Tickets:
    """Tickets, newest first. Those of the start belong to chats with messages."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._last = org.sizes["tickets"]
        self._shelf = org.shelves["tickets"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        keys = {
            "subject": TEXT,
            "assignee": TEXT,
            "due_date": TIME_OR_NULL,
            "priority": _PRIORITY,
            "status": choice(*_STATUSES),
            "labels": TEXT,
        }
        create = Body({**keys, "chat_id": TEXT, "quoted_message_id": TEXT}, needed=("chat_id", "subject"))
        patch = Body(keys, one_of=tuple(keys))
        one = "/tickets/{ticket_id}"
        return [
            Route("GET", "/tickets", self._list, one_page("tickets", TICKET), query=page_query()),
            Route("GET", one, self._get, INFO),
            Route("POST", "/tickets/create", self._create, INFO, phone="needed", body=create),
            Route("PATCH", one, self._update, INFO, body=patch),
        ]

    def _list(self, call: Call) -> bytes:
        return self._org.page("tickets", call)

    def _get(self, call: Call) -> dict[str, Any]:
        return self._info(self._find(call))

    def _find(self, call: Call) -> Entry:
        return self._org.found("tickets", call.path["ticket_id"].upper(), "Ticket")

    def _create(self, call: Call) -> dict[str, Any]:
        chat = self._org.chat(call.body["chat_id"], call.phone)
        quoted = call.body.get("quoted_message_id")
        if quoted and self._quoted(quoted) is None:
            raise Refused(404, "Message not found")
        changes = self._changes(call)
        entry = self._entry(self._next(), self._org.issue("ticket"), chat["chat_id"], int(call.now))
        blank: dict[str, Any] = {**dict.fromkeys(("assignee", "due_date", "closed_at")), "label_ids": {}, "labels": []}
        entry.row = {
            **self._plain(entry),
            **blank,
            "priority": 1,
            "status": "open",
            "response_time": None,
            "close_ticket_metadata": {},
            "created_at": stamp_now(call.now),
            "first_assigned_at": None,
            "raised_by": "api",
            "quoted_message_id": quoted,
            **changes,
        }
        self._shelf.add(entry)
        info = self._info(entry)
        self._org.world.emit("ticket.created", info)
        if message := self._quoted(quoted):
            self._org.world.emit("message.ticket.attached", {**message, "message_ticket_id": entry.key})
        return info

    def _update(self, call: Call) -> dict[str, Any]:
        entry = self._find(call)
        self._shelf.change(entry, **self._changes(call))
        info = self._info(entry)
        self._org.world.emit("ticket.updated", info)
        return info

    def _changes(self, call: Call) -> dict[str, Any]:
        now = stamp_now(call.now)
        changes = {**call.only("subject", "assignee", "status"), **self._org.label_changes(call.body)}
        if "priority" in call.body:
            changes["priority"] = int(call.body["priority"])
        if "due_date" in call.body:
            due = call.body["due_date"]
            changes["due_date"] = None if due is None else stamp(int(moment_in(due)))
        if changes.get("assignee") == "":
            changes["assignee"] = None
        if changes.get("assignee"):
            changes |= {"assigned_by": "api", "first_assigned_at": now}
        if changes.get("status") == "closed":
            changes |= {"closed_at": now, "close_ticket_metadata": {"closed_by": "api", "closed_at": now}}
        elif "status" in changes:
            changes |= {"closed_at": None, "close_ticket_metadata": {}}
        return {**changes, "last_updated_at": now, "last_updated_by": "api"}

    def _info(self, entry: Entry) -> dict[str, Any]:
        row = self._shelf.row(entry)
        chat = self._org.world.whole(row["chat_id"])
        if chat is not None:
            members = {name: {**member, "contact_labels": ""} for name, member in chat["members"].items()}
            names = ", ".join(self._org.label_names(chat["label_ids"]))
            chat = {**chat, "members": members, "chat_labels": names or None}
        closing = row["close_ticket_metadata"]
        ticket = {name: row[name] for name in _INFO_TICKET["properties"] if name in row}
        quoted = self._quoted(row["quoted_message_id"])
        message = None if quoted is None else _brief(quoted)
        return {
            "chat": chat or {"chat_id": row["chat_id"], "org_id": ORG_ID},
            "message": message,
            "attached_messages": [] if message is None else [message],
            "ticket": {
                **ticket,
                "closed_by": closing.get("closed_by"),
                "closed_message": closing.get("closed_message"),
                "ticket_custom_properties": row["custom_properties"] or None,
                "ticket_labels": ", ".join(row.get("labels") or ()),
            },
        }

    def _quoted(self, message_id: str | None) -> dict[str, Any] | None:
        """Find a message by its whole id or by the hex part."""
        shelf = self._org.shelves["messages"]
        if not message_id:
            return None
        if entry := shelf.find(message_id):
            return shelf.row(entry)
        return next((shelf.row(entry) for entry in shelf.entries() if f"_{message_id}" in entry.key), None)

    def _stock(self) -> Iterator[Entry]:
        messages = self._org.shelves["messages"].entries()
        total = self._org.sizes["tickets"]
        for number in range(total, 0, -1):
            drawn = self._org.draw("ticket", number)
            message = messages[drawn[0] % len(messages)] if messages else Entry("", chat_id="0@c.us")
            place = total - number
            at = NEWEST - 1 - (place - place % 6 // 5) * 9_001
            yield self._entry(number, drawn, message.chat_id or "", at, message.key)

    def _fresh(self) -> Entry:
        drawn = self._org.issue("ticket")
        messages = self._org.shelves["messages"].entries()
        message = messages[drawn[0] % len(messages)] if messages else Entry("", chat_id="0@c.us")
        return self._entry(self._next(), drawn, message.chat_id or "", int(self._org.now), message.key)

    def _next(self) -> int:
        self._last += 1
        return self._last

    @staticmethod
    def _entry(number: int, drawn: tuple[int, ...], chat_id: str, at: int, message_id: str = "") -> Entry:
        return Entry(f"BKT-{number:03d}", at, chat_id=chat_id, made_from=(drawn, message_id))

    def _make(self, entry: Entry) -> dict[str, Any]:
        row = self._plain(entry)
        if self._org.oddities:
            match entry.made_from[0][15] % 25:
                case 4:
                    row |= {"status": "snoozed", "priority": None, "escalated": True}
                case 9:
                    row |= {"freshdesk_metadata": None, "hubspot_metadata": None, "zohodesk_metadata": None}
                case 14:
                    row |= {"status": None, "custom_properties": None}
                    del row["labels"]
                case _:
                    pass
        return row

    def _plain(self, entry: Entry) -> dict[str, Any]:
        drawn: tuple[int, ...]
        drawn, message_id = entry.made_from
        label_ids = self._org.drawn_labels(drawn[1])
        status = _STATUSES[drawn[2] % 4]
        assignee = AGENTS[drawn[3] % 4] if drawn[3] % 5 else None
        updated = moment_after(entry.at, drawn[4] % 86_400)
        closed = stamp(updated) if status == "closed" else None
        return {
            "assigned_by": AGENTS[drawn[5] % 4] if assignee else None,
            "assignee": assignee,
            "chat_id": entry.chat_id,
            "close_ticket_metadata": {"closed_by": AGENTS[drawn[5] % 4], "closed_at": closed} if closed else {},
            "closed_at": closed,
            "created_at": made_stamp(entry.at, drawn[6]),
            "custom_properties": {"Severity": "high"} if drawn[7] % 7 == 0 else {},
            "due_date": stamp(entry.at + 172_800) if drawn[8] % 3 == 0 else None,
            "first_assigned_at": stamp(moment_after(entry.at, 60)) if assignee else None,
            "freshdesk_metadata": {},
            "hubspot_metadata": {},
            "is_deleted": drawn[9] % 40 == 0,
            "label_ids": label_ids,
            "labels": self._org.label_names(label_ids),
            "last_updated_at": made_stamp(updated, drawn[10]),
            "last_updated_by": AGENTS[drawn[10] % 4],
            "org_id": ORG_ID,
            "priority": drawn[11] % 5,
            "quoted_message_id": (message_id or None) if drawn[12] % 3 else None,
            "raised_by": AGENTS[drawn[13] % 4],
            "response_time": drawn[14] % 90_000 if drawn[14] % 2 else None,
            "status": status,
            "subject": LINES[drawn[13] % len(LINES)] or "…",
            "ticket_id": entry.key,
            "zohodesk_metadata": {},
        }


def _brief(message: dict[str, Any]) -> dict[str, Any]:
    kept = ("body", "chat_id", "org_phone", "timestamp", "message_id", "performed_by", "sender_phone")
    media: dict[str, Any] = message["media"] or {}
    return {**{name: message[name] for name in kept}, "media_path": media.get("path"), "sender_name": None}
