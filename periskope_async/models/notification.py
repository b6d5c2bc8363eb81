"""A notification of a chat: who joined, what was renamed, who called.

Source: https://docs.periskope.app/api-reference/chat/list-all-notifications and the row type of ``@periskope/types``.
"""

from typing import Any

from periskope_async.models.message import MessageId
from periskope_async.models.part import Part
from periskope_async.models.times import Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Notification"]


class Notification(Part, frozen=True, kw_only=True):
    """Something that happened to a chat, other than a message. The hash is that of ``notification_id``."""

    notification_id: str
    author: Maybe[str] = UNSET
    """Who did it."""
    body: Maybe[str] = UNSET
    chat_id: Maybe[str] = UNSET
    id: Maybe[MessageId] = UNSET
    metadata: Any = UNSET
    """For calls, how they ended."""
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    recipientids: Maybe[tuple[str, ...]] = UNSET
    """To whom it was done."""
    timestamp: Maybe[Time] = UNSET
    type: Maybe[str] = UNSET
    """``add``, ``remove``, ``promote``, ``demote``, ``invite``, ``leave``, ``subject``, ``desc``, ``call``,
    ``announce_…``, ``restrict_…``, ``memberaddmode_…``, or a word not met yet."""
    unique_id: Maybe[str] = UNSET

    def __hash__(self) -> int:
        return hash(self.notification_id)
