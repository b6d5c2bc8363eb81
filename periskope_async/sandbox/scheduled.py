"""The endpoints of scheduled messages: they are sent when their time comes, once or repeatedly.

The documentation shows neither the body of the POST nor that of the PATCH. Both take the keys of the object, the
content at the top or in ``message_payload``, and to pause either ``is_paused`` or ``paused_at`` (null resumes).
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import AGENTS, LINES, ORG_ID
from periskope_async.sandbox.moments import NEWEST, moment_after, zulu
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.outbox import content_of
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.sending import CONTENT, HOLDS
from periskope_async.sandbox.shapes import BOOL, TEXT, TIME, an_object, choice, moment_in, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.outbox import Job, Outbox
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["Scheduled"]

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_REPEAT: Schema = {
    "type": "object",
    "properties": {
        "repeat_interval": choice("day", "week", "month"),
        "repeat_value": {"type": "integer", "minimum": 1, "maximum": 365},
        "repeat_days": {"type": "array", "items": choice(*_DAYS)},
        "repeat_ends": {"type": ["string", "null"], "format": "date-time"},
        "timezone": {"type": ["string", "null"]},
    },
}
SCHEDULED: Schema = an_object(
    {
        "text": "scheduled_id org_id org_phone chat_id scheduled_at status performed_by created_at",
        "text_or_null": "paused_at updated_at",
        "bool": "is_repeat skip_next",
        "map": "message_payload",
        "map_or_null": "repeat_config",
    }
)
OCCURRENCE: Schema = an_object(
    {
        "text": "id scheduled_id chat_id sent_message_id created_at",
        "text_or_null": "message_id remarks delivered_at",
        "bool": "is_success",
    }
)
_CREATES = (*HOLDS, "message_payload")
_PAYLOAD: Schema = {"type": "object", "properties": {**CONTENT, "media": {"type": ["object", "null"]}}}


class Scheduled:
    """Scheduled messages, newest first, and the occurrences of each so far."""

    def __init__(self, org: Org, outbox: Outbox) -> None:
        self._org = org
        self._outbox = outbox
        self._waiting: dict[str, str] = {}
        self._shelf = org.shelves["scheduled_messages"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)
        self._past = org.shelves["occurrences"] = Shelf(
            stock=self._past_stock, make=self._make_past, fresh=self._fresh_past
        )
        outbox.on_sent(self._sent)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        times = {"scheduled_at": TIME, "is_repeat": BOOL, "repeat_config": _REPEAT}
        paused = {"is_paused": BOOL, "paused_at": {"type": ["string", "null"]}, "skip_next": BOOL}
        changes = {**CONTENT, "message_payload": _PAYLOAD, **times, **paused, "status": choice("scheduled", "paused")}
        create = Body(
            {"chat_id": TEXT, **CONTENT, "message_payload": _PAYLOAD, **times},
            needed=("chat_id", "scheduled_at"),
            one_of=_CREATES,
        )
        root = "/message/scheduled"
        one = f"{root}/{{scheduled_id}}"
        deleted = an_object({"bool": "success", "text": "message scheduled_id"})
        page = one_page("scheduled_messages", SCHEDULED)
        return [
            Route("POST", root, self._create, SCHEDULED, phone="needed", body=create, newest=True),
            Route("GET", root, self._list, page, phone="needed", query=page_query(), newest=True),
            Route("GET", one, self._get, SCHEDULED, newest=True),
            Route("PATCH", one, self._update, SCHEDULED, body=Body(changes, one_of=tuple(changes)), newest=True),
            Route("DELETE", one, self._delete, deleted, newest=True),
            Route(
                "GET",
                f"{one}/occurrences",
                self._occurrences,
                one_page("occurrences", OCCURRENCE),
                query=page_query(),
                newest=True,
            ),
        ]

    def _find(self, call: Call) -> Entry:
        return self._org.found("scheduled_messages", call.path["scheduled_id"], "Scheduled message")

    def _list(self, call: Call) -> bytes:
        return self._org.page("scheduled_messages", call, wanted=Wanted(phone=self._org.wanted_phone(call)))

    def _get(self, call: Call) -> dict[str, Any]:
        return self._shelf.row(self._find(call))

    def _occurrences(self, call: Call) -> bytes:
        # The history of a deleted message stays readable.
        scheduled_id = call.path["scheduled_id"]
        if self._shelf.find(scheduled_id) is None and not self._past.entries(Wanted(tag=scheduled_id)):
            raise Refused(404, "Scheduled message not found")
        return self._org.page("occurrences", call, wanted=Wanted(tag=scheduled_id))

    def _create(self, call: Call) -> dict[str, Any]:
        content = _content(call.body)
        chat_id = self._org.chat(call.body["chat_id"], call.phone)["chat_id"]
        entry = Entry(uuid_of(self._org.issue("scheduled")), int(call.now), self._org.org_phone(call.phone), chat_id)
        entry.row = {
            "scheduled_id": entry.key,
            "org_id": ORG_ID,
            "org_phone": entry.phone,
            "chat_id": chat_id,
            "message_payload": {"message": None, "media": None, **content},
            "scheduled_at": call.body["scheduled_at"],
            "is_repeat": bool(call.body.get("is_repeat", "repeat_config" in call.body)),
            "repeat_config": call.body.get("repeat_config"),
            "status": "scheduled",
            "skip_next": False,
            "paused_at": None,
            "updated_at": None,
            "performed_by": "api",
            "created_at": zulu(call.now),
        }
        self._shelf.add(entry)
        self._plan(entry)
        return entry.row

    def _update(self, call: Call) -> dict[str, Any]:
        entry = self._find(call)
        row = self._shelf.row(entry)
        if row["status"] == "completed":
            message = "Completed scheduled messages cannot be changed"
            raise Refused(422, message, {"params.scheduled_id": {"message": message}})
        changes = call.only("scheduled_at", "is_repeat", "repeat_config", "skip_next")
        content = _content(call.body)
        if content:
            changes["message_payload"] = {**row["message_payload"], **content}
        paused = [
            call.body.get("is_paused"),
            call.body["paused_at"] is not None if "paused_at" in call.body else None,
            call.body["status"] == "paused" if "status" in call.body else None,
        ]
        for is_paused in paused:
            if is_paused is not None:
                changes["paused_at"] = zulu(call.now) if is_paused else None
                changes["status"] = "paused" if is_paused else "scheduled"
        changed = self._shelf.change(entry, **changes, updated_at=zulu(call.now))
        self._plan(entry)
        return changed

    def _delete(self, call: Call) -> dict[str, Any]:
        entry = self._find(call)
        self._shelf.remove(entry)
        return {"success": True, "message": "Scheduled message deleted successfully", "scheduled_id": entry.key}

    # Time

    def _plan(self, entry: Entry) -> None:
        """Have it occur at its time, unless it is changed before."""
        row = self._shelf.row(entry)
        due = row["scheduled_at"]
        if row["status"] == "scheduled":
            self._org.agenda.add(max(moment_in(due), self._org.now), lambda at: self._occur(entry, due, at))

    def _occur(self, entry: Entry, due: str, at: float) -> None:
        row = self._shelf.row(entry)
        if self._shelf.find(entry.key) is not entry or row["status"] != "scheduled" or row["scheduled_at"] != due:
            return
        if row["skip_next"]:
            self._shelf.change(entry, skip_next=False)
        else:
            payload = row["message_payload"]
            content = {
                **content_of({k: v for k, v in payload.items() if v is not None}),
                "performed_by": row["performed_by"],
            }
            phone = self._org.phone_number(row["org_phone"])
            try:
                job = self._outbox.add(row["chat_id"], content, phone=phone)
                self._waiting[job.queue_id] = entry.key
            except Refused as error:
                self._note(entry.key, row["chat_id"], uuid_of(self._org.issue("occurrence")), None, error.message, at)
        following = _next(due, row["repeat_config"] or {}) if row["is_repeat"] else None
        if following is None:
            self._shelf.change(entry, status="completed", updated_at=zulu(at))
        else:
            self._shelf.change(entry, scheduled_at=following, updated_at=zulu(at))
            self._plan(entry)

    def _sent(self, job: Job) -> None:
        if job.queue_id in self._waiting:
            remarks = "The number is not on WhatsApp" if job.status == "failed" else None
            scheduled_id = self._waiting.pop(job.queue_id)
            self._note(scheduled_id, job.chat_id, job.queue_id, job.message_id, remarks, job.sent_at or 0.0)

    def _note(
        self, scheduled_id: str, chat_id: str, sent_id: str, message_id: str | None, remarks: str | None, at: float
    ) -> None:
        entry = Entry(uuid_of(self._org.issue("occurrence")), int(at), chat_id=chat_id, tag=scheduled_id)
        entry.row = {
            "id": entry.key,
            "scheduled_id": scheduled_id,
            "chat_id": chat_id,
            "sent_message_id": sent_id,
            "message_id": message_id,
            "is_success": remarks is None,
            "remarks": remarks,
            "delivered_at": None if remarks else zulu(at),
            "created_at": zulu(at),
        }
        self._past.add(entry)

    # The messages of the start: all are over

    def _stock(self) -> Iterator[Entry]:
        for number in range(self._org.sizes["scheduled_messages"]):
            drawn = self._org.draw("scheduled", number)
            yield self._placed(drawn, NEWEST - 1 - (number - number % 5 // 4) * 20_011)

    def _fresh(self) -> Entry:
        return self._placed(self._org.issue("scheduled"), int(self._org.now))

    def _placed(self, drawn: tuple[int, ...], at: int) -> Entry:
        messages = self._org.shelves["messages"].entries()
        chat = messages[drawn[0] % len(messages)] if messages else Entry("", phone="", chat_id="0@c.us")
        return Entry(uuid_of(drawn), at, chat.phone, chat.chat_id, made_from=drawn)

    def _make(self, entry: Entry) -> dict[str, Any]:
        drawn: tuple[int, ...] = entry.made_from
        repeats = drawn[1] % 3 == 0
        config = {
            "repeat_interval": ("day", "week", "month")[drawn[2] % 3],
            "repeat_value": 1 + drawn[3] % 3,
            "repeat_days": [_DAYS[drawn[4] % 7]] if drawn[2] % 3 == 1 else [],
            "repeat_ends": zulu(entry.at + 86_400 * 30),
        }
        row: dict[str, Any] = {
            "scheduled_id": entry.key,
            "org_id": ORG_ID,
            "org_phone": entry.phone,
            "chat_id": entry.chat_id,
            "message_payload": {"message": LINES[drawn[5] % len(LINES)], "media": None},
            "scheduled_at": zulu(entry.at + 3_600),
            "is_repeat": repeats,
            "repeat_config": config if repeats else None,
            "status": "completed",
            "skip_next": False,
            "paused_at": None,
            "updated_at": zulu(moment_after(entry.at, 3_700)) if drawn[6] % 2 else None,
            "performed_by": AGENTS[drawn[7] % 4],
            "created_at": zulu(entry.at),
        }
        if self._org.oddities and drawn[8] % 15 == 0:
            row |= {"status": "expired", "repeat_config": {}, "timezone": "Asia/Kolkata"}
        return row

    def _past_stock(self) -> Iterator[Entry]:
        for scheduled in self._shelf.entries():
            if scheduled.made_from is None:
                continue
            # The first of them ran for weeks, so its history has several pages.
            many = 25 if scheduled is self._shelf.entries()[0] else 1 + scheduled.made_from[9] % 4
            for number in range(many):
                drawn = self._org.draw(f"occurrence {scheduled.key}", number)
                at = scheduled.at + 3_600 - number * 86_400
                yield Entry(uuid_of(drawn), at, scheduled.phone, scheduled.chat_id, scheduled.key, made_from=drawn)

    def _fresh_past(self) -> Entry:
        drawn = self._org.issue("occurrence")
        first = self._shelf.entries()[-1]
        return Entry(uuid_of(drawn), int(self._org.now), first.phone, first.chat_id, first.key, made_from=drawn)

    def _make_past(self, entry: Entry) -> dict[str, Any]:
        drawn: tuple[int, ...] = entry.made_from
        failed = drawn[0] % 6 == 0
        return {
            "id": entry.key,
            "scheduled_id": entry.tag,
            "chat_id": entry.chat_id,
            "sent_message_id": uuid_of(drawn[::-1]),
            "message_id": None if failed else f"true_{entry.chat_id}_3EB0{drawn[1]:08X}{drawn[2]:08X}",
            "is_success": not failed,
            "remarks": "Phone was disconnected" if failed else None,
            "delivered_at": None if failed else zulu(entry.at + 5),
            "created_at": zulu(entry.at),
        }


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    """Take the content of a message from the top of a body, or from its ``message_payload``."""
    return {**body.get("message_payload", {}), **{name: body[name] for name in CONTENT if name in body}}


def _next(due: str, config: Mapping[str, Any]) -> str | None:
    """Give the next due time of a repeated message, or None after its end."""
    moment = datetime.fromtimestamp(moment_in(due), UTC)
    often = config.get("repeat_value", 1)
    days = [_DAYS.index(day) for day in config.get("repeat_days") or ()]
    interval = config.get("repeat_interval", "day")
    if interval == "month":
        year, month = divmod(moment.month - 1 + often, 12)
        year, month = moment.year + year, month + 1
        moment = moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
    elif interval == "week" and days:
        ahead = [day - moment.weekday() for day in sorted(days) if day > moment.weekday()]
        moment += timedelta(days=ahead[0] if ahead else 7 * often - moment.weekday() + min(days))
    else:
        moment += timedelta(days=often * (7 if interval == "week" else 1))
    ends = config.get("repeat_ends")
    if ends and moment.timestamp() > moment_in(ends):
        return None
    return zulu(moment.timestamp())
