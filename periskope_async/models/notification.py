"""A notification of a chat: a join, a new name, a call.

Source: https://docs.periskope.app/api-reference/chat/list-all-notifications and the row type of ``@periskope/types``.
"""

from typing import Any, ClassVar

from periskope_async.models.part import Part
from periskope_async.models.times import Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Notification", "NotificationId"]


class NotificationId(Part, frozen=True, kw_only=True, rename={"from_me": "fromMe"}):
    """WhatsApp's compound id in the spelling of notifications, a mix of those of lists and webhooks.

    The others are read too, as :class:`MessageId` reads them.
    """

    other_spellings: ClassVar[dict[str, str]] = {"serialized": "_serialized", "from_me": "from_me"}

    # These two have no default, so that an id in another spelling leaves the fast path and is normalised.
    from_me: Maybe[bool]
    id: Maybe[str] = UNSET
    remote: Maybe[str] = UNSET
    """The chat's id."""
    serialized: Maybe[str]


class Notification(Part, frozen=True, kw_only=True):
    """An event in a chat, other than a message. The hash uses ``notification_id`` alone."""

    notification_id: str
    author: Maybe[str] = UNSET
    """Who did it."""
    body: Maybe[str] = UNSET
    chat_id: Maybe[str] = UNSET
    id: Maybe[NotificationId] = UNSET
    metadata: Any = UNSET
    """How a call ended."""
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    recipientids: Maybe[tuple[str, ...]] = UNSET
    """The affected people."""
    timestamp: Maybe[Time] = UNSET
    type: Maybe[str] = UNSET
    """``add``, ``remove``, ``promote``, ``demote``, ``invite``, ``leave``, ``subject``, ``desc``, ``call``,
    ``announce_…``, ``restrict_…``, ``memberaddmode_…``, or a word not met yet."""
    unique_id: Maybe[str] = UNSET

    def __hash__(self) -> int:
        return hash(self.notification_id)
