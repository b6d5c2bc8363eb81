"""A server that costs next to nothing, so that what is measured is the client.

``python -m benchmarks.compare.server '{"distinct": 20000, "copies": 1, "ports": [0]}'`` makes its rows, listens, says
``{"ports": [...], "rows": ..., "row_bytes": ...}`` on a line, and serves until its standard input ends. It answers
``GET …/chats?offset=&limit=`` with the headers that the API sends; its limit is so high that nobody waits for it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import os
import sys
import time
from email.utils import formatdate
from hashlib import blake2b
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from benchmarks.compare.rows import KeyOrder, Rows

__all__ = ["Serving", "Started"]

_LIMIT = 1_000_000
_WINDOW_SECONDS = 1.0
_HEAD = (
    "HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nX-RateLimit-Limit: {limit}\r\nX-RateLimit-Remaining: {remaining}\r\n"
    "Date: {date}\r\nX-RateLimit-Reset: {reset}\r\nx-periskope-trace-id: {trace}\r\n"
    "Content-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\nETag: {etag}\r\n"
    "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"
)


class Serving(Struct, frozen=True):
    """What to serve, and where; port 0 takes any, and no CPU takes any too."""

    distinct: int
    copies: int = 1
    key_order: KeyOrder = "sorted"
    ports: tuple[int, ...] = (0,)
    cpu: int | None = None


class Started(Struct, frozen=True):
    """Where it listens (None where a port was taken), and what it serves."""

    ports: list[int | None]
    rows: int
    row_bytes: float


class _Window:
    """The headers of a fixed window as express-rate-limit counts it."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._used = 0

    def forget(self) -> None:
        """Begin anew: another contender must not be told of the requests of the last one."""
        self._ends = 0.0

    def count(self) -> dict[str, object]:
        """Count a request; give what its headers say."""
        now = time.time()
        if now >= self._ends:
            self._ends, self._used = now + _WINDOW_SECONDS, 0
        self._used += 1
        return {
            "limit": _LIMIT,
            "remaining": _LIMIT - self._used,
            "reset": -int(-self._ends // 1),
            "date": formatdate(now, usegmt=True),
        }


class _Connection(asyncio.Protocol):
    """One connection; requests may come in pieces, or several at once."""

    def __init__(self, rows: Rows, window: _Window, open_: set[_Connection]) -> None:
        self._rows = rows
        self._window = window
        self._open = open_
        self._came = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._open:
            self._window.forget()
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._came += data
        while True:
            request, end, rest = self._came.partition(b"\r\n\r\n")
            if not end:
                return
            self._came = rest
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        target = request.split(b" ", 2)[1].decode()
        path, _, query = target.partition("?")
        assert path.endswith("/chats"), target
        asked = {name: int(value) for name, (value,) in parse_qs(query).items() if name in {"offset", "limit"}}
        parts = self._rows.page(asked.get("offset", 0), asked.get("limit", 1000))
        length = sum(map(len, parts))
        # Of the form of Express's ETags; the hash of megabytes would be the server's time, and nobody checks it.
        tag = base64.b64encode(blake2b(target.encode(), digest_size=20).digest()).decode()[:27]
        head = _HEAD.format(**self._window.count(), trace=tag[:12], length=length, etag=f'W/"{length:x}-{tag}"')
        # A view, since asyncio cuts off what the socket has taken: of bytes that would be a copy each time.
        self._transport.write(memoryview(b"".join((head.encode(), *parts))))


async def _serve(serving: Serving) -> None:
    if serving.cpu is not None and sys.platform == "linux":
        os.sched_setaffinity(0, {serving.cpu})
    rows = Rows(serving.distinct, copies=serving.copies, key_order=serving.key_order)
    window = _Window()
    connections: set[_Connection] = set()
    # Nothing of the rows is garbage, and looking through them would take time off the answers.
    gc.freeze()
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        ports: list[int | None] = []
        for wanted in serving.ports:
            try:
                server = await loop.create_server(
                    lambda: _Connection(rows, window, connections), "127.0.0.1", wanted, backlog=1_000
                )
            except OSError:
                ports.append(None)
                continue
            stack.callback(server.close)
            ports.append(server.sockets[0].getsockname()[1])
        print(msgspec.json.encode(Started(ports, len(rows), rows.row_bytes)).decode(), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(msgspec.json.decode(sys.argv[1], type=Serving)))
