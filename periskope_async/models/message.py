"""A WhatsApp message and its parts (https://docs.periskope.app/api-reference/objects/the-message-object).

The fields are those of the recorded answers, of the documents, and of the row types of the official TypeScript
packages. The type here takes every documented form if they disagree.
"""

from datetime import datetime
from typing import Any, ClassVar

from periskope_async.models.part import Part
from periskope_async.models.times import EpochMs, FlexTime, Time, from_epoch_ms
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["DeliveryInfo", "Dimensions", "FlagMetadata", "Message", "MessageId", "MessageMedia", "Reaction"]


class MessageId(Part, frozen=True, kw_only=True):
    """WhatsApp's compound id, in the lists' spelling or the webhooks' (``_serialized``, ``fromMe``)."""

    other_spellings: ClassVar[dict[str, str]] = {"serialized": "_serialized", "from_me": "fromMe"}

    # These two have no default, so that an id in the webhooks' spelling leaves the fast path and is normalised.
    from_me: Maybe[bool]
    id: Maybe[str] = UNSET
    """The ``<HEX>`` part, as in ``unique_id``."""
    remote: Maybe[str] = UNSET
    """The chat's id."""
    serialized: Maybe[str]
    """``<true|false>_<chat_id>_<HEX>[_<author>]``, as in ``message_id``."""


class DeliveryInfo(Part, frozen=True, kw_only=True):
    """The receivers and readers of a message sent from here. This is the truth for a group, not ``ack``.

    The maps are left out while their counts are 0.
    """

    delivered: Maybe[dict[str, EpochMs]] = UNSET
    """Contact id to epoch milliseconds."""
    delivered_count: Maybe[int] = UNSET
    pending: Maybe[tuple[str, ...]] = UNSET
    read: Maybe[dict[str, EpochMs]] = UNSET
    """Contact id to epoch milliseconds."""
    read_count: Maybe[int] = UNSET

    @property
    def delivered_at(self) -> dict[str, datetime]:
        """``delivered`` as aware UTC datetimes; empty if the map is absent. ValueError outside years 1-9999."""
        return {contact: from_epoch_ms(at) for contact, at in (self.delivered or {}).items()}

    @property
    def read_at(self) -> dict[str, datetime]:
        """``read`` as aware UTC datetimes; empty if the map is absent. ValueError outside years 1-9999."""
        return {contact: from_epoch_ms(at) for contact, at in (self.read or {}).items()}


class Dimensions(Part, frozen=True, kw_only=True):
    """Pixels of an image or a video."""

    ar: Maybe[float] = UNSET
    """Aspect ratio."""
    height: Maybe[float] = UNSET
    width: Maybe[float] = UNSET


class MessageMedia(Part, frozen=True, kw_only=True):
    """The file of a message."""

    compress: Maybe[bool] = UNSET
    dimensions: Maybe[Dimensions] = UNSET
    filedata: Maybe[str] = UNSET
    filename: Maybe[str] = UNSET
    mimetype: Maybe[str] = UNSET
    path: Maybe[str] = UNSET
    """A URL, or a path relative to an undocumented host: left as sent."""
    size: Maybe[int] = UNSET
    thumbnail: Maybe[str] = UNSET


class FlagMetadata(Part, frozen=True, kw_only=True):
    """How a flagged message was flagged and answered."""

    flagged_at: Maybe[FlexTime] = UNSET
    flagged_by: Maybe[str] = UNSET
    response_email: Maybe[str] = UNSET
    response_id: Maybe[str] = UNSET
    response_phone: Maybe[str] = UNSET
    response_timestamp: Maybe[FlexTime] = UNSET
    response_type: Maybe[str] = UNSET
    """``message``, ``reaction``, ``ticket``, ``manual``, or a word not met yet."""
    status: Maybe[bool] = UNSET


class Reaction(Part, frozen=True, kw_only=True):
    """One reaction to a message; lists of messages leave reactions out. The hash uses ``reaction_id`` alone."""

    reaction_id: str
    ack: Maybe[int] = UNSET
    chat_id: Maybe[str] = UNSET
    id: Maybe[MessageId] = UNSET
    message_id: Maybe[str] = UNSET
    msg_id: Maybe[MessageId] = UNSET
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    orphan: Maybe[int] = UNSET
    orphan_reason: Maybe[str] = UNSET
    reaction: Maybe[str] = UNSET
    """The emoji; empty if the reaction was taken back."""
    read: Maybe[bool] = UNSET
    sender_id: Maybe[str] = UNSET
    timestamp: Maybe[Time] = UNSET
    unique_id: Maybe[str] = UNSET

    def __hash__(self) -> int:
        return hash(self.reaction_id)


class Message(Part, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A message. Equal messages have equal fields; the hash uses ``message_id`` alone, so that sets work.

    The server has not set an ``is_…`` or ``has_…`` field of ``None``, even if a message has media or quotes another:
    ask ``media`` and ``quoted_message_id`` instead.
    """

    message_id: str
    """``<true|false>_<chat_id>_<HEX>[_<author>]``; true for messages sent from here."""
    ack: Maybe[int] = UNSET
    """-1 failed, 0 queued, 1 sent, 2 taken by WhatsApp, 3 delivered to all, 4 and above read by all. It says nothing of
    incoming messages: they have 0. The wire has a string in messages and a number elsewhere."""
    author: Maybe[str] = UNSET
    body: Maybe[str] = UNSET
    """The text, or the caption of media."""
    broadcast: Maybe[bool] = UNSET
    broadcast_id: Maybe[str] = UNSET
    chat_id: Maybe[str] = UNSET
    delivery_info: Maybe[DeliveryInfo] = UNSET
    device_type: Maybe[str] = UNSET
    duration: Maybe[float] = UNSET
    """Seconds of an audio or a video; documented as a string and as a number."""
    flag_metadata: Maybe[FlagMetadata] = UNSET
    flag_response_time: Maybe[float] = UNSET
    """From a flagged message to the reply to it through Periskope (https://docs.periskope.app/ai/flagging); the unit is
    not documented. A reply from WhatsApp itself does not count."""
    flag_status: Maybe[bool] = UNSET
    forwarding_score: Maybe[int] = UNSET
    from_: Maybe[str] = UNSET
    """``from`` on the wire."""
    from_me: Maybe[bool] = UNSET
    fts: Maybe[str] = UNSET
    """The server's own full-text search vector."""
    has_media: Maybe[bool] = UNSET
    has_quoted_msg: Maybe[bool] = UNSET
    has_reaction: Maybe[bool] = UNSET
    highlight: Any = UNSET
    id: Maybe[MessageId] = UNSET
    interactive: Any = UNSET
    invite_v4: Any = UNSET
    is_deleted: Maybe[bool] = UNSET
    is_ephemeral: Maybe[bool] = UNSET
    is_forwarded: Maybe[bool] = UNSET
    is_gif: Maybe[bool] = UNSET
    is_private_note: Maybe[bool] = UNSET
    is_starred: Maybe[bool] = UNSET
    is_status: Maybe[bool] = UNSET
    links: Any = UNSET
    """As sent: a list, or the string ``[]``."""
    location: Any = UNSET
    media: Maybe[MessageMedia] = UNSET
    media_key: Maybe[str] = UNSET
    mentioned_ids: Maybe[tuple[str, ...]] = UNSET
    message_payload: Any = UNSET
    message_ticket_id: Maybe[str] = UNSET
    message_type: Maybe[str] = UNSET
    """``chat``, ``image``, ``video``, ``audio``, ``ptt``, ``document``, ``sticker``, ``location``, ``vcard``,
    ``multi_vcard``, ``poll_creation``, ``ciphertext``, or a word not met yet."""
    order_id: Maybe[str] = UNSET
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    performed_by: Maybe[str] = UNSET
    """A member's e-mail, or ``api``."""
    poll_info: Maybe[dict[str, Any]] = UNSET
    poll_results: Maybe[dict[str, Any]] = UNSET
    """Option to a map of its voters."""
    prev_body: Maybe[str] = UNSET
    """The text before an edit."""
    quoted_message_id: Maybe[str] = UNSET
    """The whole id of the quoted message, or its ``<HEX>`` part."""
    raw_data: Any = UNSET
    reactions: Maybe[tuple[Reaction, ...]] = UNSET
    sender_phone: Maybe[str] = UNSET
    sent_message_id: Maybe[str] = UNSET
    """UUID of its job in the queue; null for incoming messages."""
    timestamp: Maybe[Time] = UNSET
    to: Maybe[str] = UNSET
    token: Maybe[str] = UNSET
    unique_id: Maybe[str] = UNSET
    """The ``<HEX>`` part of ``message_id``."""
    updated_at: Maybe[Time] = UNSET
    vcards: Maybe[tuple[str, ...]] = UNSET

    def __hash__(self) -> int:
        return hash(self.message_id)
