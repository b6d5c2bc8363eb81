"""The stream of live events, as users see it: taken with ``async for``, gaps and all."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from periskope_async.decoding.repair import Unreadable
from periskope_async.live_event import LiveEvent, read_event
from periskope_async.realtime.buffer import Buffer
from periskope_async.realtime.feed import Feed, StreamOptions
from periskope_async.realtime.filling import Delivered, Filling
from periskope_async.realtime.items import Gap

if TYPE_CHECKING:
    from types import TracebackType

    from periskope_async.config import Config
    from periskope_async.realtime.buffer import Waiting
    from periskope_async.realtime.filling import Walks
    from periskope_async.session import SessionManager

__all__ = ["EventStream"]


class EventStream:
    """Live events, and the gaps between them: ``async with client.events() as stream: async for item in stream``.

    It reads all the time, since a server drops unread events; events not taken yet wait in a bounded buffer. Leaving
    the block closes the connection, and leaves no task behind. Several tasks may share one stream.
    """

    def __init__(
        self,
        manager: SessionManager,
        config: Config,
        options: StreamOptions,
        *,
        walks: Walks | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._config = config
        self._options = options
        self._buffer = Buffer(max_events=options.max_events, max_bytes=options.max_bytes)
        self._feed = Feed(manager, config, options, rng or random.SystemRandom(), self._buffer)
        names = options.names
        self._walks = {name: walk for name, walk in (walks or {}).items() if not names or name in names}
        self._delivered = Delivered() if walks is not None else None
        self._filling: Filling | None = None
        self._filling_lock = asyncio.Lock()

    @property
    def is_connected(self) -> bool:
        """Whether events can come in now."""
        return self._feed.link is not None

    @property
    def received(self) -> int:
        """The number of received events so far, of any name, taken or not."""
        return self._feed.received

    async def __aenter__(self) -> Self:
        await self._feed.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection. Events in the buffer can still be taken; then the iteration ends."""
        await self._feed.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveEvent | Gap:
        while True:
            if self._filling is not None:
                item = await self._next_filled()
            else:
                # An event in the buffer needs no coroutine.
                waiting = self._buffer.pop() or await self._feed.next()
                item = self._begin_filling(waiting) if isinstance(waiting, Gap) else self._read(waiting)
            if item is not None:
                return item

    def _read(self, waiting: Waiting) -> LiveEvent | None:
        """Decode an event; None for one already brought by a walk."""
        received_at = datetime.fromtimestamp(waiting.received_at, UTC)
        phone = self._config.phone
        error = waiting.error
        if error is None:
            try:
                event = read_event(
                    waiting.data, name=waiting.name, source="socket", phone=phone, received_at=received_at
                )
            except Unreadable as unreadable:
                error = str(unreadable)
            else:
                return event if self._delivered is None or self._is_wanted(event) else None
        return LiveEvent(
            name=waiting.name,
            data=None,
            raw=bytes(waiting.data),
            phone=phone,
            received_at=received_at,
            source="socket",
            error=error,
        )

    def _is_wanted(self, event: LiveEvent) -> bool:
        return self._delivered is None or event.name not in self._walks or self._delivered.is_new(event)

    def _begin_filling(self, gap: Gap) -> Gap | None:
        """Fill a gap before it is given, if the caller asked for it and something can be missing."""
        if self._delivered is None or gap.recovered:
            return gap
        feed = self._feed
        self._filling = Filling(
            gap,
            self._walks,
            phone=self._config.phone,
            opened_at=feed.opened_at(),
            server_lead=feed.server_lead,
        )
        return None

    async def _next_filled(self) -> LiveEvent | Gap | None:
        """Give the next event of a walk; behind the last one the gap, unless it was filled whole."""
        async with self._filling_lock:
            if self._filling is None:
                return None
            event = await self._filling.next()
            if event is not None:
                return event if self._is_wanted(event) else None
            gap, self._filling = self._filling.outcome(), None
        names = self._options.names
        is_whole_again = bool(names) and frozenset(gap.filled) == names and gap.error is None
        return None if is_whole_again else gap
