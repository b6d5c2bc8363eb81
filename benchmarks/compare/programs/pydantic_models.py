"""The fields of this package's objects as pydantic models, for the contender that uses them.

Read as pydantic reads by default: ``"4"`` is an int where one is wanted, ``"true"`` a bool, a number a time.
"""

# pydantic reads the annotations when the classes are made.
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

__all__ = ["Chat", "ChatPage"]


class AiMetadata(BaseModel):
    activation_state: str | None = None
    is_active: bool | None = None
    is_agent_allowed: bool | None = None
    is_flagging_allowed: bool | None = None
    snooze_until: datetime | None = None


class DeliveryInfo(BaseModel):
    delivered: dict[str, int] | None = None
    delivered_count: int | None = None
    pending: list[str] | None = None
    read: dict[str, int] | None = None
    read_count: int | None = None


class FlagMetadata(BaseModel):
    flagged_at: datetime | None = None
    flagged_by: str | None = None
    response_email: str | None = None
    response_id: str | None = None
    response_phone: str | None = None
    response_timestamp: datetime | None = None
    response_type: str | None = None
    status: bool | None = None


class MessageId(BaseModel):
    from_me: bool | None
    id: str | None = None
    remote: str | None = None
    serialized: str | None


class Dimensions(BaseModel):
    ar: float | None = None
    height: float | None = None
    width: float | None = None


class Media(BaseModel):
    compress: bool | None = None
    dimensions: Dimensions | None = None
    filedata: str | None = None
    filename: str | None = None
    mimetype: str | None = None
    path: str | None = None
    size: int | None = None
    thumbnail: str | None = None


class Reaction(BaseModel):
    ack: int | None = None
    chat_id: str | None = None
    id: MessageId | None = None
    message_id: str | None = None
    msg_id: MessageId | None = None
    org_id: str | None = None
    org_phone: str | None = None
    orphan: int | None = None
    orphan_reason: str | None = None
    reaction: str | None = None
    reaction_id: str | None = None
    read: bool | None = None
    sender_id: str | None = None
    timestamp: datetime | None = None
    unique_id: str | None = None


class Message(BaseModel):
    message_id: str
    ack: int | None = None
    author: str | None = None
    body: str | None = None
    broadcast: bool | None = None
    broadcast_id: str | None = None
    chat_id: str | None = None
    delivery_info: DeliveryInfo | None = None
    device_type: str | None = None
    duration: float | None = None
    flag_metadata: FlagMetadata | None = None
    flag_response_time: float | None = None
    flag_status: bool | None = None
    forwarding_score: int | None = None
    from_: str | None = Field(default=None, alias="from")
    from_me: bool | None = None
    fts: str | None = None
    has_media: bool | None = None
    has_quoted_msg: bool | None = None
    has_reaction: bool | None = None
    highlight: Any = None
    id: MessageId | None = None
    interactive: Any = None
    invite_v4: Any = None
    is_deleted: bool | None = None
    is_ephemeral: bool | None = None
    is_forwarded: bool | None = None
    is_gif: bool | None = None
    is_private_note: bool | None = None
    is_starred: bool | None = None
    is_status: bool | None = None
    links: Any = None
    location: Any = None
    media: Media | None = None
    media_key: str | None = None
    mentioned_ids: list[str] | None = None
    message_payload: Any = None
    message_ticket_id: str | None = None
    message_type: str | None = None
    order_id: str | None = None
    org_id: str | None = None
    org_phone: str | None = None
    performed_by: str | None = None
    poll_info: dict[str, Any] | None = None
    poll_results: dict[str, Any] | None = None
    prev_body: str | None = None
    quoted_message_id: str | None = None
    raw_data: Any = None
    reactions: list[Reaction] | None = None
    sender_phone: str | None = None
    sent_message_id: str | None = None
    timestamp: datetime | None = None
    to: str | None = None
    token: str | None = None
    unique_id: str | None = None
    updated_at: datetime | None = None
    vcards: list[str] | None = None


class ChatMember(BaseModel):
    chat_id: str | None = None
    contact_color: str | None = None
    contact_id: str | None = None
    contact_image: str | None = None
    contact_labels: str | None = None
    contact_name: str | None = None
    is_admin: bool | None = None
    is_internal: bool | None = None
    is_super_admin: bool | None = None
    org_id: str | None = None
    org_phone: str | None = None


class PinnedMessage(BaseModel):
    expires_at: datetime | None = None
    message_id: str | None = None
    pinned_at: datetime | None = None


class SnoozeMetadata(BaseModel):
    snooze_by: str | None = None
    snooze_message: str | None = None
    snooze_until: datetime | None = None


class Chat(BaseModel):
    """A chat."""

    chat_id: str
    active_phone: str | None = None
    add_members_admins_only: bool | None = None
    ai_metadata: AiMetadata | None = None
    assigned_to: str | None = None
    chat_access: dict[str, bool] | None = None
    chat_image: str | None = None
    chat_labels: str | None = None
    chat_name: str | None = None
    chat_org_phones: list[str] | None = None
    chat_type: str | None = None
    closed_at: datetime | None = None
    common_chats: list[str] | None = None
    created_at: datetime | None = None
    custom_properties: dict[str, Any] | None = None
    flag_count: int | None = None
    flag_count_map: dict[str, int] | None = None
    freshdesk_metadata: dict[str, Any] | None = None
    group_description: str | None = None
    group_metadata: dict[str, Any] | None = None
    hubspot_metadata: dict[str, Any] | None = None
    info_admins_only: bool | None = None
    initiated_by: str | None = None
    invite_link: str | None = None
    is_archived: bool | None = None
    is_exited: bool | None = None
    is_muted: bool | None = None
    is_pinned: bool | None = None
    label_ids: dict[str, bool] | list[str] | None = None
    labels: list[str] | None = None
    latest_mention_at: datetime | None = None
    latest_message: Message | None = None
    latest_message_timestamp: datetime | None = None
    latest_message_timestamp_map: dict[str, datetime | None] | None = None
    member_add_mode: bool | None = None
    member_closed_at: dict[str, datetime | None] | None = None
    member_count: int | None = None
    member_unread_count: dict[str, int] | None = None
    members: dict[str, ChatMember] | None = None
    message_unread_count: int | None = None
    messages_admins_only: bool | None = None
    org_id: str | None = None
    org_phone: str | None = None
    override_chat_access: Any = None
    parent_community_id: str | None = None
    pinned_messages: list[PinnedMessage] | None = None
    snooze_metadata: SnoozeMetadata | None = None
    unread_count: dict[str, int] | None = None
    updated_at: datetime | None = None
    zohocrm_metadata: dict[str, Any] | None = None
    zohodesk_metadata: dict[str, Any] | None = None


class ChatPage(BaseModel):
    """One page of a list of chats."""

    chats: list[Chat]
    from_: int | None = Field(default=None, alias="from")
    to: int | None = None
    count: int | None = None
