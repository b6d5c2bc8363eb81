"""The line at the gate: first come, first served, with places that can be left at no cost."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from periskope_async.limits.ledger import Token

__all__ = ["WaitQueue", "Waiter"]


class Waiter(Struct, eq=False):
    """A request in line; ``ready`` becomes its token, or the error that ends its wait."""

    ready: asyncio.Future[Token]
    since: float
    """When it joined, by the loop's clock."""
    max_wait: float | None
    """Seconds that it may wait; None for as long as it takes."""


class WaitQueue:
    """A deque of waiters. One that left stays as a husk until its turn, so that leaving costs O(1)."""

    def __init__(self) -> None:
        self._line: deque[Waiter] = deque()
        self._husks = 0

    def __len__(self) -> int:
        """How many still wait."""
        return len(self._line) - self._husks

    def __iter__(self) -> Iterator[Waiter]:
        """Those who still wait, the next one first."""
        return (waiter for waiter in self._line if not waiter.ready.done())

    def join(self, waiter: Waiter, *, at_head: bool) -> None:
        """Take a place: at the end, or at the head for a request that was in line before."""
        if at_head:
            self._line.appendleft(waiter)
        else:
            self._line.append(waiter)

    def first(self) -> Waiter | None:
        """Find the next one to be served; it stays in line."""
        while self._line and self._line[0].ready.done():
            self._line.popleft()
            self._husks -= 1
        return self._line[0] if self._line else None

    def serve(self, waiter: Waiter, token: Token) -> None:
        """Let the first one go, with its token."""
        self._line.popleft()
        waiter.ready.set_result(token)

    def leave(self, waiter: Waiter) -> bool:
        """Give the place up after a cancel; False where the waiter had been served or failed by then."""
        if waiter.ready.cancelled():
            self._husks += 1
            return True
        return False

    def fail(self, waiter: Waiter, error: Exception) -> None:
        """End one wait with an error."""
        waiter.ready.set_exception(error)
        self._husks += 1

    def fail_all(self, error: Callable[[], Exception]) -> None:
        """End every wait, each with an error of its own."""
        for waiter in self:
            waiter.ready.set_exception(error())
        self._line.clear()
        self._husks = 0
