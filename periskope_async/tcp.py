"""The kernel's facts about a connection; None if it does not say."""

from __future__ import annotations

import select
import socket
import struct
import sys

__all__ = ["bytes_received", "has_news", "round_trip_variation"]

# struct tcp_info of linux/tcp.h: the byte offset of each field.
_TCP_INFO = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_RTTVAR = 72, struct.Struct("=I")
_BYTES_RECEIVED = 128, struct.Struct("=Q")


def round_trip_variation(sock: socket.socket | None) -> float | None:
    """Give the mean deviation of the connection's round trip, in seconds."""
    microseconds = _tcp_info(sock, *_RTTVAR)
    return None if microseconds is None else microseconds / 1e6


def bytes_received(sock: socket.socket | None) -> int | None:
    """Give the number of bytes received on the connection so far, before they are decrypted or decompressed."""
    return _tcp_info(sock, *_BYTES_RECEIVED)


def has_news(sock: socket.socket) -> bool:
    """Whether bytes, or the connection's end, lie in the kernel and the event loop has not read them yet."""
    if sys.platform == "win32":
        # The loop has asked for them in advance on Windows, and there is no poll().
        return False
    poll = select.poll()
    try:
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        # It was closed.
        return True


def _tcp_info(sock: socket.socket | None, offset: int, form: struct.Struct) -> int | None:
    if sock is None or _TCP_INFO is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, offset + form.size)
        return int(form.unpack_from(info, offset)[0])
    except (OSError, ValueError, struct.error):
        # It is no TCP connection, or was closed (uvloop tells that with a ValueError); or the kernel is too old.
        return None
