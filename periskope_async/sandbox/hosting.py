"""Runs a server on an event loop of its own in a thread, for callers with no loop or another one."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["ThreadHost"]


class ThreadHost:
    """A thread that starts a server, serves until told to stop, and closes it."""

    def __init__(self, start: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]) -> None:
        self._start = start
        self._close = close
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._error: BaseException | None = None
        # A daemon, so that an interrupted test run can still end.
        self._thread = threading.Thread(target=self._run, name="periskope-sandbox", daemon=True)

    def start(self) -> None:
        """Return when the server listens. Raises any error of its start."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        """Return when the server is closed and the thread has ended."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._start()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits for the start
            self._error = error
            return
        finally:
            self._ready.set()
        await self._stop.wait()
        await self._close()
