"""Programs that receive: ``python -m benchmarks.realtime.receivers NAME PORT EVENTS`` prints what the events cost.

``ours`` and ``socketio`` say microseconds of CPU an event, ``idle`` the KiB that events take which nobody takes.
Each asks for its events by one line on stdout; the first round warms up.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_KEY = "key-of-the-benchmark"


async def _ours(port: int, events: int) -> None:
    from periskope_async import PeriskopeClient  # noqa: PLC0415 - one program loads one library
    from periskope_async.models import Message  # noqa: PLC0415

    async with (
        PeriskopeClient(_KEY, base_url=f"http://127.0.0.1:{port}/v1") as client,
        client.events("message.created", max_bytes=1 << 30, max_events=1 << 30) as stream,
    ):

        async def take() -> None:
            for _ in range(events):
                event = await anext(stream)
                assert isinstance(getattr(event, "data", None), Message)

        await _measured(take, events)


async def _socketio(port: int, events: int) -> None:
    socketio: Any = importlib.import_module("socketio")

    client: Any = socketio.AsyncClient(handle_sigint=False)
    arrived = asyncio.Event()
    left = events

    async def on_message(data: dict[str, Any]) -> None:
        nonlocal left
        assert data["message_id"]
        left -= 1
        if not left:
            arrived.set()

    async def take() -> None:
        nonlocal left
        await arrived.wait()
        arrived.clear()
        left = events

    client.on("message.created", on_message)
    await client.connect(
        f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {_KEY}"}, transports=["websocket"]
    )
    await _measured(take, events)
    await client.disconnect()


async def _measured(take: Callable[[], Awaitable[None]], events: int) -> None:
    await take()
    gc.collect()
    began = time.process_time()
    print("more", flush=True)
    await take()
    print((time.process_time() - began) * 1e6 / events, flush=True)


async def _idle(port: int, events: int) -> None:
    from periskope_async import PeriskopeClient  # noqa: PLC0415 - as above

    async with PeriskopeClient(_KEY, base_url=f"http://127.0.0.1:{port}/v1") as client:
        # One stream first, so that only what events cost is measured, not what the first connection loads.
        async with client.events():
            pass
        before = _resident_kib()
        async with client.events() as stream:
            while stream.received < events:  # noqa: ASYNC110 - it tells nobody else
                await asyncio.sleep(0.01)
            gc.collect()
            print(_resident_kib() - before, flush=True)


def _resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


PROGRAMS = {"ours": _ours, "socketio": _socketio, "idle": _idle}

if __name__ == "__main__":
    asyncio.run(PROGRAMS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3])))
