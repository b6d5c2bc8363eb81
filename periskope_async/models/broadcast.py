"""How far a broadcast has come (GET /queue/broadcast, types of ``@periskope/periskope-client``)."""

from typing import Any

from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Broadcast", "BroadcastPayload"]


class BroadcastPayload(Part, frozen=True, kw_only=True):
    """The content of a broadcast."""

    body: Maybe[str] = UNSET
    message_type: Maybe[str] = UNSET
    performed_by: Maybe[str] = UNSET


class Broadcast(Part, frozen=True, kw_only=True):
    """A broadcast and its counts. The hash uses ``broadcast_id`` alone.

    The counts of the documents' sample do not add up, so none is worked out from another here.
    """

    broadcast_id: str
    broadcast_status: Maybe[str] = UNSET
    """``pending``, ``inprogress`` (also ``in-progress``), ``completed``, ``failed``, ``stopped``, ``deleted``,
    ``expired``, or a word not met yet."""
    created_at: Maybe[FlexTime] = UNSET
    delivered_percentage: Maybe[float] = UNSET
    failed_chats: Maybe[int] = UNSET
    logs: Maybe[tuple[Any, ...]] = UNSET
    message_payload: Maybe[BroadcastPayload] = UNSET
    org_id: Maybe[str] = UNSET
    pending_chats: Maybe[int] = UNSET
    performed_at: Maybe[FlexTime] = UNSET
    performed_by: Maybe[str] = UNSET
    read_percentage: Maybe[float] = UNSET
    scheduled_at: Maybe[FlexTime] = UNSET
    sent_chats: Maybe[int] = UNSET
    total_chats: Maybe[int] = UNSET
    total_delivered_count: Maybe[int] = UNSET
    total_member_count: Maybe[int] = UNSET
    total_read_count: Maybe[int] = UNSET

    def __hash__(self) -> int:
        return hash(self.broadcast_id)

    @property
    def is_done(self) -> bool:
        """Whether nothing more will be sent, as far as ``broadcast_status`` says."""
        return self.broadcast_status in {"completed", "failed", "stopped", "expired", "deleted"}
