"""The endpoints of broadcasts: one message to many chats, one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import ORG_ID
from periskope_async.sandbox.moments import stamp_now
from periskope_async.sandbox.outbox import content_of
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.sending import CONTENT, HOLDS
from periskope_async.sandbox.shapes import TEXT, TEXTS, TIME, an_object, moment_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.outbox import Job, Outbox
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["Broadcasts"]

_VARIABLES: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"chat_id": TEXT, "values": {"type": "object", "additionalProperties": TEXT}},
        "required": ["chat_id", "values"],
    },
}
_STATUS = an_object(
    {
        "text": "broadcast_id org_id created_at scheduled_at performed_by",
        "text_or_null": "performed_at broadcast_status",
        "map": "message_payload",
        "int": "total_chats sent_chats failed_chats pending_chats total_member_count",
        "int_or_null": "total_delivered_count total_read_count",
        "number": "delivered_percentage read_percentage",
        "texts": "logs",
    }
)
# Seconds between two messages, unless a broadcast says otherwise.
_DELAY = 1.0


@dataclass(slots=True, eq=False)
class _Broadcast:
    body: Mapping[str, Any]
    phone: int
    created_at: float
    starts_at: float
    jobs: list[Job] = field(default_factory=list["Job"])
    is_deleted: bool = False


class Broadcasts:
    """All broadcasts by id. Jobs are queued when a broadcast starts."""

    def __init__(self, org: Org, outbox: Outbox) -> None:
        self._org = org
        self._outbox = outbox
        self._known: dict[str, _Broadcast] = {}

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        seconds: Schema = {"type": "number", "minimum": 0, "maximum": 86_400}
        start = Body(
            {"chat_ids": TEXTS, **CONTENT, "scheduled_at": TIME, "delay": seconds, "variables": _VARIABLES},
            needed=("chat_ids",),
            one_of=HOLDS,
        )
        started = an_object({"text": "broadcast_id"})
        cancelled = an_object({"text": "broadcast_id status"})
        query: dict[str, Schema] = {"broadcast_id": {**TEXT, "minLength": 1, "required": True}}
        return [
            Route("POST", "/message/broadcast", self._start, started, phone="needed", body=start),
            Route("DELETE", "/message/broadcast/{broadcast_id}", self._cancel, cancelled),
            Route("GET", "/queue/broadcast", self._get, _STATUS, phone="needed", query=query),
        ]

    def _start(self, call: Call) -> dict[str, Any]:
        for chat_id in call.body["chat_ids"]:
            self._outbox.destination(chat_id, call.phone)
        drawn = self._org.issue("broadcast")
        broadcast_id = "broadcast-" + "".join(chr(97 + number % 26) for number in drawn)
        due = call.body.get("scheduled_at")
        starts_at = max(moment_in(due), call.now) if due else call.now
        broadcast = self._known[broadcast_id] = _Broadcast(call.body, call.phone or 0, call.now, starts_at)
        self._org.agenda.add(starts_at, lambda _at: self._queue(broadcast_id, broadcast))
        self._org.agenda.run(call.now)
        return {"broadcast_id": broadcast_id}

    def _find(self, broadcast_id: str) -> _Broadcast:
        if broadcast_id not in self._known:
            raise Refused(404, "Broadcast not found")
        return self._known[broadcast_id]

    def _cancel(self, call: Call) -> dict[str, str]:
        """Delete a broadcast before its start, or stop it. The answer for one that is over is not documented."""
        broadcast_id = call.path["broadcast_id"]
        broadcast = self._find(broadcast_id)
        broadcast.is_deleted |= call.now < broadcast.starts_at
        self._outbox.purge(broadcast.jobs)
        return {"broadcast_id": broadcast_id, "status": "deleted" if broadcast.is_deleted else "stopped"}

    def _queue(self, broadcast_id: str, broadcast: _Broadcast) -> None:
        if broadcast.is_deleted:
            return
        variables = {one["chat_id"]: one["values"] for one in broadcast.body.get("variables", ())}
        for chat_id in broadcast.body["chat_ids"]:
            content = content_of(broadcast.body)
            content["body"] = _filled(content["body"], variables.get(chat_id, {}))
            content["broadcast_id"] = broadcast_id
            try:
                gap = float(broadcast.body.get("delay", _DELAY))
                broadcast.jobs.append(self._outbox.add(chat_id, content, phone=broadcast.phone, gap=gap))
            except Refused:
                # The group went away after the broadcast was scheduled: it counts as failed.
                continue

    def _get(self, call: Call) -> dict[str, Any]:
        broadcast_id = call.text("broadcast_id") or ""
        broadcast = self._find(broadcast_id)
        shelf = self._org.shelves["messages"]
        sent = [job for job in broadcast.jobs if job.message_id]
        rows = [shelf.row(entry) for job in sent if (entry := shelf.find(job.message_id or ""))]
        total = len(broadcast.body["chat_ids"])
        started = call.now >= broadcast.starts_at and not broadcast.is_deleted
        pending = sum(not job.is_over and job.queue_id in self._outbox.jobs for job in broadcast.jobs)
        purged = any(job.queue_id not in self._outbox.jobs for job in broadcast.jobs)
        pending = pending if started or broadcast.is_deleted else total
        delivered = sum(row["delivery_info"]["delivered_count"] for row in rows)
        read = sum(row["delivery_info"]["read_count"] for row in rows)
        members = sum(len(job.recipients) for job in sent)
        words = "pending" if not started else "inprogress" if pending else "stopped" if purged else "completed"
        words = "deleted" if broadcast.is_deleted else words
        content = content_of(broadcast.body)
        return {
            "broadcast_id": broadcast_id,
            "org_id": ORG_ID,
            "message_payload": {name: content[name] for name in ("body", "message_type", "performed_by")},
            "created_at": stamp_now(broadcast.created_at),
            "scheduled_at": stamp_now(broadcast.starts_at),
            "performed_at": stamp_now(broadcast.starts_at) if started else None,
            "performed_by": ORG_ID,
            "broadcast_status": words,
            "total_chats": total,
            "sent_chats": len(sent),
            "failed_chats": total - len(sent) - pending,
            "pending_chats": pending,
            "total_delivered_count": delivered if started else None,
            "total_read_count": read if started else None,
            "total_member_count": members,
            "delivered_percentage": round(100 * delivered / members, 2) if members else 0.0,
            "read_percentage": round(100 * read / members, 2) if members else 0.0,
            "logs": [f"{job.chat_id}: not on WhatsApp" for job in broadcast.jobs if job.status == "failed"],
        }


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of ``{{name}}``; a name without a value stays as it is."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: values.get(found[1], found[0]), text)
