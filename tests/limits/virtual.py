"""An event loop whose time passes only while it waits."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from selectors import SelectorKey

# Timers ring late rather than early, as real ones do: aiolimiter's looks again at once where its own rang too early.
_LATE = 1e-6


class _Selector(selectors.DefaultSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits, and nothing will ever happen again")
        if timeout > 0:
            self.loop.seconds += timeout + _LATE
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps from timer to timer."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.seconds


class BareHandleLoop(VirtualLoop):
    """Gives a handle without a moment for what is due at once, as uvloop does."""

    def call_at(  # type: ignore[override] # no type variables of callbacks here
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if when > self.time() + 5e-4:
            return super().call_at(when, callback, *args, context=context)
        return cast("asyncio.TimerHandle", self.call_soon(callback, *args, context=context))
