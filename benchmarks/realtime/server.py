"""A websocket that sends events as fast as they are read: ``python -m benchmarks.realtime.server EVENTS``.

It speaks as much of Socket.IO as a receiver needs, and sends bytes made before, so that the receiver is measured.
After the answer to CONNECT it sends EVENTS events, and again so many for each byte on stdin.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import struct
import sys
from pathlib import Path

__all__ = ["EVENT_BYTES", "event_frame"]

EVENT_BYTES = 1_600
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORT, _MEDIUM = 126, 1 << 16


def event_frame() -> bytes:
    """Give a message as the recorded answers have it, as an event of about 1.6 kB."""
    recorded = json.loads((Path(__file__).parents[2] / "tests" / "data" / "chats-200.json").read_bytes())
    message = next(chat["latest_message"] for chat in recorded["chats"] if chat["latest_message"])
    text = f"42{json.dumps(['message.created', message], separators=(',', ':'))}"
    missing = EVENT_BYTES - len(text)
    message["body"] += "x" * max(0, missing)
    return f"42{json.dumps(['message.created', message], separators=(',', ':'))}".encode()


def _framed(text: bytes) -> bytes:
    if len(text) < _SHORT:
        return struct.pack("!BB", 0x81, len(text)) + text
    assert len(text) < _MEDIUM
    return struct.pack("!BBH", 0x81, _SHORT, len(text)) + text


async def _serve(events: int) -> None:
    burst = _framed(event_frame()) * events
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if b"sec-websocket-key" in line.lower()
        )
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()  # noqa: S324 - the protocol's own
        hello = b'0{"sid":"a","upgrades":[],"pingInterval":250000,"pingTimeout":200000,"maxPayload":1000000}'
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        writer.write(_framed(hello))
        await reader.read(1 << 16)
        writer.write(_framed(b'40{"sid":"b"}') + burst)
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.read, 1):
        for writer in writers:
            if not writer.is_closing():
                writer.write(burst)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
