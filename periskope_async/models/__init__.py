"""The objects of the wire: frozen, typed and lenient."""

from periskope_async.models.broadcast import Broadcast, BroadcastPayload
from periskope_async.models.chat import AiMetadata, Chat, ChatMember, PinnedMessage, SnoozeMetadata
from periskope_async.models.contact import Contact
from periskope_async.models.custom_property import (
    CustomProperty,
    DeletedProperty,
    PropertyDeletions,
    PropertyOption,
    PropertyOptions,
)
from periskope_async.models.knowledge import DocumentResult, KnowledgeBaseItem, KnowledgeBaseMetadata
from periskope_async.models.member import Member
from periskope_async.models.message import (
    DeliveryInfo,
    Dimensions,
    FlagMetadata,
    Message,
    MessageId,
    MessageMedia,
    Reaction,
)
from periskope_async.models.note import Note
from periskope_async.models.notification import Notification, NotificationId
from periskope_async.models.outcome import (
    InviteError,
    InviteFailure,
    MemberInvitations,
    ParticipantResult,
    ParticipantResults,
)
from periskope_async.models.page import ChatPage, ListPage
from periskope_async.models.phone import Phone
from periskope_async.models.queue import (
    BroadcastReceipt,
    CancelledBroadcast,
    JobMessage,
    JobTimeline,
    MessageStatus,
    PurgeResult,
    QueueHealth,
    QueueJob,
    QueueStatus,
    SendReceipt,
)
from periskope_async.models.scheduled import Occurrence, RepeatConfig, ScheduledMessage, ScheduledPayload
from periskope_async.models.settings import ChatAiSettings
from periskope_async.models.subscription import WebhookSubscription
from periskope_async.models.task import CompletedMetadata, Task, TaskAssociation
from periskope_async.models.ticket import CloseMetadata, Ticket, TicketDetails, TicketInfo, TicketMessage
from periskope_async.models.unset import UNSET, Maybe, UnsetType

__all__ = [
    "UNSET",
    "AiMetadata",
    "Broadcast",
    "BroadcastPayload",
    "BroadcastReceipt",
    "CancelledBroadcast",
    "Chat",
    "ChatAiSettings",
    "ChatMember",
    "ChatPage",
    "CloseMetadata",
    "CompletedMetadata",
    "Contact",
    "CustomProperty",
    "DeletedProperty",
    "DeliveryInfo",
    "Dimensions",
    "DocumentResult",
    "FlagMetadata",
    "InviteError",
    "InviteFailure",
    "JobMessage",
    "JobTimeline",
    "KnowledgeBaseItem",
    "KnowledgeBaseMetadata",
    "ListPage",
    "Maybe",
    "Member",
    "MemberInvitations",
    "Message",
    "MessageId",
    "MessageMedia",
    "MessageStatus",
    "Note",
    "Notification",
    "NotificationId",
    "Occurrence",
    "ParticipantResult",
    "ParticipantResults",
    "Phone",
    "PinnedMessage",
    "PropertyDeletions",
    "PropertyOption",
    "PropertyOptions",
    "PurgeResult",
    "QueueHealth",
    "QueueJob",
    "QueueStatus",
    "Reaction",
    "RepeatConfig",
    "ScheduledMessage",
    "ScheduledPayload",
    "SendReceipt",
    "SnoozeMetadata",
    "Task",
    "TaskAssociation",
    "Ticket",
    "TicketDetails",
    "TicketInfo",
    "TicketMessage",
    "UnsetType",
    "WebhookSubscription",
]
