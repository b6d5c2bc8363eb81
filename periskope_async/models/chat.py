"""A chat and its parts (https://docs.periskope.app/api-reference/objects/the-chat-object).

Lists of chats hold 26 of these fields; a single chat, asked for by its id, holds more, ``members`` above all.
"""

from typing import Any

from periskope_async.models.labels import LabelIds, LabelNames, active_ids
from periskope_async.models.message import Message
from periskope_async.models.part import Part
from periskope_async.models.times import EPOCH, FlexTime, Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["AiMetadata", "Chat", "ChatMember", "PinnedMessage", "SnoozeMetadata"]

_GROUP_SUFFIX = "@g.us"


class ChatMember(Part, frozen=True, kw_only=True):
    """One member of a chat, the value of its contact id in ``Chat.members``; one-to-one chats have members too."""

    chat_id: Maybe[str] = UNSET
    contact_color: Maybe[str] = UNSET
    contact_id: Maybe[str] = UNSET
    contact_image: Maybe[str] = UNSET
    contact_labels: Maybe[str] = UNSET
    """Names of labels, with commas between them; only inside tickets."""
    contact_name: Maybe[str] = UNSET
    is_admin: Maybe[bool] = UNSET
    is_internal: Maybe[bool] = UNSET
    is_super_admin: Maybe[bool] = UNSET
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET


class PinnedMessage(Part, frozen=True, kw_only=True):
    """A message pinned in a chat."""

    expires_at: Maybe[FlexTime] = UNSET
    message_id: Maybe[str] = UNSET
    pinned_at: Maybe[FlexTime] = UNSET


class SnoozeMetadata(Part, frozen=True, kw_only=True):
    """The end of a chat's snooze, its reason and its author."""

    snooze_by: Maybe[str] = UNSET
    snooze_message: Maybe[str] = UNSET
    snooze_until: Maybe[FlexTime] = UNSET


class AiMetadata(Part, frozen=True, kw_only=True):
    """How the AI agent stands to a chat."""

    activation_state: Maybe[str] = UNSET
    """``active``, ``inactive``, ``snoozed``, ``thinking``, or a word not met yet."""
    is_active: Maybe[bool] = UNSET
    is_agent_allowed: Maybe[bool] = UNSET
    is_flagging_allowed: Maybe[bool] = UNSET
    snooze_until: Maybe[FlexTime] = UNSET


class Chat(Part, frozen=True, kw_only=True):
    """A chat. Equal chats have equal fields; the hash uses ``(chat_id, org_phone)`` alone, so that sets work."""

    chat_id: str
    """``<digits>@g.us`` for a group, ``<digits>@c.us`` for a person or a business."""
    active_phone: Maybe[str] = UNSET
    add_members_admins_only: Maybe[bool] = UNSET
    ai_metadata: Maybe[AiMetadata] = UNSET
    assigned_to: Maybe[str] = UNSET
    """A member's e-mail."""
    chat_access: Maybe[dict[str, bool]] = UNSET
    """A member's e-mail to True if they may see the chat."""
    chat_image: Maybe[str] = UNSET
    """A URL; old answers have a relative path."""
    chat_labels: Maybe[str] = UNSET
    """Names of labels, with commas between them; only inside tickets."""
    chat_name: Maybe[str] = UNSET
    chat_org_phones: Maybe[tuple[str, ...]] = UNSET
    """All of the organisation's phones in the chat."""
    chat_type: Maybe[str] = UNSET
    """``user``, ``group``, ``business``, ``unknown``, or a word not met yet."""
    closed_at: Maybe[FlexTime] = UNSET
    common_chats: Maybe[tuple[str, ...]] = UNSET
    """Ids of the groups shared with the person of a one-to-one chat."""
    created_at: Maybe[Time] = UNSET
    """1970-01-01T00:00:00Z means unknown, see ``created_at_known``."""
    custom_properties: Maybe[dict[str, Any]] = UNSET
    """Property id to its value; inside tickets, property name to its value."""
    flag_count: Maybe[int] = UNSET
    flag_count_map: Maybe[dict[str, int]] = UNSET
    freshdesk_metadata: Maybe[dict[str, Any]] = UNSET
    group_description: Maybe[str] = UNSET
    group_metadata: Maybe[dict[str, Any]] = UNSET
    hubspot_metadata: Maybe[dict[str, Any]] = UNSET
    """As sent: ``{}`` if the chat is not linked."""
    info_admins_only: Maybe[bool] = UNSET
    initiated_by: Maybe[str] = UNSET
    invite_link: Maybe[str] = UNSET
    is_archived: Maybe[bool] = UNSET
    is_exited: Maybe[bool] = UNSET
    is_muted: Maybe[bool] = UNSET
    is_pinned: Maybe[bool] = UNSET
    label_ids: Maybe[LabelIds] = UNSET
    """As sent: a map from label id to true, or a list of label ids; ``active_label_ids`` reads both."""
    labels: Maybe[LabelNames] = UNSET
    """Names of labels; lists of chats leave them out."""
    latest_mention_at: Maybe[FlexTime] = UNSET
    latest_message: Maybe[Message] = UNSET
    latest_message_timestamp: Maybe[FlexTime] = UNSET
    """The sort time of ``sort_by=latest_message_timestamp``; the recorded list does not hold it."""
    latest_message_timestamp_map: Maybe[dict[str, FlexTime | None]] = UNSET
    member_add_mode: Maybe[bool] = UNSET
    """The wire has the strings ``true`` and ``false``."""
    member_closed_at: Maybe[dict[str, FlexTime | None]] = UNSET
    member_count: Maybe[int] = UNSET
    member_unread_count: Maybe[dict[str, int]] = UNSET
    members: Maybe[dict[str, ChatMember]] = UNSET
    """Contact id to member. Lists of chats leave it out: ask for the chat by its id."""
    message_unread_count: Maybe[int] = UNSET
    messages_admins_only: Maybe[bool] = UNSET
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    """The phone of this row, ``<digits>@c.us``."""
    override_chat_access: Any = UNSET
    parent_community_id: Maybe[str] = UNSET
    pinned_messages: Maybe[tuple[PinnedMessage, ...]] = UNSET
    snooze_metadata: Maybe[SnoozeMetadata] = UNSET
    unread_count: Maybe[dict[str, int]] = UNSET
    updated_at: Maybe[Time] = UNSET
    zohocrm_metadata: Maybe[dict[str, Any]] = UNSET
    zohodesk_metadata: Maybe[dict[str, Any]] = UNSET

    def __hash__(self) -> int:
        return hash((self.chat_id, self.org_phone))

    @property
    def created_at_known(self) -> bool:
        """Whether ``created_at`` is a real time; 18 of the 23 recorded chats say 1970 instead."""
        return bool(self.created_at) and self.created_at != EPOCH

    @property
    def is_group(self) -> bool:
        """Whether the chat is a group, by its id."""
        return self.chat_id.endswith(_GROUP_SUFFIX)

    @property
    def active_label_ids(self) -> frozenset[str]:
        """The true ids in ``label_ids``; empty also if the field is absent."""
        return active_ids(self.label_ids)
