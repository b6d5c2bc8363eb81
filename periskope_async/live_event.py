"""Events of webhooks and of the socket, read into one form (pure).

The names are those of https://docs.periskope.app/api-reference/webhooks/introduction. A webhook brings an envelope,
``{event, data, org_id, timestamp}``. The socket brings the bare object, by the official client's types. Both forms are
taken from either.
"""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from msgspec import Raw, Struct, json

from periskope_async.decoding.body import UNREAD, Text, as_sent, is_dense, mend, mend_escapes, without_mark
from periskope_async.decoding.dialects import load_json
from periskope_async.decoding.repair import Unreadable, decoder_of, read_part
from periskope_async.models.chat import Chat
from periskope_async.models.message import Message, Reaction
from periskope_async.models.note import Note
from periskope_async.models.notification import Notification
from periskope_async.models.part import Part
from periskope_async.models.phone import Phone
from periskope_async.models.ticket import TicketInfo
from periskope_async.models.times import in_zone, read_time

__all__ = ["EVENT_NAMES", "OBJECTS", "EventName", "LiveEvent", "Source", "read_event"]

EventName: TypeAlias = Literal[
    "chat.created",
    "chat.custom_properties.updated",
    "chat.notification.created",
    "message.ack.updated",
    "message.created",
    "message.deleted",
    "message.flagged",
    "message.ticket.attached",
    "message.unflagged",
    "message.updated",
    "note.created",
    "org.phone.connected",
    "org.phone.disconnected",
    "org.phone.qr",
    "org.phone.updated",
    "reaction.created",
    "reaction.updated",
    "ticket.created",
    "ticket.deleted",
    "ticket.updated",
]
"""The documented names; the server may send others, and they are kept."""

Source: TypeAlias = Literal["webhook", "socket", "walk"]
"""How an event came; ``walk`` if a list was read to fill a gap."""


class ObjectType(NamedTuple):
    """The type of an event's object."""

    kind: type[Part] | None
    """Its struct in REST; None if it stays a mapping."""
    identity: tuple[str, ...]
    """The path to its id."""


_CHAT = ObjectType(Chat, ("chat_id",))
_MESSAGE = ObjectType(Message, ("message_id",))
_REACTION = ObjectType(Reaction, ("reaction_id",))
_NOTE = ObjectType(Note, ("message_id",))
_NOTIFICATION = ObjectType(Notification, ("notification_id",))
_PHONE = ObjectType(Phone, ("phone_id",))
_TICKET = ObjectType(TicketInfo, ("ticket", "ticket_id"))

OBJECTS: Final[dict[str, ObjectType]] = {
    "chat.created": _CHAT,
    "chat.custom_properties.updated": _CHAT,
    "chat.notification.created": _NOTIFICATION,
    "message.ack.updated": _MESSAGE,
    "message.created": _MESSAGE,
    "message.deleted": _MESSAGE,
    "message.flagged": _MESSAGE,
    "message.ticket.attached": _MESSAGE,
    "message.unflagged": _MESSAGE,
    "message.updated": _MESSAGE,
    "note.created": _NOTE,
    "org.phone.connected": _PHONE,
    "org.phone.disconnected": _PHONE,
    "org.phone.qr": _PHONE,
    "org.phone.updated": _PHONE,
    "reaction.created": _REACTION,
    "reaction.updated": _REACTION,
    "ticket.created": _TICKET,
    "ticket.deleted": _TICKET,
    "ticket.updated": _TICKET,
}
"""Types of objects by the event's name."""

EVENT_NAMES: Final[tuple[str, ...]] = tuple(OBJECTS)

_UNKNOWN = ObjectType(None, ())
_LONGEST_TIME = 100
_TIMES = ("updated_at", "timestamp", "last_updated_at", "created_at")


class LiveEvent(Struct, frozen=True, kw_only=True):
    """Something that happened in Periskope."""

    name: str
    """Such as ``message.created``; empty if not even that could be read."""
    data: Part | dict[str, Any] | None
    """The object: REST's Struct, or the mapping if there is no Struct. None if no object was sent."""
    raw: bytes = b""
    """The object's JSON as it came; empty for a row from a walk."""
    org_id: str | None = None
    timestamp: datetime | None = None
    """The time of the event's creation, by the server's clock, in UTC. The documents promise it for webhooks alone."""
    phone: str | None = None
    """The phone of the stream; None for a webhook."""
    received_at: datetime | None = None
    """The time of its arrival here, in UTC."""
    source: Source = "webhook"
    error: str | None = None
    """Why ``data`` is not the expected Struct; None if it is."""

    @property
    def object_id(self) -> str | None:
        """The id of the object, such as a message's ``message_id``."""
        found: object = self.data
        for key in OBJECTS.get(self.name, _UNKNOWN).identity:
            found = _member(found, key)
        return found if isinstance(found, str) else None

    @property
    def object_time(self) -> datetime | None:
        """The time of the object's last change, by its own word; else the envelope's time."""
        for key in _TIMES:
            found = _member(self.data, key)
            try:
                moment = found if isinstance(found, datetime) else read_time(found)
            except ValueError:
                continue
            return in_zone(moment, UTC) or moment
        return self.timestamp

    @property
    def key(self) -> str:
        """The common key of an event's repeated deliveries: its name, object, times and content.

        The content is in it because an ``ack`` may change within one time. The event's own time is in it because an
        object may be changed and changed back, and not each change moves its ``updated_at``.
        """
        text = f"{self.name}\0{self.object_id}\0{self.object_time}\0{self.timestamp}\0"
        return blake2b(text.encode(errors="replace") + self.raw, digest_size=16).hexdigest()


# No value of JSON is empty.
_ABSENT = Raw(b"")


class _Envelope(Struct):
    event: Raw = _ABSENT
    event_type: Raw = _ABSENT
    data: Raw = _ABSENT
    org_id: Raw = _ABSENT
    timestamp: Raw = _ABSENT


_NOTHING = _Envelope()
_ENVELOPE = json.Decoder(_Envelope)
_STRING = json.Decoder(str)
_MAPPING = json.Decoder(dict[str, Any])


def read_event(
    text: Text,
    *,
    name: str | None = None,
    source: Source,
    phone: str | None = None,
    received_at: datetime | None = None,
) -> LiveEvent:
    """Read an event from its JSON: an envelope, or with a ``name`` also the bare object.

    A wrong object is reported in ``error`` and fails nothing. Raises Unreadable if the whole is no JSON object, or has
    no name.
    """
    body = opened = bytes(text)
    if name is not None and (bare := _documented(name, body)) is not None:
        # So is nearly every event of the socket, and none of it needs a look for an envelope.
        return LiveEvent(
            name=name,
            data=bare,
            raw=body,
            org_id=getattr(bare, "org_id", None),
            phone=phone,
            received_at=received_at,
            source=source,
        )
    own_name: str | None = None
    envelope = _NOTHING
    # None of the documented objects has a field `event`.
    if name is None or b'"event' in body:
        body, opened, envelope = _open(body)
        own_name = _string(envelope.event) or _string(envelope.event_type)
        if name is None and own_name is None:
            raise Unreadable("$.event", "found no name of an event")
    is_enveloped = own_name is not None and bool(bytes(envelope.data))
    raw = as_sent(body, opened, envelope.data) if is_enveloped else body
    name = own_name if own_name is not None and (is_enveloped or name is None) else name or ""
    data, error = _read_object(OBJECTS.get(name, _UNKNOWN).kind, raw, "$.data" if is_enveloped else "$")
    return LiveEvent(
        name=name,
        data=data,
        raw=raw,
        org_id=(_string(envelope.org_id) if own_name else None) or _org_id(data),
        timestamp=_time(envelope.timestamp) if is_enveloped else None,
        phone=phone,
        received_at=received_at,
        source=source,
        error=error,
    )


def _documented(name: str, body: bytes) -> Part | None:
    """Give the bare object that the documents name for an event; None where the body is something else."""
    kind, identity = OBJECTS.get(name, _UNKNOWN)
    if kind is None:
        return None
    try:
        found: Part = decoder_of(kind).decode(body)
    except UNREAD:
        return None
    return found if getattr(found, identity[0]) else None


def _open(body: bytes) -> tuple[bytes, bytes, _Envelope]:
    """Give the JSON as it was sent, the same with its escapes mended, and what is in it."""
    try:
        return body, body, _ENVELOPE.decode(body)
    except UNREAD:
        body = bytes(without_mark(body))
        mended = bytes(mend_escapes(body))
    try:
        return body, mended, _ENVELOPE.decode(mended)
    except UNREAD as error:
        raise Unreadable("$", f"is no JSON object ({error})") from None


def _read_object(kind: type[Part] | None, raw: bytes, path: str) -> tuple[Part | dict[str, Any] | None, str | None]:
    """Give the object, and the fault in it."""
    reason = None
    if kind is not None:
        try:
            return read_part(kind, raw, path), None
        except Unreadable as error:
            reason = str(error)
    if is_dense(raw):
        return None, reason or f"has too many small values to be decoded, see raw at {path}"
    try:
        return _MAPPING.decode(raw), reason
    except UNREAD:
        pass
    try:
        found = load_json(bytes(mend(raw)))
    except UNREAD as error:
        return None, reason or f"cannot be read ({error}) at {path}"
    if isinstance(found, dict):
        return cast("dict[str, Any]", found), reason
    return None, reason or f"expected an object at {path}"


def _string(raw: Raw) -> str | None:
    try:
        return _STRING.decode(raw)
    except UNREAD:
        return None


def _time(raw: Raw) -> datetime | None:
    if len(memoryview(raw)) > _LONGEST_TIME:
        return None
    try:
        moment = read_time(load_json(bytes(raw)))
    except UNREAD:
        return None
    return in_zone(moment, UTC) or moment


def _org_id(data: object) -> str | None:
    found = _member(data, "org_id")
    return found if isinstance(found, str) else None


def _member(data: object, key: str) -> object:
    return cast("dict[str, object]", data).get(key) if isinstance(data, dict) else getattr(data, key, None)
