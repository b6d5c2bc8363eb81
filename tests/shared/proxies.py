"""What may stand between a client and Redis: a long way, and TLS."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    from tests.shared.stores import Store

__all__ = ["proxied"]


@contextlib.asynccontextmanager
async def proxied(store: Store, *, way: float = 0.0, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """Serve a store on a port of TCP. ``way`` is the seconds that each direction takes."""
    running: set[asyncio.Task[None]] = set()

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()

        def arrive(data: bytes) -> None:
            if not target.is_closing():
                target.write(data)

        while data := await source.read(1 << 16):
            loop.call_later(way, arrive, data)
        loop.call_later(way, target.close)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        # The way of the handshake.
        await asyncio.sleep(2 * way * (2 if tls else 1))
        there, back = await asyncio.open_unix_connection(store.path)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(pass_on(reader, back), pass_on(there, writer))
        for ending in (writer, back):
            ending.close()
            with contextlib.suppress(OSError):
                await ending.wait_closed()
        running.discard(task)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]
        for task in list(running):
            task.cancel()
        if running:
            await asyncio.wait(running)
