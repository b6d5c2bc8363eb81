"""The objects of the wire: frozen, typed and lenient."""

from periskope_async.models.chat import AiMetadata, Chat, ChatMember, PinnedMessage, SnoozeMetadata
from periskope_async.models.message import (
    DeliveryInfo,
    Dimensions,
    FlagMetadata,
    Media,
    Message,
    MessageId,
    Reaction,
)
from periskope_async.models.page import ChatPage, ListPage
from periskope_async.models.unset import UNSET, Maybe, UnsetType

__all__ = [
    "UNSET",
    "AiMetadata",
    "Chat",
    "ChatMember",
    "ChatPage",
    "DeliveryInfo",
    "Dimensions",
    "FlagMetadata",
    "ListPage",
    "Maybe",
    "Media",
    "Message",
    "MessageId",
    "PinnedMessage",
    "Reaction",
    "SnoozeMetadata",
    "UnsetType",
]
