"""An asyncio client for the Periskope WhatsApp API that loses no row and earns no 429.

``async for chat in PeriskopeClient().iter_chats()`` walks the offset pages of a list that moves while it is read,
paced by a limiter that the server's own headers drive, and decodes each page with msgspec.

The sandbox (:mod:`periskope_async.sandbox`), the export and the command line are separate imports: this one loads
neither.
"""

from periskope_async.cache import PageCache
from periskope_async.client import PeriskopeClient
from periskope_async.config import Timeout
from periskope_async.errors import (
    APIError,
    AuthenticationError,
    BodyError,
    ClosedError,
    ConfigError,
    ConnectError,
    DecodeError,
    ExportError,
    MirrorError,
    NotFoundError,
    OutcomeUnknown,
    PaginationError,
    PartialFailure,
    PeriskopeError,
    PermissionDeniedError,
    RateLimitError,
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
from periskope_async.limits.rate import RateLimit
from periskope_async.limits.snapshot import RateLimitSnapshot
from periskope_async.meta import ResponseMeta
from periskope_async.models import (
    UNSET,
    Chat,
    ChatMember,
    ChatPage,
    DeliveryInfo,
    Message,
    MessageId,
    UnsetType,
)
from periskope_async.paging.pager import Pager
from periskope_async.paging.report import WalkReport
from periskope_async.retry import RetryPolicy

__all__ = [
    "UNSET",
    "APIError",
    "AuthenticationError",
    "BodyError",
    "Chat",
    "ChatMember",
    "ChatPage",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "DecodeError",
    "DeliveryInfo",
    "ExportError",
    "Message",
    "MessageId",
    "MirrorError",
    "NotFoundError",
    "OutcomeUnknown",
    "PageCache",
    "Pager",
    "PaginationError",
    "PartialFailure",
    "PeriskopeClient",
    "PeriskopeError",
    "PermissionDeniedError",
    "RateLimit",
    "RateLimitError",
    "RateLimitSnapshot",
    "RateLimiter",
    "ResponseMeta",
    "RetryPolicy",
    "ServerError",
    "SignatureError",
    "StreamOverflowError",
    "StreamRefusedError",
    "Timeout",
    "TimeoutError_",
    "TransportError",
    "UnsetType",
    "ValidationError",
    "WaitTooLong",
    "WalkReport",
    "WrongLoopError",
]


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: to read package metadata is slow."""
    if name == "__version__":
        from periskope_async.versions import version_of  # noqa: PLC0415 - it is no name of this package's own

        return version_of("periskope-async")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
