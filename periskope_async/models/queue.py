"""The queue of outgoing messages, and their delivery.

Sources: https://docs.periskope.app/api-reference/message/list-queue-jobs, message/message-status, message/queue-health,
message/purge-queue-jobs, message/send-message, message/send-message-sync, message/delete-broadcast,
queues/get-queue-status.
"""

from periskope_async.models.message import Message
from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, Maybe

__all__ = [
    "BroadcastReceipt",
    "CancelledBroadcast",
    "JobMessage",
    "JobTimeline",
    "MessageStatus",
    "PurgeResult",
    "QueueHealth",
    "QueueJob",
    "QueueStatus",
    "SendReceipt",
]


class SendReceipt(Part, frozen=True, kw_only=True):
    """The server's answer to a message: it is queued, or it is sent.

    No field is sure: old servers gave a map of chat ids, newer ones ``queue_id``, the newest ``unique_id`` too.
    """

    hint: Maybe[str] = UNSET
    message: Maybe[Message] = UNSET
    """Present only if the server waited until the message was sent."""
    queue_id: Maybe[str] = UNSET
    queue_position: Maybe[int] = UNSET
    """The wire has a number or a text."""
    status: Maybe[str] = UNSET
    """``sent`` if the server waited until the message was sent."""
    unique_id: Maybe[str] = UNSET
    """Stays with the message for good: in ``get_message_status`` and in ``Message.unique_id``."""


class BroadcastReceipt(Part, frozen=True, kw_only=True):
    """The server's answer to a broadcast."""

    broadcast_id: str


class CancelledBroadcast(Part, frozen=True, kw_only=True):
    """The server's answer to the cancelling of a broadcast."""

    broadcast_id: str
    status: Maybe[str] = UNSET
    """``deleted`` before its start, ``stopped`` later."""


class JobMessage(Part, frozen=True, kw_only=True):
    """The content of a job."""

    body: Maybe[str] = UNSET
    quoted_message_id: Maybe[str] = UNSET
    type: Maybe[str] = UNSET


class JobTimeline(Part, frozen=True, kw_only=True):
    """The times of queueing and sending a job."""

    queued_at: Maybe[FlexTime] = UNSET
    sent_at: Maybe[FlexTime] = UNSET


class _Job(Part, frozen=True, kw_only=True):
    attempts: Maybe[int] = UNSET
    chat_id: Maybe[str] = UNSET
    message: Maybe[JobMessage] = UNSET
    message_id: Maybe[str] = UNSET
    """The message's id once it is sent; null before."""
    performed_by: Maybe[str] = UNSET
    """A member's e-mail, or ``api``."""
    queue_id: Maybe[str] = UNSET
    status: Maybe[str] = UNSET
    """``sent`` and ``read`` are documented; there are others."""
    status_description: Maybe[str] = UNSET
    timeline: Maybe[JobTimeline] = UNSET
    unique_id: Maybe[str] = UNSET


class QueueJob(_Job, frozen=True, kw_only=True):
    """One message in the queue, or one gone from it. No document says how long those stay in the list."""


class MessageStatus(_Job, frozen=True, kw_only=True):
    """How far a message has come."""

    ack: Maybe[int] = UNSET
    """-1 failed, 0 queued, 1 handed to WhatsApp, 2 taken by WhatsApp, 3 delivered to all, 4 and above read by all."""
    delivered_count: Maybe[int] = UNSET
    read_count: Maybe[int] = UNSET


class QueueHealth(Part, frozen=True, kw_only=True):
    """The number of jobs in each state of the phone's queue."""

    active: Maybe[int] = UNSET
    completed: Maybe[int] = UNSET
    delayed: Maybe[int] = UNSET
    failed: Maybe[int] = UNSET
    paused: Maybe[int] = UNSET
    waiting: Maybe[int] = UNSET


class QueueStatus(Part, frozen=True, kw_only=True):
    """The older form of :class:`QueueHealth`."""

    active: Maybe[int] = UNSET
    completed: Maybe[int] = UNSET
    """Over the last 24 hours."""
    failed: Maybe[int] = UNSET
    """Over the last 24 hours."""
    is_running: Maybe[bool] = UNSET
    """False while the phone is disconnected."""
    pending: Maybe[int] = UNSET


class PurgeResult(Part, frozen=True, kw_only=True):
    """What was taken out of the queue."""

    mode: Maybe[str] = UNSET
    """``all``, ``queue_ids`` or ``broadcast``."""
    purged: Maybe[bool | int] = UNSET
    """Whether it was done, by the documents; or a number of jobs."""
    queue_ids: Maybe[tuple[str, ...]] = UNSET
    """The ids of the jobs, or that of the broadcast."""
