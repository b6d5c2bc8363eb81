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

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_until_stopped(main: Coroutine[object, object, T]) -> T:
    """Run ``main`` on an event loop of its own. Raises Stopped at a signal.

    The first signal cancels ``main``, the second changes nothing, and a third ends the process at once. Ctrl-C raises
    KeyboardInterrupt while the loop is held, and on Windows.
    """
    # asyncio puts a handler of its own at SIGINT. It raises KeyboardInterrupt at the second one, wherever the loop is:
    # a wake-up that it breaks into is lost, and the clean-up waits for it.
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    numbers: list[int] = []

    async def run() -> T:
        task = asyncio.ensure_future(main)

        def stop(number: int) -> None:
            numbers.append(number)
            if len(numbers) == 1:
                task.cancel()
            else:
                # A second cancel would break into the clean-up. If that hangs, the next signal ends it.
                signal.signal(number, signal.SIG_DFL)

        for number, handler in before.items():
            # An ignored signal stays ignored: nohup relies on it. Windows
            # has no such handlers, nor has a thread beside the main one.
            if handler in {signal.SIG_DFL, signal.default_int_handler}:
                with suppress(NotImplementedError, RuntimeError, ValueError):
                    asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await task

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        if not numbers:
            raise
        raise Stopped(numbers[0]) from None
    finally:
        if numbers:
            # Python would show where another Ctrl-C met it on its way out.
            for number in {signal.SIGINT, *numbers}:
                signal.signal(number, signal.SIG_IGN)


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
