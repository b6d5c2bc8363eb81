"""The queues of messages to send, one for each phone, and the way of a message to its readers.

A job waits in its queue. A message leaves every ``pace`` seconds, and is accepted, delivered and read some paces later:
ack 1, 2, 3, 4. A number ending in 0000 is not on WhatsApp: sending to it fails. The queue of a disconnected phone
stands still.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import ORG_ID
from periskope_async.sandbox.data import Traits
from periskope_async.sandbox.messages import BLANK
from periskope_async.sandbox.moments import stamp, stamp_now
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.routes import Refused
from periskope_async.sandbox.shelf import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from periskope_async.sandbox.org import Org

__all__ = ["Job", "Outbox", "content_of"]

# Paces from the sending until a message is accepted, delivered to all, read by all.
_STEPS = ((1, 2), (2, 3), (5, 4))
_WORDS = {1: "sent", 2: "sent", 3: "delivered", 4: "read"}


@dataclass(slots=True, eq=False)
class Job:
    """One message to send. Times are in Unix seconds; ``phone`` is a number in ``org.phones``."""

    queue_id: str
    unique_id: str
    phone: int
    chat_id: str
    content: Mapping[str, Any]
    queued_at: float
    gap: float
    sent_at: float | None = None
    message_id: str | None = None
    status: str = "queued"
    ack: int = 0
    recipients: list[str] = field(default_factory=list[str])

    @property
    def is_over(self) -> bool:
        """Whether the queue is done with it."""
        return self.status not in {"queued", "scheduled"}


class Outbox:
    """The queues of all phones, and every job ever added and not purged."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._lanes: dict[int, deque[Job]] = {}
        self._free_at: dict[int, float] = {}
        self._armed: set[int] = set()
        self._sent: list[Callable[[Job], object]] = []
        self.jobs: dict[str, Job] = {}

    def on_sent(self, listener: Callable[[Job], object]) -> None:
        """Have ``listener(job)`` called when a job left the queue, sent or failed."""
        self._sent.append(listener)

    def add(self, chat_id: str, content: Mapping[str, Any], *, phone: int | None, gap: float | None = None) -> Job:
        """Put a message at the end of its phone's queue. Raises :class:`Refused` for an unknown group.

        ``gap`` is the phone's pause after it in seconds, by default one pace.
        """
        chat_id, number = self.destination(chat_id, phone)
        drawn = self._org.issue("job")
        job = Job(
            queue_id=uuid_of(drawn),
            unique_id=f"3EB0{drawn[4]:08X}{drawn[5]:08X}{drawn[6]:08X}{drawn[7]:08X}",
            phone=number,
            chat_id=chat_id,
            content=content,
            queued_at=self._org.now,
            gap=self._org.pace if gap is None else gap,
        )
        self.jobs[job.queue_id] = job
        self._lane(number).append(job)
        self._arm(number, self._org.now)
        return job

    def destination(self, chat_id: str, phone: int | None) -> tuple[str, int]:
        """Give a chat's whole id, and the phone for writing to it. Raises :class:`Refused` for an unknown group."""
        chat_id = chat_id if "@" in chat_id else f"{chat_id}@c.us"
        known = self._org.world.whole(chat_id, phone)
        if known is None and chat_id.endswith("@g.us"):
            raise Refused(404, "Chat not found", {})
        if phone is not None:
            return chat_id, phone
        return chat_id, self._org.world.traits(chat_id).phones[0] if known else 0

    def position(self, job: Job) -> int:
        """Give the number of jobs before this one."""
        lane = self._lane(job.phone)
        return lane.index(job) if job in lane else 0

    def waiting(self, phone: int | None = None) -> list[Job]:
        """Give the waiting jobs of one phone or of all, in their order."""
        numbers = self._lanes if phone is None else [phone]
        return [job for number in numbers for job in self._lane(number)]

    def purge(self, jobs: list[Job]) -> list[str]:
        """Take waiting jobs out of their queues, for good. Returns their ids."""
        gone = [job for job in jobs if job in self._lane(job.phone)]
        for job in gone:
            self._lane(job.phone).remove(job)
            del self.jobs[job.queue_id]
        return [job.queue_id for job in gone]

    def is_running(self, phone: int) -> bool:
        """Whether a phone is connected, so that its queue moves."""
        return bool(self._org.phones[phone]["wa_state"] == "CONNECTED")

    def resolve(self, name: str) -> str | None:
        """Give a message id for the id of a message or job, or for the hex part of either."""
        for job in self.jobs.values():
            if name in {job.queue_id, job.unique_id}:
                return job.message_id
        return name

    def _lane(self, phone: int) -> deque[Job]:
        return self._lanes.setdefault(phone, deque())

    def _arm(self, phone: int, now: float) -> None:
        """Schedule the first job of a queue, one pace from now or at the end of the phone's pause."""
        if phone not in self._armed and self._lane(phone):
            self._armed.add(phone)
            at = max(now + self._org.pace, self._free_at.get(phone, 0.0))
            self._org.agenda.add(at, lambda due: self._take(phone, due))

    def _take(self, phone: int, at: float) -> None:
        self._armed.discard(phone)
        if not self.is_running(phone):
            # A disconnected phone is checked again later, so the code for connecting need not know of queues.
            self._free_at[phone] = at + 5 * self._org.pace
        elif lane := self._lane(phone):
            job = lane.popleft()
            self._free_at[phone] = at + job.gap
            self._send(job, at)
        self._arm(phone, at)

    def _send(self, job: Job, at: float) -> None:
        job.sent_at = at
        if job.chat_id.endswith("0000@c.us"):
            job.status, job.ack = "failed", -1
        else:
            self._leave(job, at)
        for listener in self._sent:
            listener(job)

    def _leave(self, job: Job, at: float) -> None:
        org = self._org
        own = org.org_phone(job.phone)
        chat = org.world.whole(job.chat_id)
        if chat is None:
            traits = Traits("user", (job.phone,), ())
            chat = org.world.open(job.chat_id, traits, _new_chat(job.chat_id, own))
        job.recipients = [member for member in chat["members"] if member != own]
        job.message_id = f"true_{job.chat_id}_{job.unique_id}"
        job.status, job.ack = "sent", 1
        message: dict[str, Any] = {
            **BLANK,
            **job.content,
            "ack": "1",
            "chat_id": job.chat_id,
            "delivery_info": {"delivered_count": 0, "pending": job.recipients, "read_count": 0},
            "from_me": True,
            "id": {
                "from_me": True,
                "id": job.unique_id,
                "remote": job.chat_id,
                "serialized": job.message_id,
            },
            "mentioned_ids": [],
            "message_id": job.message_id,
            "org_id": ORG_ID,
            "org_phone": own,
            "sender_phone": own,
            "sent_message_id": job.queue_id,
            "timestamp": stamp(int(at)),
            "unique_id": job.unique_id,
            "updated_at": stamp_now(at),
        }
        entry = Entry(job.message_id, int(at), own, job.chat_id, row=message)
        org.shelves["messages"].add(entry)
        org.world.say(job.chat_id, message, at)
        org.world.emit("message.created", message)
        for paces, ack in _STEPS:
            org.agenda.add(at + paces * org.pace, partial(self._acknowledge, job, entry, ack))

    def _acknowledge(self, job: Job, entry: Entry, ack: int, at: float) -> None:
        job.ack, job.status = ack, _WORDS[ack]
        moment = int(at * 1000)
        arrived = job.recipients if ack > 2 else job.recipients[: len(job.recipients) // 2]  # noqa: PLR2004 - see top
        read = job.recipients if ack > 3 else []  # noqa: PLR2004 - see top
        known: dict[str, Any] = self._org.shelves["messages"].row(entry)["delivery_info"]
        info: dict[str, Any] = {
            "delivered_count": len(arrived),
            "pending": [member for member in job.recipients if member not in arrived],
            "read_count": len(read),
        }
        if arrived:
            info["delivered"] = {member: known.get("delivered", {}).get(member, moment) for member in arrived}
        if read:
            info["read"] = dict.fromkeys(read, moment)
        message = self._org.shelves["messages"].change(
            entry, ack=str(ack), delivery_info=info, updated_at=stamp_now(at)
        )
        self._org.world.amend(message)
        self._org.world.emit("message.ack.updated", message)


def content_of(body: Mapping[str, Any], *, drawn: int = 0) -> dict[str, Any]:
    """Turn a client's input into the content columns of the message's row."""
    content: dict[str, Any] = {"body": body.get("message") or "", "message_type": "chat", "performed_by": "api"}
    if media := body.get("media"):
        path = media.get("url") or f"https://storage.googleapis.com/periskope-attachments/{ORG_ID}/{drawn:08x}"
        # Base64 of n bytes has 4 letters for each 3 of them.
        size = len((media.get("filedata") or "").rpartition(",")[2]) * 3 // 4
        kept = {"filename": media["filename"], "mimetype": media["mimetype"], "path": path}
        content |= {"media": {**kept, "size": size} if size else kept, "message_type": media["type"]}
    if poll := body.get("poll"):
        info = {"pollName": poll["pollName"], "pollOptions": poll["pollOptions"], "options": poll.get("options", {})}
        content |= {"poll_info": info, "poll_results": {}, "message_type": "poll_creation", "body": poll["pollName"]}
    if body.get("reply_to"):
        content["quoted_message_id"] = body["reply_to"]
    return content


def _new_chat(chat_id: str, own: str) -> dict[str, Any]:
    """Give the chat of a new contact."""
    member = {"chat_id": chat_id, "contact_color": "#06CF9C", "contact_image": None, "org_id": ORG_ID, "org_phone": own}
    flags = {"is_admin": True, "is_super_admin": False}
    return {
        "assigned_to": None,
        "chat_image": None,
        "chat_name": chat_id.removesuffix("@c.us"),
        "chat_org_phones": [own],
        "chat_type": "user",
        "custom_properties": {},
        "group_description": None,
        "invite_link": None,
        "is_exited": False,
        "label_ids": {},
        "labels": [],
        "member_count": 2,
        "members": {
            own: {**member, **flags, "contact_id": own, "contact_name": None, "is_internal": True},
            chat_id: {**member, **flags, "contact_id": chat_id, "contact_name": None, "is_internal": False},
        },
        "org_phone": own,
    }
