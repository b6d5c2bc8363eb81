"""The endpoints of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import AGENTS, LINES
from periskope_async.sandbox.moments import NEWEST, made_stamp, moment_after, stamp, stamp_now, zulu
from periskope_async.sandbox.routes import Body, Route
from periskope_async.sandbox.shapes import TEXT, TIME, TIME_OR_NULL, an_object, choice, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["TASK", "Tasks"]

TASK: Schema = an_object(
    {
        "text": "task_id title type status created_by last_updated_by created_at last_updated_at",
        "text_or_null": "assignee notes due_date remind_at chat_id",
        "int": "priority",
        "map_or_null": "association completed_metadata",
    }
)
_TYPES = ("todo", "chat", "message", "ticket")
_STATUSES = ("open", "inprogress", "closed")
_CHANGEABLE = ("title", "status", "priority", "assignee", "due_date", "remind_at", "notes")


class Tasks:
    """Tasks, newest first."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._shelf = org.shelves["tasks"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        keys: dict[str, Schema] = {
            "title": {"type": "string", "minLength": 1, "maxLength": 500},
            "type": choice(*_TYPES),
            "association": {"type": ["object", "null"]},
            "status": choice(*_STATUSES),
            "priority": choice(1, 2, 3),
            **dict.fromkeys(("assignee", "created_by", "notes"), TEXT),
            **dict.fromkeys(("due_date", "remind_at"), TIME),
        }
        create = Body(keys, needed=("title",))
        times = dict.fromkeys(("due_date", "remind_at"), TIME_OR_NULL)
        changes = {**{name: keys[name] for name in _CHANGEABLE}, **times}
        update = Body({**changes, "last_updated_by": TEXT}, one_of=_CHANGEABLE)
        return [
            Route("GET", "/tasks", self._list, one_page("tasks", TASK), query=page_query(), newest=True),
            Route("POST", "/tasks/create", self._create, TASK, body=create, newest=True),
            Route("GET", "/tasks/{task_id}", self._get, TASK, newest=True),
            Route("PATCH", "/tasks/{task_id}", self._update, TASK, body=update, newest=True),
        ]

    def _list(self, call: Call) -> bytes:
        return self._org.page("tasks", call)

    def _find(self, call: Call) -> Entry:
        return self._org.found("tasks", call.path["task_id"], "Task")

    def _get(self, call: Call) -> dict[str, Any]:
        return self._shelf.row(self._find(call))

    def _update(self, call: Call) -> dict[str, Any]:
        entry = self._find(call)
        who = call.body.get("last_updated_by", "api")
        changes = {**call.only(*_CHANGEABLE), "last_updated_by": who, "last_updated_at": stamp_now(call.now)}
        if "status" in changes:
            changes["completed_metadata"] = _completed(changes["status"], call.now, who)
        if changes.get("assignee") == "":
            changes["assignee"] = None
        return self._shelf.change(entry, **changes)

    def _create(self, call: Call) -> dict[str, Any]:
        entry = self._entry(self._org.issue("task"), int(call.now))
        body = call.body
        kind = body.get("type", "todo")
        association: dict[str, Any] = {**(body.get("association") or {}), "type": kind}
        who = body.get("created_by", "api")
        now = stamp_now(call.now)
        entry.row = {
            "task_id": entry.key,
            "title": body["title"],
            "type": kind,
            "status": "open",
            "priority": 1,
            **dict.fromkeys(("assignee", "notes", "due_date", "remind_at")),
            **call.only("status", "priority", "assignee", "notes", "due_date", "remind_at"),
            "association": None if kind == "todo" else association,
            "chat_id": association.get("chat_id"),
            "completed_metadata": _completed(body.get("status"), call.now, who),
            "created_by": who,
            "last_updated_by": who,
            "created_at": now,
            "last_updated_at": now,
        }
        self._shelf.add(entry)
        return entry.row

    def _stock(self) -> Iterator[Entry]:
        for number in range(self._org.sizes["tasks"]):
            yield self._entry(self._org.draw("task", number), NEWEST - 1 - (number - number % 4 // 3) * 11_003)

    def _fresh(self) -> Entry:
        return self._entry(self._org.issue("task"), int(self._org.now))

    @staticmethod
    def _entry(drawn: tuple[int, ...], at: int) -> Entry:
        return Entry("task-" + "".join(chr(97 + number % 26) for number in drawn), at, made_from=drawn)

    def _make(self, entry: Entry) -> dict[str, Any]:
        drawn: tuple[int, ...] = entry.made_from
        kind, status = _TYPES[drawn[0] % 4], _STATUSES[drawn[1] % 3]
        messages = self._org.shelves["messages"].entries()
        message = messages[drawn[2] % len(messages)] if messages else Entry("", chat_id="0@c.us")
        association: dict[str, Any] = {"type": kind, "chat_id": message.chat_id}
        if kind == "message":
            association["message_id"] = message.key
        if kind == "ticket":
            association["ticket_id"] = f"BKT-{1 + drawn[3] % max(self._org.sizes['tickets'], 1):03d}"
        who = AGENTS[drawn[4] % 4]
        task: dict[str, Any] = {
            "task_id": entry.key,
            "title": LINES[drawn[5] % len(LINES)] or "Call back",
            "type": kind,
            "status": status,
            "priority": 1 + drawn[6] % 3,
            "assignee": AGENTS[drawn[7] % 4] if drawn[7] % 3 else None,
            "notes": "Before noon" if drawn[8] % 4 == 0 else None,
            "due_date": stamp(entry.at + 86_400) if drawn[9] % 2 else None,
            "remind_at": stamp(entry.at + 80_000) if drawn[9] % 4 == 1 else None,
            "association": None if kind == "todo" else association,
            "chat_id": None if kind == "todo" else message.chat_id,
            "completed_metadata": _completed(status, moment_after(entry.at, 600), who),
            "created_by": who,
            "last_updated_by": who,
            "created_at": made_stamp(entry.at, drawn[10]),
            "last_updated_at": made_stamp(entry.at, drawn[11]),
        }
        if self._org.oddities and drawn[12] % 12 == 0:
            task |= {"type": "call", "status": "blocked", "reminder_setting": {"minutes": 10}}
            del task["association"]
        return task


def _completed(status: str | None, at: float, who: str) -> dict[str, str] | None:
    return {"completed_at": zulu(at), "completed_by": who} if status == "closed" else None
