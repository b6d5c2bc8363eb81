"""A server that ends its connection at a byte of one's choice, and counts the requests that have arrived whole."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from periskope_async import PeriskopeClient, RateLimit, RateLimiter, RetryPolicy
from tests.flow.raw_server import serve_until_stopped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def answer(status: str, body: bytes = b"{}", *headers: str, kind: str = "application/json") -> bytes:
    """Write an answer out."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class CuttingServer:
    """Reads ``reads`` bytes of a request (None: all), writes ``writes``, and ends the connection in one of three ways.

    ``ends`` is ``reset``, ``close``, or ``silence``: nothing more comes. With several answers each request gets one.
    """

    def __init__(self, *, reads: int | None, writes: list[bytes], ends: str) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        """Heads of the requests that have arrived whole."""
        self.bodies: list[bytes] = []
        self.has_come = asyncio.Event()
        self._reads = reads
        self._writes = list(writes)
        self._ends = ends

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                if self._reads is not None:
                    await reader.readexactly(self._reads)
                else:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = re.search(rb"(?i)content-length: *([0-9]+)", head)
                    self.bodies.append(await reader.readexactly(int(length[1]) if length else 0))
                    self.requests.append(head)
                self.has_come.set()
                writer.write(self._writes.pop(0) if self._writes else b"")
                await writer.drain()
                if self._writes:
                    continue
                if self._ends == "silence":
                    await reader.read()
                elif self._ends == "reset":
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def cutting_server(
    *, reads: int | None = None, writes: list[bytes] | bytes = b"", ends: str = "close", **client: Any
) -> AsyncGenerator[tuple[CuttingServer, PeriskopeClient]]:
    """Start the server, and a client for it that tries four times at once."""
    running = CuttingServer(reads=reads, writes=[writes] if isinstance(writes, bytes) else writes, ends=ends)
    server, stop = await serve_until_stopped(running.serve)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    options: dict[str, Any] = {
        "limiter": RateLimiter(assume=RateLimit(1000, 1.0)),
        "retry": RetryPolicy(tries=4, base=0.0),
        **client,
    }
    async with server, PeriskopeClient("key", base_url=running.url, **options) as opened:
        yield running, opened
        await stop()
