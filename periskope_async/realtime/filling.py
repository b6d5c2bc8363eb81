"""Gaps filled by reading lists: the objects of a gap's period are given as its missed events."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from periskope_async.errors import PeriskopeError
from periskope_async.live_event import LiveEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from periskope_async.models.part import Part
    from periskope_async.realtime.items import Gap

    Walk: TypeAlias = Callable[[datetime, datetime], AsyncIterator[Part]]

__all__ = ["Delivered", "Filling", "Walks"]

Walks: TypeAlias = "Mapping[str, Walk]"
"""Event name to a reader of its objects between two times."""

# The server's time is known to a second or so, and an object's time differs from its event's.
_MARGIN = timedelta(seconds=60)
# Times of messages are whole seconds: one of just behind the opening may bear a time before it.
_MARGIN_OF_OPENING = timedelta(seconds=1)


class Delivered:
    """The latest delivered objects, by event and id: a walk must not bring them again."""

    def __init__(self, size: int = 20_000) -> None:
        self._size = size
        self._keys: OrderedDict[tuple[str, str | None], None] = OrderedDict()

    def is_new(self, event: LiveEvent) -> bool:
        """Note an event; give whether it is the first of its object."""
        key = event.name, event.object_id
        if key[1] is None:
            return True
        is_new = key not in self._keys
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)
        return is_new


class Filling:
    """Fills one gap. A cancelled :meth:`next` loses no row, and may be called again."""

    def __init__(
        self,
        gap: Gap,
        walks: Walks,
        *,
        phone: str | None,
        opened_at: datetime,
        server_lead: Callable[[], Awaitable[float | None]],
    ) -> None:
        self._gap = gap
        self._opened_at = opened_at
        self._server_lead = server_lead
        self._period: tuple[datetime, datetime] | None = None
        self._phone = phone
        self._walks = dict(walks)
        self._rows: AsyncIterator[Part] | None = None
        self._filled: list[str] = []
        self._errors: list[str] = []

    async def next(self) -> LiveEvent | None:
        """Give the next missed event; None if there is no more. Raises nothing but a cancel."""
        while self._walks:
            name, walk = next(iter(self._walks.items()))
            try:
                if self._rows is None:
                    self._period = self._period or await self._server_period()
                    self._rows = aiter(walk(*self._period))
                row = await anext(self._rows)
            except StopAsyncIteration:
                self._filled.append(name)
            except PeriskopeError as error:
                self._errors.append(f"{name}: {error}")
            else:
                return LiveEvent(name=name, data=row, phone=self._phone, source="walk")
            del self._walks[name]
            self._rows = None
        return None

    async def _server_period(self) -> tuple[datetime, datetime]:
        """Give the gap's period by the server's clock, with a margin. The gap's own times are by ours.

        It does not reach behind the opening: what came before it, an earlier stream may have given.
        """
        lead = await self._server_lead()
        if lead is None:
            self._errors.append(
                "the server's time is not known, so the lists were asked for by this machine's clock; check that it "
                "is right"
            )
        ahead = timedelta(seconds=lead or 0.0)
        since = max(self._gap.since - _MARGIN, self._opened_at - _MARGIN_OF_OPENING)
        return since + ahead, self._gap.until + ahead + _MARGIN

    def outcome(self) -> Gap:
        """Give the gap, with its filled events' names."""
        return replace(self._gap, filled=tuple(self._filled), error="; ".join(self._errors) or None)
