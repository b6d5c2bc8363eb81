"""The sandbox's webhooks: real requests, signed as Periskope signs them, with the disorder of a bad day on request.

No source tells the number of Periskope's tries, or the wait between them: three tries, a moment apart, were chosen.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from periskope_async.sandbox.cast import ORG_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

__all__ = ["WebhookFaults", "WebhookSent", "Webhooks"]

_OK = 200
_REDIRECT = 300


@dataclass
class WebhookFaults:
    """Settings for sending webhooks; may be changed while the sandbox runs."""

    tries: int = 3
    pause: float = 0.05
    """Seconds between two tries."""
    timeout: float = 5.0
    """Seconds for a receiver's answer."""
    copies: int = 1
    """How often each event is sent, whatever the answers."""
    shuffle: int = 1
    """How many events are held back and sent in another order."""


@dataclass(frozen=True, slots=True)
class WebhookSent:
    """One request to a receiver. ``status`` is 0 if there was no answer."""

    url: str
    event: str
    body: bytes
    attempt: int
    status: int


class Webhooks:
    """Sends events to the subscribers. :meth:`emit` and :meth:`subscribe` may be called from any thread."""

    def __init__(
        self,
        *,
        signing_key: str,
        now: Callable[[], float],
        rng: Random,
        listen: Callable[[Callable[[str, dict[str, Any]], object]], object],
    ) -> None:
        self.faults = WebhookFaults()
        self.sent: list[WebhookSent] = []
        """All requests so far, in order."""
        self._key = signing_key.encode()
        self._now = now
        self._rng = rng
        self._listen = listen
        self._is_listening = False
        self._hooks: dict[str, frozenset[str]] = {}
        self._subscriptions: list[tuple[str, str]] = []
        self._held: list[tuple[str, str, bytes]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Queue[tuple[str, str, bytes]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, url: str, *events: str) -> None:
        """Send these events to ``url`` from now on; all if none is named."""
        self._hooks[url] = frozenset(events)
        self._start_listening()

    def unsubscribe(self, url: str) -> None:
        """Send nothing more to ``url``."""
        self._hooks.pop(url, None)

    def follow(self, subscriptions: Iterable[tuple[str, str]]) -> None:
        """Replace the API's own subscriptions: pairs of an event's name and a URL."""
        self._subscriptions = list(subscriptions)
        self._start_listening()

    def start(self) -> None:
        """Send from the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._queue = asyncio.Queue()  # it belongs to one loop
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Send nothing more. What was not sent yet is dropped."""
        self._loop = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._held.clear()
        while not self._queue.empty():
            self._queue.get_nowait()
            self._queue.task_done()

    async def flush(self) -> None:
        """Wait until all events so far were sent, even the held ones. May be awaited in any event loop."""
        if self._loop is not None:
            flushed = asyncio.run_coroutine_threadsafe(self._flush(), self._loop)
            await asyncio.wrap_future(flushed)

    async def _flush(self) -> None:
        self._release()
        await self._queue.join()

    def emit(self, name: str, said: dict[str, Any]) -> None:
        """Send an event to all its subscribers."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._emit, name, said)

    def _emit(self, name: str, said: dict[str, Any]) -> None:
        sent_at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"event": name, "data": said, "org_id": ORG_ID, "timestamp": sent_at}
        # As JSON.stringify writes it, half an emoji too.
        body = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")
        urls = [url for url, events in self._hooks.items() if not events or name in events]
        urls += [url for event, url in self._subscriptions if event == name]
        for url in urls:
            self._held += [(url, name, body)] * self.faults.copies
        if len(self._held) >= self.faults.shuffle:
            self._release()

    def _start_listening(self) -> None:
        # Only once, and not before the first subscription: making events costs time.
        if not self._is_listening:
            self._is_listening = True
            self._listen(self.emit)

    def _release(self) -> None:
        if self.faults.shuffle > 1:
            self._rng.shuffle(self._held)
        for held in self._held:
            self._queue.put_nowait(held)
        self._held.clear()

    async def _run(self) -> None:
        async with aiohttp.ClientSession(trust_env=False) as session:
            while True:
                url, name, body = await self._queue.get()
                try:
                    await self._deliver(session, url, name, body)
                finally:
                    self._queue.task_done()

    async def _deliver(self, session: aiohttp.ClientSession, url: str, name: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "x-periskope-signature": hmac.new(self._key, body, hashlib.sha256).hexdigest(),
        }
        timeout = aiohttp.ClientTimeout(total=self.faults.timeout)
        for attempt in range(1, self.faults.tries + 1):
            status = 0
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with session.post(url, data=body, headers=headers, timeout=timeout) as response:
                    status = response.status
            self.sent.append(WebhookSent(url, name, body, attempt, status))
            if _OK <= status < _REDIRECT:
                return
            await asyncio.sleep(self.faults.pause)
