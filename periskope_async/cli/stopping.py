"""Ctrl-C, SIGTERM and SIGHUP end a command cleanly: its tasks are cancelled, and leave nothing behind."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

__all__ = ["Stopped", "ending_at_once", "run_until_stopped"]

T = TypeVar("T")

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(Exception):  # noqa: N818 - it says what happened
    """A signal asked the command to end."""

    def __init__(self, number: int, cancelled: asyncio.CancelledError) -> None:
        super().__init__(number)
        self.number = number
        # They tell what was on its way.
        for note in getattr(cancelled, "__notes__", ()):
            self.add_note(note)


def run_until_stopped(main: Coroutine[object, object, T]) -> T:
    """Run ``main`` on an event loop of its own. Raises Stopped at a signal.

    The first signal cancels ``main``, the second changes nothing, and a third ends the process at once.
    """
    # asyncio puts a handler of its own at SIGINT. It raises KeyboardInterrupt at the second one, wherever the loop is:
    # a wake-up that it breaks into is lost, and the clean-up waits for it.
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    numbers: list[int] = []

    async def run() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)

        def stop(number: int, _: object) -> None:
            numbers.append(number)
            if len(numbers) == 1:
                loop.call_soon_threadsafe(task.cancel)
            else:
                # A second cancel would break into the clean-up. If that hangs, the next signal ends it.
                _handle_all(signal.SIG_DFL)

        for number, handler in before.items():
            # An ignored signal stays ignored: nohup relies on it. A thread beside the main one can have no handlers. A
            # handler of the loop's would not be called while the loop is held.
            if handler in {signal.SIG_DFL, signal.default_int_handler}:
                with suppress(ValueError):
                    signal.signal(number, stop)
        return await task

    try:
        return asyncio.run(run())
    except asyncio.CancelledError as cancelled:
        if not numbers:
            raise
        raise Stopped(numbers[0], cancelled) from None
    finally:
        if numbers:
            # Python would show where another Ctrl-C met it on its way out.
            _handle_all(signal.SIG_IGN)
        else:
            for number, handler in before.items():
                with suppress(ValueError):
                    signal.signal(number, handler)


def _handle_all(handler: signal.Handlers) -> None:
    for number in _SIGNALS:
        signal.signal(number, handler)


@contextmanager
def ending_at_once() -> Generator[None]:
    """Let every signal end the process at once, while the event loop is held and cannot serve them."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
