"""The endpoints of sending and of the queue: send, send-sync, status, queues old and new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.moments import zulu
from periskope_async.sandbox.outbox import content_of
from periskope_async.sandbox.routes import ActedBy, Body, Later, Refused, Route
from periskope_async.sandbox.shapes import TEXT, TEXTS, an_array, an_object, choice

if TYPE_CHECKING:
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.outbox import Job, Outbox
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["CONTENT", "HOLDS", "Sending"]

_MEDIA: Schema = {
    "type": "object",
    "properties": {
        "type": choice("document", "image", "video", "audio"),
        **dict.fromkeys(("url", "filedata", "filename", "mimetype"), TEXT),
    },
    "required": ["type", "filename", "mimetype"],
    "anyOf": [{"required": ["url"]}, {"required": ["filedata"]}],
}
_POLL: Schema = {
    "type": "object",
    "properties": {"pollName": TEXT, "pollOptions": TEXTS, "options": {"type": "object"}},
    "required": ["pollName", "pollOptions"],
}
CONTENT: dict[str, Schema] = {"message": TEXT, "media": _MEDIA, "poll": _POLL, "reply_to": TEXT}
"""The possible content of a message, for every endpoint with one."""
HOLDS = ("message", "media", "poll")
"""A message must hold at least one of these."""

_QUEUED = an_object({"text": "queue_id unique_id hint", "int": "queue_position"})
_JOB_KINDS = {
    "text": "queue_id unique_id chat_id performed_by status status_description",
    "text_or_null": "message_id",
    "map": "message timeline",
    "int": "attempts",
}
_JOB = an_object(_JOB_KINDS)
_STATUS = an_object({**_JOB_KINDS, "int": "attempts ack delivered_count read_count"})
_OLD_JOB = an_object(
    {
        "text": "id message_id status",
        "map": "data",
        "int": "addedTimestamp attemptsMade attemptsStarted",
        "int_or_null": "processedTimestamp finishedTimestamp",
        "texts": "stacktrace",
    }
)
_DESCRIPTIONS = {
    "scheduled": "Waiting for its time.",
    "queued": "Waiting in the queue.",
    "sent": "Sent to WhatsApp.",
    "delivered": "Delivered to recipient.",
    "read": "Read by recipient.",
    "failed": "The number is not on WhatsApp.",
}
# The old endpoint counts the finished jobs of the last day.
_DAY = 86_400


class Sending:
    """The endpoints of the outbox."""

    def __init__(self, org: Org, outbox: Outbox) -> None:
        self._org = org
        self._outbox = outbox

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        send = Body({"chat_id": TEXT, **CONTENT, "options": {"type": "object"}}, needed=("chat_id",), one_of=HOLDS)
        seconds: Schema = {"type": "number", "minimum": 0, "maximum": 120}
        sync = Body({**send.keys, "sync_timeout": seconds}, needed=("chat_id",), one_of=HOLDS)
        sent = an_object({"text": "status unique_id", "map": "message"})
        purged = an_object({"bool": "purged", "text": "mode", "texts": "queue_ids"})
        one_or_more: Schema = {"type": ["string", "array"], "items": TEXT}
        pick = {"queue_id": TEXT, "broadcast_id": TEXT}
        health = an_object({"int": "waiting active completed failed delayed paused"})
        old = an_object({"int": "active completed failed pending", "bool": "is_running"})
        queues = "/message/queues"
        return [
            Route("POST", "/message/send", self._send, _QUEUED, phone="optional", body=send),
            Route("POST", "/message/send-sync", self._sync, {"anyOf": [sent, _QUEUED]}, phone="optional", body=sync),
            Route("GET", "/message/{unique_id}/status", self._status, _STATUS, phone="needed"),
            Route("GET", f"{queues}/health", self._health, health, phone="needed"),
            Route("POST", queues, self._jobs, an_array(_JOB), phone="needed", body=Body(pick)),
            Route(
                "POST",
                f"{queues}/purge",
                self._purge,
                purged,
                phone="needed",
                body=Body({"queue_ids": {"type": "array", "items": TEXT}, "broadcast_id": TEXT}),
            ),
            Route("GET", "/queue", self._old_status, old, phone="needed"),
            Route("GET", "/queue/jobs", self._old_jobs, an_array(_OLD_JOB), phone="needed", query=pick),
            Route(
                "DELETE",
                "/queue/purge",
                self._old_purge,
                phone="needed",
                status=204,
                body=Body({"queue_id": one_or_more, "broadcast_id": TEXT}),
            ),
        ]

    def _send(self, call: Call) -> ActedBy:
        job = self._add(call)
        return ActedBy(job.phone, self._queued(job))

    def _add(self, call: Call) -> Job:
        content = content_of(call.body, drawn=self._org.issue("media")[0])
        return self._outbox.add(call.body["chat_id"], content, phone=call.phone)

    def _queued(self, job: Job) -> dict[str, Any]:
        return {
            "queue_id": job.queue_id,
            "queue_position": self._outbox.position(job),
            "unique_id": job.unique_id,
            "hint": f"Use GET /v1/message/{job.unique_id}/status to follow this message.",
        }

    def _sync(self, call: Call) -> ActedBy:
        job = self._add(call)
        # The sources do not show whether the timeout goes into the query or the body: both are taken.
        timeout = float(call.body.get("sync_timeout", call.text("sync_timeout") or 20))

        def ready(now: float) -> dict[str, Any] | None:
            entry = self._org.shelves["messages"].find(job.message_id) if job.message_id else None
            if entry is not None:
                return {
                    "status": "sent",
                    "unique_id": job.unique_id,
                    "message": self._org.shelves["messages"].row(entry),
                }
            return self._queued(job) if job.is_over or now >= job.queued_at + timeout else None

        return ActedBy(job.phone, Later(ready))

    def _status(self, call: Call) -> dict[str, Any]:
        unique_id = call.path["unique_id"]
        for job in self._outbox.jobs.values():
            if job.unique_id == unique_id:
                return {**self._shown(job), "ack": job.ack, **_counts(self._row(job))}
        shelf = self._org.shelves["messages"]
        for entry in shelf.entries():
            # Messages from before the start of the sandbox.
            if entry.key.startswith("true_") and entry.key.endswith(f"_{unique_id}"):
                return _status_of(shelf.row(entry))
        raise Refused(404, "Message not found")

    def _row(self, job: Job) -> dict[str, Any] | None:
        shelf = self._org.shelves["messages"]
        entry = shelf.find(job.message_id) if job.message_id else None
        return None if entry is None else shelf.row(entry)

    def _shown(self, job: Job) -> dict[str, Any]:
        message = {"body": job.content["body"], "type": job.content["message_type"]}
        if "quoted_message_id" in job.content:
            message["quoted_message_id"] = job.content["quoted_message_id"]
        timeline = {"queued_at": zulu(job.queued_at)}
        if job.sent_at is not None:
            timeline["sent_at"] = zulu(job.sent_at)
        return {
            "queue_id": job.queue_id,
            "unique_id": job.unique_id,
            "message_id": job.message_id,
            "chat_id": job.chat_id,
            "performed_by": job.content["performed_by"],
            "status": job.status,
            "status_description": _DESCRIPTIONS[job.status],
            "message": message,
            "timeline": timeline,
            "attempts": int(job.sent_at is not None),
        }

    def _of_phone(self, call: Call) -> list[Job]:
        """Give the jobs within a call's filters, in order."""
        wanted_id: Any = call.body.get("queue_id") or call.text("queue_id")
        broadcast: object = call.body.get("broadcast_id") or call.text("broadcast_id")
        wanted: list[str] = [wanted_id] if isinstance(wanted_id, str) else wanted_id or []
        return [
            job
            for job in self._outbox.jobs.values()
            if job.phone == call.phone
            and (not wanted_id or job.queue_id in wanted)
            and (not broadcast or job.content.get("broadcast_id") == broadcast)
        ]

    def _jobs(self, call: Call) -> list[dict[str, Any]]:
        return [self._shown(job) for job in self._of_phone(call)]

    def _health(self, call: Call) -> dict[str, int]:
        jobs = self._of_phone(call)
        waiting = [job for job in jobs if job.status == "queued"]
        runs = self._outbox.is_running(call.phone or 0)
        failed = sum(job.status == "failed" for job in jobs)
        return {
            "waiting": len(waiting) if runs else 0,
            "active": 0,
            "completed": sum(job.is_over for job in jobs) - failed,
            "failed": failed,
            "delayed": 0,
            "paused": 0 if runs else len(waiting),
        }

    def _purge(self, call: Call) -> dict[str, Any]:
        named = call.body.get("queue_ids")
        jobs = self._of_phone(call)
        if named:
            jobs = [job for job in jobs if job.queue_id in named]
        mode = "queue_ids" if named else "broadcast" if call.body.get("broadcast_id") else "all"
        gone = self._outbox.purge(jobs)
        return {"purged": True, "mode": mode, "queue_ids": [call.body["broadcast_id"]] if mode == "broadcast" else gone}

    def _old_status(self, call: Call) -> dict[str, Any]:
        jobs = [job for job in self._of_phone(call) if job.queued_at > call.now - _DAY]
        failed = sum(job.status == "failed" for job in jobs)
        return {
            "active": 0,
            "completed": sum(job.is_over for job in jobs) - failed,
            "failed": failed,
            "is_running": self._outbox.is_running(call.phone or 0),
            "pending": sum(not job.is_over for job in jobs),
        }

    def _old_jobs(self, call: Call) -> list[dict[str, Any]]:
        return [_old(job) for job in self._of_phone(call)]

    def _old_purge(self, call: Call) -> None:
        self._outbox.purge(self._of_phone(call))


def _old(job: Job) -> dict[str, Any]:
    sent_at = None if job.sent_at is None else int(job.sent_at * 1000)
    made = int(sent_at is not None)
    return {
        "id": job.queue_id,
        "message_id": job.unique_id,
        "status": {"queued": "waiting", "failed": "failed"}.get(job.status, "completed"),
        "data": {"body": job.content["body"], "chat_id": job.chat_id},
        "addedTimestamp": int(job.queued_at * 1000),
        "processedTimestamp": sent_at,
        "finishedTimestamp": sent_at,
        "attemptsMade": made,
        "attemptsStarted": made,
        "stacktrace": ["Error: not on WhatsApp"] if job.status == "failed" else [],
    }


def _counts(message: dict[str, Any] | None) -> dict[str, int]:
    info: dict[str, Any] = (message or {}).get("delivery_info") or {}
    return {name: info.get(name, 0) for name in ("delivered_count", "read_count")}


def _status_of(message: dict[str, Any]) -> dict[str, Any]:
    """Give the status of a message without a known job."""
    ack = int(message["ack"])
    status = {0: "queued", 3: "delivered", 4: "read"}.get(ack, "sent")
    at = message["timestamp"].replace("+00:00", ".000Z")
    return {
        "queue_id": message["sent_message_id"],
        "unique_id": message["unique_id"],
        "message_id": message["message_id"],
        "chat_id": message["chat_id"],
        "performed_by": message["performed_by"] or "api",
        "status": status,
        "status_description": _DESCRIPTIONS[status],
        "message": {"body": message["body"], "type": message["message_type"]},
        "timeline": {"queued_at": at, "sent_at": at},
        "attempts": 1,
        "ack": ack,
        **_counts(message),
    }
