"""Frames of Socket.IO 5 over Engine.IO 4, as far as a receiver on one websocket needs them (pure).

https://socket.io/docs/v4/socket-io-protocol/. Unknown frames are skipped: no frame of a server raises.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from msgspec import Raw, Struct, json

from periskope_async.decoding.body import LARGE, UNREAD, as_sent, is_dense, mend, mend_escapes
from periskope_async.typed import is_number

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PONG", "Broken", "Connected", "Event", "Hello", "Packet", "Refused", "Sign", "connect_frame", "decode"]

PONG: Final = "3"

# Defaults in milliseconds, socket.io's own, for a hello without them.
_TIMES = {"pingInterval": 25_000, "pingTimeout": 20_000}


class Sign(Enum):
    """A frame without content."""

    PING = "ping"
    GOODBYE = "goodbye"
    """The server disconnects this client by intent, and does not want it back."""
    CLOSE = "close"
    """The transport ends, such as for a restart."""


class Hello(Struct, frozen=True):
    """The first frame of a connection."""

    patience: float
    """Max seconds of silence; the connection is dead beyond."""


class Connected(Struct, frozen=True):
    """The server has let the client in."""

    pid: str | None
    """The session's name if it can be recovered; the old name if it was."""


class Refused(Struct, frozen=True):
    """The server's middleware has not let the client in."""

    message: str
    content: bytes
    """The server's reason, as JSON."""


class Event(Struct, frozen=True, gc=False):
    """An event with its first argument."""

    name: str
    data: Raw
    last_text: str | None
    """The last argument if it is a text. It is the offset with recovery on: the server adds it to every event."""


class Broken(Struct, frozen=True):
    """An unreadable event."""

    frame: bytes
    reason: str


Packet: TypeAlias = Sign | Hello | Connected | Refused | Event | Broken

_ARGUMENTS = json.Decoder(list[Raw])
_STRING = json.Decoder(str)
_NULL = Raw(b"null")


def connect_frame(pid: str | None, offset: str | None) -> str:
    """Give the frame to ask for entry; with both arguments, also for the missed events."""
    if pid is None or offset is None:
        return "40"
    return "40" + json.encode({"pid": pid, "offset": offset}).decode()


def decode(frame: bytes) -> Packet | None:
    """Read a frame; None for one that means nothing to a receiver."""
    if frame.startswith(b"42"):
        return _event(frame)
    kind = frame[:2] if frame[:1] == b"4" else frame[:1]
    if frame[2:3] == b"/":
        # This is another namespace, not asked for.
        return None
    if sign := _SIGNS.get(kind):
        return sign
    reader = _READERS.get(kind)
    return None if reader is None else reader(frame[len(kind) :])


def _event(frame: bytes) -> Packet | None:
    # Digits before the list ask for an acknowledgement. A receiver does not owe one.
    text = frame[2:] if frame[2:3] == b"[" else frame[2:].lstrip(b"0123456789")
    if text[:1] != b"[":
        return None
    mended = text
    try:
        # Events are many and small: a call for each is worth avoiding.
        if len(text) > LARGE and is_dense(text):
            raise ValueError("too many small values")
        try:
            arguments = _ARGUMENTS.decode(text)
        except UNREAD:
            mended = bytes(mend_escapes(text))
            arguments = _ARGUMENTS.decode(mended)
        name = _STRING.decode(arguments[0]) if arguments else ""
        last = arguments[-1]
        last_text = _STRING.decode(last) if len(arguments) > 1 and bytes(last)[:1] == b'"' else None
    except (*UNREAD, IndexError) as error:
        return Broken(frame, f"no event in the frame ({error})")
    if len(arguments) == 1:
        return Event(name, _NULL, last_text)
    return Event(name, arguments[1] if mended is text else Raw(as_sent(text, mended, arguments[1])), last_text)


def _mapping(text: bytes) -> Any:
    # Any: callers check the content themselves. No frame of this kind has many values.
    try:
        found = None if is_dense(text) else json.decode(mend(text))
    except UNREAD:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _hello(text: bytes) -> Hello:
    told = _mapping(text)
    seconds = 0.0
    for key, default in _TIMES.items():
        milliseconds = told.get(key)
        seconds += (milliseconds if is_number(milliseconds) and milliseconds > 0 else default) / 1000
    return Hello(seconds)


def _connected(text: bytes) -> Connected:
    pid = _mapping(text).get("pid")
    return Connected(pid if isinstance(pid, str) else None)


def _refused(text: bytes) -> Refused:
    message = _mapping(text).get("message")
    return Refused(message if isinstance(message, str) else "no reason was given", text)


_SIGNS = {b"1": Sign.CLOSE, b"2": Sign.PING, b"41": Sign.GOODBYE}
_READERS: dict[bytes, Callable[[bytes], Packet]] = {b"0": _hello, b"40": _connected, b"44": _refused}
