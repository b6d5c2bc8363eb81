"""Live events over a websocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.chats import ChatMethods
from periskope_async.client.messages import MessageMethods
from periskope_async.errors import ConfigError
from periskope_async.live_event import EVENT_NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from periskope_async.live_event import EventName
    from periskope_async.models.part import Part
    from periskope_async.realtime.feed import OnOverflow, OnRefusal
    from periskope_async.realtime.filling import Walks
    from periskope_async.realtime.stream import EventStream

__all__ = ["EventMethods"]


class EventMethods(ChatMethods, MessageMethods):
    """The client's method for live events (https://docs.periskope.app/api-reference/webhooks/introduction)."""

    def events(
        self,
        *names: EventName,
        phone: str | None = None,
        fill_gaps: bool = False,
        max_events: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        on_overflow: OnOverflow = "drop_oldest",
        on_refusal: OnRefusal = "raise",
        open_timeout: float = 20.0,
        heartbeat: float = 10.0,
        max_message: int = 64 * 1024 * 1024,
    ) -> EventStream:
        """Open a stream of live events: ``async with client.events("message.created") as stream: async for …``.

        It gives a :class:`LiveEvent` for each event of these ``names`` (no names mean all), and a :class:`Gap` if
        some may be missing: after each new connection, and after an overflow of a slow program. A broken connection
        is made again, after 1 to 30 seconds, for as long as it takes. Entering connects, within ``open_timeout``
        seconds a try.

        - ``fill_gaps=True`` reads the missed objects from the lists of the API, and gives them as events with the
          ``source`` ``"walk"``, each object once; none from before the first connection. It knows ``chat.created``
          and ``message.created``. The gap follows only if something may be missing still.
        - ``max_events`` and ``max_bytes`` bound the buffer. An event without room pushes the oldest out, so keep
          ``max_bytes`` well above the largest note. ``on_overflow`` is ``"drop_oldest"``, with a gap for the dropped
          events, or ``"raise"`` StreamOverflowError.
        - ``on_refusal``: after a refused new connection, or a goodbye by intent, ``"raise"`` StreamRefusedError, or
          ``"retry"`` slowly. The first connection always raises.
        - ``heartbeat``: seconds between pings of our own; a dead path is found within one and a half times as long.
        - ``max_message``: max bytes of one event; a note may carry a whole file.

        One connection serves one phone, or all of the key's. It spends nothing of the rate limit, unless the handshake
        is answered with the limit's headers: then each new one waits for the limit. Of a lent session only the
        connector and the proxy are used. Raises ConfigError here; on entering StreamRefusedError, APIError,
        TransportError, ClosedError; while iterating StreamRefusedError, StreamOverflowError, ClosedError.
        """
        from periskope_async.realtime.feed import StreamOptions  # noqa: PLC0415 - only who streams loads it
        from periskope_async.realtime.stream import EventStream  # noqa: PLC0415

        for name in names:
            if name not in EVENT_NAMES:
                from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name loads it

                near = get_close_matches(str(name), EVENT_NAMES, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(EVENT_NAMES)}."
                raise ConfigError(
                    f"no event is called {name!r}; {hint} Without names all events come, also those that are not "
                    "documented",
                    parameter="names",
                )
        options = StreamOptions(
            names=frozenset(names),
            max_events=max_events,
            max_bytes=max_bytes,
            on_overflow=on_overflow,
            on_refusal=on_refusal,
            open_timeout=open_timeout,
            heartbeat=heartbeat,
            max_message=max_message,
        )
        config = self._config if phone is None else self._config.with_phone(phone)
        return EventStream(self._manager, config, options, walks=self._walks(config.phone) if fill_gaps else None)

    def _walks(self, phone: str | None) -> Walks:
        """Give the readers of a period's objects, for each event with a list behind it."""

        def chats(since: datetime, until: datetime) -> AsyncIterator[Part]:
            return aiter(
                self.iter_chats(sort_by="created_at", sort_order="asc", start_time=since, end_time=until, phone=phone)
            )

        def messages(since: datetime, until: datetime) -> AsyncIterator[Part]:
            return aiter(self.iter_messages(start_time=since, end_time=until, phone=phone))

        return {"chat.created": chats, "message.created": messages}
