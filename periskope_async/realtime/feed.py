"""Keeps a connection open, and puts its events into a buffer."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct

from periskope_async.errors import ClosedError, ConfigError, PeriskopeError, StreamOverflowError, StreamRefusedError
from periskope_async.realtime.backoff import delay
from periskope_async.realtime.buffer import OVERHEAD_BYTES, Buffer, Waiting
from periskope_async.realtime.codec import Broken, Event
from periskope_async.realtime.handshakes import Handshakes
from periskope_async.realtime.items import Gap, GapReason
from periskope_async.realtime.link import Link
from periskope_async.retry import next_wait
from periskope_async.turns import pause
from periskope_async.typed import is_number, is_whole
from periskope_async.wire.request import Request

if TYPE_CHECKING:
    import random

    from periskope_async.config import Config
    from periskope_async.decoding.opened import Steps
    from periskope_async.meta import ResponseMeta
    from periskope_async.session import SessionManager

__all__ = ["Feed", "OnOverflow", "OnRefusal", "StreamOptions"]

logger = logging.getLogger(__name__)

# Any answer of the API bears its time, also a refusal; this one is small.
_SMALL_PAGE = "/chats?offset=0&limit=1"

OnOverflow: TypeAlias = Literal["drop_oldest", "raise"]
OnRefusal: TypeAlias = Literal["raise", "retry"]


class StreamOptions(Struct, frozen=True, kw_only=True):
    """The options of a stream; :meth:`PeriskopeClient.events` explains each of them."""

    names: frozenset[str] = frozenset()
    max_events: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    on_overflow: OnOverflow = "drop_oldest"
    on_refusal: OnRefusal = "raise"
    open_timeout: float = 20.0
    heartbeat: float = 10.0
    max_message: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse impossible options."""
        for name in ("max_events", "max_bytes", "max_message"):
            if not is_whole(getattr(self, name), least=1):
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r:.100}; give a whole number above 0", parameter=name
                )
        for name in ("open_timeout", "heartbeat"):
            value = getattr(self, name)
            if not (is_number(value) and 0 < value < math.inf):
                raise ConfigError(f"{name} is {value!r:.100}; give seconds above 0", parameter=name)
        for name, known in (("on_overflow", ("drop_oldest", "raise")), ("on_refusal", ("raise", "retry"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r:.100}; give one of {known}", parameter=name)


class Feed:
    """Keeps a connection open, and puts its events into the buffer."""

    def __init__(
        self, manager: SessionManager, config: Config, options: StreamOptions, rng: random.Random, buffer: Buffer
    ) -> None:
        self._manager = manager
        self._config = config
        self._options = options
        self._names = options.names
        self._may_drop = options.on_overflow == "drop_oldest"
        self._rng = rng
        self._buffer = buffer
        self._handshakes: Handshakes | None = None
        self._task: asyncio.Task[Any] | None = None
        self._news = asyncio.Event()
        self._end: Exception | None = None
        self._pid: str | None = None
        self._offset: str | None = None
        self._heard_at = 0.0
        self._heard_at_monotonic = 0.0
        self._opened = 0.0, 0.0
        self.received = 0
        self.link: Link | None = None

    async def start(self) -> None:
        """Connect, and go on in a task. Raises as :meth:`Link.open` does, after the tries of the retry policy."""
        if self._task is not None or self._end is not None:
            raise ConfigError("this stream was entered before; call client.events() again")
        lent = self._manager.lend(self._close_with_client)
        try:
            self._handshakes = Handshakes(self._config, lent, self._manager.limiter)
            # In a task, so that closing the client ends it at once.
            opening = asyncio.create_task(self._open_first(), name="periskope events begin")
            self._task = opening
            await asyncio.wait((opening,))
            self._check_open()
            link = opening.result()
        except BaseException:
            await self.close()
            raise
        self._task = asyncio.create_task(self._run(link), name="periskope events")

    async def next(self) -> Waiting | Gap:
        """Wait for the next item. Raises the feed's final error, once all items are taken."""
        while True:
            item = self._buffer.pop()
            if item is not None:
                return item
            if self._end is not None:
                raise self._end
            if self._task is None:
                raise ConfigError("the stream is not open; use it as `async with client.events(…) as stream`")
            self._news.clear()
            await self._news.wait()

    def opened_at(self) -> datetime:
        """Give the moment of the first connection, by this machine's clock as it goes now."""
        return _utc(_by_the_clock_now(*self._opened))

    async def server_lead(self) -> float | None:
        """Ask for the server's time; give the seconds by which its clock is ahead of ours, None if it says no time.

        It asks the API, since socket.io's handshake has no ``Date``.
        """
        meta: ResponseMeta | None
        try:
            reply = await self._manager.fetch(Request(method="GET", target=_SMALL_PAGE, phone=self._config.phone))
            meta = await reply.read(_only_meta)
        except PeriskopeError as error:
            meta = error.meta
        if meta is None or meta.rate_limit.server_time is None or meta.rate_limit.is_cached:
            return None
        return meta.rate_limit.server_time - time.time()

    async def close(self) -> None:
        """End the task and the connection."""
        self._finish(StopAsyncIteration())
        self._manager.give_back(self._close_with_client)
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
                if not task.cancelled():
                    # asyncio would warn of an error that nobody has asked for.
                    task.exception()
            # A task that was cancelled before its first step has not closed it.
            link, self.link = self.link, None
            if link is not None:
                await link.close()
        finally:
            handshakes, self._handshakes = self._handshakes, None
            if handshakes is not None:
                await handshakes.session.close()

    async def _close_with_client(self) -> None:
        self._finish(ClosedError("the client was closed, and its streams with it"))
        await self.close()

    def _check_open(self) -> None:
        if self._end is not None:
            raise ClosedError("the client or the stream was closed while the stream was being opened")

    def _finish(self, end: Exception) -> None:
        if self._end is None:
            self._end = end
        self._news.set()

    async def _open_first(self) -> Link:
        began = time.monotonic()
        attempt = 1
        while True:
            try:
                self.link = link = await self._open()
                self._opened = self._heard_at, self._heard_at_monotonic
            except PeriskopeError as error:
                wait = next_wait(
                    self._config.retry,
                    attempt=attempt,
                    error=error,
                    elapsed=time.monotonic() - began,
                    rng=self._rng,
                )
                if wait is None:
                    raise
                logger.info("the stream could not be opened (%s); trying again in %.1f s", error, wait)
            else:
                return link
            await pause(wait)
            attempt += 1

    async def _open(self) -> Link:
        assert self._handshakes is not None  # noqa: S101 - for the type checker: open from start to close
        options = self._options
        async with self._handshakes.allowed():
            link = await Link.open(
                self._handshakes.session,
                self._config,
                patience=options.open_timeout,
                heartbeat=options.heartbeat,
                max_message=options.max_message,
                pid=self._pid,
                offset=self._offset,
            )
        self._heard()
        return link

    async def _run(self, link: Link) -> None:
        try:
            while True:
                self._pid = link.pid
                try:
                    reason = await link.read(self._take, self._heard)
                finally:
                    self.link = None
                    await link.close()
                link = await self._reopen(reason)
                self.link = link
        except Exception as error:  # noqa: BLE001 - it is raised where the events are taken
            self._finish(error)

    async def _reopen(self, reason: GapReason) -> Link:
        """Connect again, however long it takes, and tell of the gap. Raises StreamRefusedError."""
        since, since_monotonic = self._heard_at, self._heard_at_monotonic
        may_retry = self._options.on_refusal == "retry"
        if reason == "goodbye" and not may_retry:
            raise StreamRefusedError(
                "the server said goodbye to the stream: it does not want this key or phone; "
                'on_refusal="retry" connects again',
                status=101,
            )
        is_slow = reason == "goodbye"
        at_least = 0.0
        attempt = 1
        while True:
            wait = delay(attempt, rng=self._rng, at_least=at_least, is_slow=is_slow)
            logger.warning("the stream of live events was lost (%s); connecting again in %.1f s", reason, wait)
            await pause(wait)
            try:
                link = await self._open()
            except PeriskopeError as error:
                is_slow = isinstance(error, StreamRefusedError)
                if is_slow and not may_retry:
                    raise
                logger.info("no connection for live events: %s", error)
                at_least = (error.meta.rate_limit.retry_after if error.meta else None) or 0.0
                attempt += 1
                continue
            self._welcome(link, _by_the_clock_now(since, since_monotonic), reason)
            return link

    def _welcome(self, link: Link, since: float, reason: GapReason) -> None:
        """Push the gap, then the events the server has kept of it."""
        recovered = link.pid is not None and link.pid == self._pid and self._offset is not None
        self._buffer.push_gap(Gap(since=_utc(since), until=_utc(self._heard_at), reason=reason, recovered=recovered))
        self._pid = link.pid
        if not recovered:
            self._offset = None
        for event in link.missed:
            self._take(event, len(memoryview(event.frame if isinstance(event, Broken) else event.data)))
        self._news.set()

    def _heard(self) -> float:
        self._heard_at = now = time.time()
        self._heard_at_monotonic = time.monotonic()
        return now

    def _take(self, packet: Event | Broken, size: int) -> None:
        """Put an event into the buffer. Raises StreamOverflowError if it has no room and none may be dropped."""
        self.received += 1
        if isinstance(packet, Broken):
            waiting = Waiting("", packet.frame, self._heard_at, size + OVERHEAD_BYTES, packet.reason)
        else:
            if self._pid is not None and packet.last_text is not None:
                self._offset = packet.last_text
            if self._names and packet.name not in self._names:
                return
            waiting = Waiting(packet.name, packet.data, self._heard_at, size + OVERHEAD_BYTES)
        if not self._may_drop and self._buffer.is_full_for(waiting):
            raise StreamOverflowError(
                f"{len(self._buffer)} live events wait and nobody takes them; take them faster, raise max_events or "
                "max_bytes, or let the oldest be dropped"
            )
        self._buffer.push(waiting)
        self._news.set()


def _only_meta(_: bytes, meta: ResponseMeta) -> Steps[ResponseMeta]:
    yield from ()
    return meta


def _by_the_clock_now(wall: float, monotonic: float) -> float:
    """Give the Unix time of an earlier moment, read off both clocks then."""
    # A wall clock may be set back, and a monotonic one may stand still while the machine sleeps.
    return min(wall, time.time() - (time.monotonic() - monotonic))


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
