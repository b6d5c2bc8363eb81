"""Tickets: the flat row of lists, and the nested form of single tickets.

Sources: https://docs.periskope.app/api-reference/tickets/get-tickets for the row, and
https://docs.periskope.app/api-reference/objects/the-ticket-info-object for the nested form.
"""

from typing import Any

from periskope_async.models.chat import Chat
from periskope_async.models.labels import LabelIds, LabelNames, active_ids
from periskope_async.models.message import Message
from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime, Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["CloseMetadata", "Ticket", "TicketDetails", "TicketInfo", "TicketMessage"]


class CloseMetadata(Part, frozen=True, kw_only=True):
    """The closing of a ticket: its author and message. ``{}`` on the wire if nobody closed it."""

    closed_at: Maybe[FlexTime] = UNSET
    closed_by: Maybe[str] = UNSET
    closed_message: Maybe[str] = UNSET
    send_reply_message_id: Maybe[str] = UNSET


class Ticket(Part, frozen=True, kw_only=True):
    """A ticket as lists have it. The hash uses ``ticket_id`` alone."""

    ticket_id: str
    """Such as ``BKT-002``."""
    assigned_by: Maybe[str] = UNSET
    assignee: Maybe[str] = UNSET
    """A member's e-mail."""
    chat: Maybe[Chat] = UNSET
    chat_id: Maybe[str] = UNSET
    close_ticket_metadata: Maybe[CloseMetadata] = UNSET
    closed_at: Maybe[FlexTime] = UNSET
    created_at: Maybe[Time] = UNSET
    custom_properties: Maybe[dict[str, Any]] = UNSET
    due_date: Maybe[FlexTime] = UNSET
    first_assigned_at: Maybe[FlexTime] = UNSET
    freshdesk_metadata: Maybe[dict[str, Any]] = UNSET
    hubspot_metadata: Maybe[dict[str, Any]] = UNSET
    is_deleted: Maybe[bool] = UNSET
    label_ids: Maybe[LabelIds] = UNSET
    labels: Maybe[LabelNames] = UNSET
    last_updated_at: Maybe[Time] = UNSET
    last_updated_by: Maybe[str] = UNSET
    org_id: Maybe[str] = UNSET
    priority: Maybe[int] = UNSET
    """1 low, 2 medium, 3 high, 4 urgent; samples have 0 if none was given."""
    quoted_message: Maybe[Message] = UNSET
    quoted_message_id: Maybe[str] = UNSET
    raised_by: Maybe[str] = UNSET
    response_time: Maybe[float] = UNSET
    """No document says the unit."""
    status: Maybe[str] = UNSET
    """``open``, ``inprogress``, ``closed``, ``archived``, or a word not met yet."""
    subject: Maybe[str] = UNSET
    zohodesk_metadata: Maybe[dict[str, Any]] = UNSET

    def __hash__(self) -> int:
        return hash(self.ticket_id)

    @property
    def active_label_ids(self) -> frozenset[str]:
        """The true ids in ``label_ids``; empty also if the field is absent."""
        return active_ids(self.label_ids)


class TicketMessage(Part, frozen=True, kw_only=True):
    """A message quoted by a ticket, or attached to it."""

    body: Maybe[str] = UNSET
    chat_id: Maybe[str] = UNSET
    media_path: Maybe[str] = UNSET
    message_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    performed_by: Maybe[str] = UNSET
    sender_name: Maybe[str] = UNSET
    sender_phone: Maybe[str] = UNSET
    timestamp: Maybe[Time] = UNSET


class TicketDetails(Part, frozen=True, kw_only=True):
    """The ticket inside a :class:`TicketInfo`; it has other fields than the row of lists."""

    ticket_id: str
    """Such as ``BKT-002``."""
    assigned_by: Maybe[str] = UNSET
    assignee: Maybe[str] = UNSET
    """A member's e-mail."""
    closed_at: Maybe[FlexTime] = UNSET
    closed_by: Maybe[str] = UNSET
    closed_message: Maybe[str] = UNSET
    created_at: Maybe[Time] = UNSET
    due_date: Maybe[FlexTime] = UNSET
    first_assigned_at: Maybe[FlexTime] = UNSET
    is_deleted: Maybe[bool] = UNSET
    org_id: Maybe[str] = UNSET
    priority: Maybe[int] = UNSET
    """1 low, 2 medium, 3 high, 4 urgent; 0 if none was given."""
    quoted_message_id: Maybe[str] = UNSET
    raised_by: Maybe[str] = UNSET
    status: Maybe[str] = UNSET
    """``open``, ``inprogress``, ``closed``, ``archived``, or a word not met yet."""
    subject: Maybe[str] = UNSET
    ticket_custom_properties: Maybe[dict[str, Any]] = UNSET
    """Property name to its value."""
    ticket_labels: Maybe[LabelNames] = UNSET
    """Names of labels; the wire has one text with commas between them."""

    def __hash__(self) -> int:
        return hash(self.ticket_id)


class TicketInfo(Part, frozen=True, kw_only=True):
    """A single ticket with its chat and its messages."""

    attached_messages: Maybe[tuple[TicketMessage, ...]] = UNSET
    chat: Maybe[Chat] = UNSET
    message: Maybe[TicketMessage] = UNSET
    """The quoted message; its fields are null if the ticket quotes none."""
    ticket: Maybe[TicketDetails] = UNSET
