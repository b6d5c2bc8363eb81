"""A server whose answers a test writes byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import sys
import zlib
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import aiohttp

from periskope_async import PeriskopeClient, RateLimit, RateLimiter

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

PAGE = b'{"from":1,"to":1,"count":1,"chats":[{"chat_id":"1@c.us"}]}'


def head(body: bytes = PAGE, *lines: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Write an answer's head; without a line of its own it has a Content-Length."""
    said = lines or (f"Content-Length: {len(body) if length is None else length}",)
    return "\r\n".join((f"HTTP/1.1 {status}", "Content-Type: application/json", *said, "", "")).encode()


def compressed(encoding: str, body: bytes) -> bytes:
    """Write a body as its Content-Encoding says; any other word leaves it as it is."""
    match encoding:
        case "gzip":
            return gzip.compress(body)
        case "deflate":
            return zlib.compress(body)
        case "br":
            brotli: Any = import_module("brotli")  # without type stubs
            return bytes(brotli.compress(body))
        case "zstd":
            return zstd.compress(body)
        case _:
            return body


async def serve_until_stopped(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
) -> tuple[asyncio.Server, Callable[[], Awaitable[None]]]:
    """Start a server on a free port; give it, and what ends its connections."""
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[asyncio.ensure_future(serve(reader, writer))] = writer

    async def stop() -> None:
        for task, writer in connections.items():
            task.cancel()
            # A task that is cancelled before its first step closes nothing.
            writer.close()
        await asyncio.gather(*connections, return_exceptions=True)

    return await asyncio.start_server(accept, "127.0.0.1", 0), stop


class RawServer:
    """Calls ``answer`` with the number of each request, from 1 up, and what to write to."""

    def __init__(self, answer: Callable[[int, asyncio.StreamWriter], Awaitable[None]], targets: list[str]) -> None:
        self._answer = answer
        self.url = ""
        self.targets = targets
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing() and (request := await reader.readuntil(b"\r\n\r\n")):
                self.targets.append(request.split()[1].decode())
                await self._answer(len(self.targets), writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


@asynccontextmanager
async def raw_server(
    answer: Callable[[int, asyncio.StreamWriter], Awaitable[None]],
    *,
    targets: list[str] | None = None,
    is_lent: bool = False,
    **client: Any,
) -> AsyncGenerator[tuple[RawServer, PeriskopeClient]]:
    """Start the server, and a client for it with a session of its own or a lent one.

    What each request asks for is put into ``targets`` before it is answered.
    """
    running = RawServer(answer, [] if targets is None else targets)
    server, stop = await serve_until_stopped(running.serve)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    session = aiohttp.ClientSession() if is_lent else None
    options: dict[str, Any] = {"limiter": RateLimiter(assume=RateLimit(1000, 1.0)), **client}
    try:
        async with server, PeriskopeClient("key", base_url=running.url, session=session, **options) as opened:
            yield running, opened
            await stop()
    finally:
        if session is not None:
            await session.close()
