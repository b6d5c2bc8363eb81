"""The line at the gate: first come, first served, in two lanes. Leaving costs nothing."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

__all__ = ["WaitQueue", "Waiter"]

# So many calls go before one page of a walk, while both lanes wait.
_CALLS_BEFORE_A_PAGE = 3


class Waiter(Struct, eq=False):
    """A request in line; ``ready`` becomes its token, or the error at the end of its wait."""

    ready: asyncio.Future[Any]
    since: float
    """Its moment of joining, by the loop's clock."""
    is_bulk: bool
    """Whether it is a page of a walk, with more of the kind behind it, and not a call with somebody waiting for it."""


class WaitQueue:
    """Two lines: single calls go ahead of the pages of walks, but for every fourth place.

    An interactive call does not wait behind hundreds of pages of an export, and the export never starves. A cancelled
    waiter stays in line as a husk until it comes to the head, so that leaving costs O(1).
    """

    def __init__(self) -> None:
        self.waiting = 0
        """How many still wait, with the cancelled ones until they have left."""
        self._waiting_calls = 0
        self._calls: deque[Waiter] = deque()
        self._pages: deque[Waiter] = deque()
        self._by_age: deque[Waiter] = deque()
        self._calls_in_a_row = 0

    def __iter__(self) -> Iterator[Waiter]:
        """Give those still waiting, calls first."""
        return (waiter for line in (self._calls, self._pages) for waiter in line if not waiter.ready.done())

    @property
    def oldest(self) -> Waiter | None:
        """The one who has waited longest, of both lanes; None if nobody waits."""
        while self._by_age and self._by_age[0].ready.done():
            self._by_age.popleft()
        return self._by_age[0] if self._by_age else None

    def next_place(self, *, is_bulk: bool) -> int:
        """Tell at most which place the next one to join has, 1 for the head."""
        pages_before = self._waiting_calls // _CALLS_BEFORE_A_PAGE + 1
        return 1 + (self.waiting if is_bulk else min(self.waiting, self._waiting_calls + pages_before))

    def join(self, waiter: Waiter, *, at_head: bool) -> None:
        """Take a place in its lane: at the end, or at the head if the request was in line before."""
        self._count(waiter, 1)
        self._by_age.append(waiter)
        line = self._line_of(waiter)
        if at_head:
            line.appendleft(waiter)
        else:
            line.append(waiter)

    def serve(self, token: Any) -> bool:
        """Let the next one go, with its token; False if all in line were cancelled and are leaving."""
        for line in (self._calls, self._pages):
            while line and line[0].ready.done():
                line.popleft()
        if self._calls and (not self._pages or self._calls_in_a_row < _CALLS_BEFORE_A_PAGE):
            waiter = self._calls.popleft()
            self._calls_in_a_row += 1
        elif self._pages:
            waiter = self._pages.popleft()
            self._calls_in_a_row = 0
        else:
            return False
        self._count(waiter, -1)
        waiter.ready.set_result(token)
        return True

    def leave(self, waiter: Waiter) -> bool:
        """Give the place up after a cancel; False if the waiter had been served or failed by then."""
        waiter.ready.cancel()
        if waiter.ready.cancelled():
            self._count(waiter, -1)
            return True
        return False

    def fail(self, waiter: Waiter, error: Exception) -> None:
        """End one wait with an error."""
        self._count(waiter, -1)
        waiter.ready.set_exception(error)

    def fail_all(self, error: Callable[[], Exception]) -> None:
        """End every wait, each with an error of its own."""
        for waiter in self:
            self.fail(waiter, error())
        self._calls.clear()
        self._pages.clear()
        self._by_age.clear()

    def _count(self, waiter: Waiter, more: int) -> None:
        self.waiting += more
        self._waiting_calls += 0 if waiter.is_bulk else more

    def _line_of(self, waiter: Waiter) -> deque[Waiter]:
        return self._pages if waiter.is_bulk else self._calls
