"""An asyncio client for the Periskope WhatsApp API that loses no row and earns no 429.

This walks the offset pages of a moving list::

    async with PeriskopeClient() as client:
        async for chat in client.iter_chats():
            print(chat.chat_name)

A limiter paces it by the server's own headers, and msgspec decodes each page.

The sandbox (:mod:`periskope_async.sandbox`), the export and the command line are separate imports: this one loads
neither.
"""

from typing import TYPE_CHECKING

from periskope_async.arrow import ArrowBatches
from periskope_async.cache import PageCache
from periskope_async.client import PeriskopeClient
from periskope_async.client.base import WalkParams
from periskope_async.client.content import Poll
from periskope_async.client.knowledge import KnowledgeType
from periskope_async.client.members import Role
from periskope_async.client.properties import PropertyType
from periskope_async.client.scheduled import Repeat
from periskope_async.client.sent import SentBroadcast, SentMessage, Until
from periskope_async.client.tasks import TaskStatus, TaskType
from periskope_async.client.tickets import TicketStatus
from periskope_async.config import Timeout
from periskope_async.decoding.model import decode
from periskope_async.errors import (
    APIError,
    AuthenticationError,
    BodyError,
    ClosedError,
    ConfigError,
    ConnectError,
    DecodeError,
    ExportBusyError,
    ExportError,
    MirrorError,
    NotFoundError,
    OutcomeUnknown,
    PaginationError,
    PartialFailure,
    PeriskopeError,
    PermissionDeniedError,
    RateLimitError,
    SendError,
    ServerError,
    SignatureError,
    StreamOverflowError,
    StreamRefusedError,
    TimeoutError_,
    TransportError,
    ValidationError,
    WaitTooLong,
    WrongLoopError,
)
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.limiter import Limiter
from periskope_async.limits.permit import Permit
from periskope_async.limits.rate import RateLimit
from periskope_async.limits.snapshot import RateLimitSnapshot
from periskope_async.media import Media
from periskope_async.meta import ResponseMeta
from periskope_async.models import (
    UNSET,
    Broadcast,
    Chat,
    ChatMember,
    ChatPage,
    Contact,
    CustomProperty,
    DeliveryInfo,
    KnowledgeBaseItem,
    ListPage,
    Member,
    Message,
    MessageId,
    MessageStatus,
    Note,
    Notification,
    Occurrence,
    Phone,
    PropertyDeletions,
    PropertyOptions,
    QueueJob,
    Reaction,
    ScheduledMessage,
    Task,
    Ticket,
    TicketInfo,
    UnsetType,
    WebhookSubscription,
)
from periskope_async.paging.page import Consistency, Page
from periskope_async.paging.pager import Pager
from periskope_async.paging.report import WalkReport
from periskope_async.retry import RetryPolicy
from periskope_async.wire.chats import ChatType, SortBy, SortOrder
from periskope_async.wire.inputs import Words
from periskope_async.wire.period import Moment

if TYPE_CHECKING:
    from periskope_async.limits.shared import SharedLimiter

    __version__: str

__all__ = [
    "UNSET",
    "APIError",
    "ArrowBatches",
    "AuthenticationError",
    "BodyError",
    "Broadcast",
    "Chat",
    "ChatMember",
    "ChatPage",
    "ChatType",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "Consistency",
    "Contact",
    "CustomProperty",
    "DecodeError",
    "DeliveryInfo",
    "ExportBusyError",
    "ExportError",
    "KnowledgeBaseItem",
    "KnowledgeType",
    "Limiter",
    "ListPage",
    "Media",
    "Member",
    "Message",
    "MessageId",
    "MessageStatus",
    "MirrorError",
    "Moment",
    "NotFoundError",
    "Note",
    "Notification",
    "Occurrence",
    "OutcomeUnknown",
    "Page",
    "PageCache",
    "Pager",
    "PaginationError",
    "PartialFailure",
    "PeriskopeClient",
    "PeriskopeError",
    "PermissionDeniedError",
    "Permit",
    "Phone",
    "Poll",
    "PropertyDeletions",
    "PropertyOptions",
    "PropertyType",
    "QueueJob",
    "RateLimit",
    "RateLimitError",
    "RateLimitSnapshot",
    "RateLimiter",
    "Reaction",
    "Repeat",
    "ResponseMeta",
    "RetryPolicy",
    "Role",
    "ScheduledMessage",
    "SendError",
    "SentBroadcast",
    "SentMessage",
    "ServerError",
    "SharedLimiter",
    "SignatureError",
    "SortBy",
    "SortOrder",
    "StreamOverflowError",
    "StreamRefusedError",
    "Task",
    "TaskStatus",
    "TaskType",
    "Ticket",
    "TicketInfo",
    "TicketStatus",
    "Timeout",
    "TimeoutError_",
    "TransportError",
    "UnsetType",
    "Until",
    "ValidationError",
    "WaitTooLong",
    "WalkParams",
    "WalkReport",
    "WebhookSubscription",
    "Words",
    "WrongLoopError",
    "decode",
]


def __getattr__(name: str) -> object:
    """Load on demand what few use: the shared limiter, and the version, for reading package metadata is slow."""
    if name == "SharedLimiter":
        from periskope_async.limits.shared import SharedLimiter  # noqa: PLC0415

        return SharedLimiter
    if name == "__version__":
        from periskope_async.versions import version_of  # noqa: PLC0415 - it is no name of this package's own

        return version_of("periskope-async")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
