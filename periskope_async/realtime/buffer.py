"""A bounded buffer of received events, not taken yet (pure)."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.realtime.items import Gap

if TYPE_CHECKING:
    from msgspec import Raw

__all__ = ["OVERHEAD_BYTES", "Buffer", "Waiting"]

# The memory of an event beside its frame, in objects around it, measured on CPython 3.11.
OVERHEAD_BYTES = 400


class Waiting(Struct, frozen=True, gc=False):
    """An event as received; it is decoded when it is taken.

    The garbage collector need not look at the waiting events: they refer to nothing that refers to them.
    """

    name: str
    data: Raw | bytes
    received_at: float
    """Unix seconds."""
    size: int
    """Bytes of memory, about: the frame and the overhead."""
    error: str | None = None
    """Why its frame cannot be read."""


_Item: TypeAlias = Waiting | Gap


class Buffer:
    """A queue with bounds. One gap before the remaining events reports the dropped ones."""

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._dropped: Gap | None = None

    def __len__(self) -> int:
        return len(self._items) + (self._dropped is not None)

    def is_full_for(self, event: Waiting) -> bool:
        """Whether this event would push others out. One event alone always has room."""
        items = self._items
        return bool(items) and (len(items) >= self._max_events or self._bytes + event.size > self._max_bytes)

    def push(self, event: Waiting) -> None:
        """Put an event in, and drop the oldest ones if there is no room."""
        while self.is_full_for(event):
            self._drop(self._items.popleft())
        self._items.append(event)
        self._bytes += event.size

    def push_gap(self, gap: Gap) -> None:
        """Put a gap behind all earlier items."""
        self._items.append(gap)

    def pop(self) -> _Item | None:
        """Take the oldest item; None if there is none."""
        if self._dropped is not None:
            gap, self._dropped = self._dropped, None
            return gap
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, Waiting):
            self._bytes -= item.size
        return item

    def _drop(self, item: _Item) -> None:
        if isinstance(item, Waiting):
            self._bytes -= item.size
            at = datetime.fromtimestamp(item.received_at, UTC)
            item = Gap(since=at, until=at, reason="overflow", dropped=1)
        before = self._dropped
        self._dropped = replace(
            item,
            since=item.since if before is None else min(before.since, item.since),
            until=item.until if before is None else max(before.until, item.until),
            reason="overflow",
            recovered=False,
            dropped=item.dropped + (0 if before is None else before.dropped),
        )
