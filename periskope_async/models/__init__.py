"""The objects of the wire: frozen, typed, lenient, and read by one decoder call a page."""

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
from periskope_async.models.page import ChatPage, read_chat, read_chat_page
from periskope_async.models.raw_page import RawPage, RawRow, read_raw_page
from periskope_async.models.repair import Unreadable
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
    "Maybe",
    "Media",
    "Message",
    "MessageId",
    "PinnedMessage",
    "RawPage",
    "RawRow",
    "Reaction",
    "SnoozeMetadata",
    "Unreadable",
    "UnsetType",
    "read_chat",
    "read_chat_page",
    "read_raw_page",
]
