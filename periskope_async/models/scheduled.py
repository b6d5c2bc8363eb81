"""Scheduled messages, sent once or again and again (https://docs.periskope.app/api-reference/scheduled-messages)."""

from typing import Any

from periskope_async.models.message import MessageMedia
from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime, Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Occurrence", "RepeatConfig", "ScheduledMessage", "ScheduledPayload"]


class RepeatConfig(Part, frozen=True, kw_only=True):
    """How often a scheduled message is sent."""

    repeat_days: Maybe[tuple[str, ...]] = UNSET
    """Names of weekdays."""
    repeat_ends: Any = UNSET
    """The end of the repeats; its form is not documented."""
    repeat_interval: Maybe[str] = UNSET
    """``day``, ``week``, ``month``, or a word not met yet."""
    repeat_value: Maybe[int] = UNSET
    """Every how many intervals."""
    timezone: Maybe[str] = UNSET


class ScheduledPayload(Part, frozen=True, kw_only=True):
    """The content of a scheduled message."""

    media: Maybe[MessageMedia] = UNSET
    message: Maybe[str] = UNSET


class ScheduledMessage(Part, frozen=True, kw_only=True):
    """A message waiting for its time. The hash uses ``scheduled_id`` alone."""

    scheduled_id: str
    chat_id: Maybe[str] = UNSET
    created_at: Maybe[Time] = UNSET
    is_repeat: Maybe[bool] = UNSET
    message_payload: Maybe[ScheduledPayload] = UNSET
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    paused_at: Maybe[FlexTime] = UNSET
    performed_by: Maybe[str] = UNSET
    repeat_config: Maybe[RepeatConfig] = UNSET
    scheduled_at: Maybe[FlexTime] = UNSET
    """The time of its next sending."""
    skip_next: Maybe[bool] = UNSET
    status: Maybe[str] = UNSET
    """``scheduled``, or another word: they are not documented."""
    updated_at: Maybe[Time] = UNSET

    def __hash__(self) -> int:
        return hash(self.scheduled_id)


class Occurrence(Part, frozen=True, kw_only=True):
    """One sending of a scheduled message, or one failure. The hash uses ``id`` alone."""

    id: str
    chat_id: Maybe[str] = UNSET
    created_at: Maybe[Time] = UNSET
    delivered_at: Maybe[FlexTime] = UNSET
    is_success: Maybe[bool] = UNSET
    message_id: Maybe[str] = UNSET
    remarks: Maybe[str] = UNSET
    scheduled_id: Maybe[str] = UNSET
    sent_message_id: Maybe[str] = UNSET

    def __hash__(self) -> int:
        return hash(self.id)
