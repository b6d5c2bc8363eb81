"""SIGTERM and SIGHUP end a command as Ctrl-C does: its tasks are cancelled, and leave nothing behind."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

__all__ = ["Stopped", "ending_at_once", "run_until_stopped"]

T = TypeVar("T")

_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(Exception):  # noqa: N818 - it says what happened
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_until_stopped(main: Coroutine[object, object, T]) -> T:
    """Run ``main`` on an event loop of its own. Raises Stopped at SIGTERM and SIGHUP, KeyboardInterrupt at Ctrl-C."""
    numbers: list[int] = []

    async def run() -> T:
        task = asyncio.ensure_future(main)

        def stop(number: int) -> None:
            # A second cancel would break into the clean-up.
            if not numbers:
                numbers.append(number)
                task.cancel()

        for number in _SIGNALS:
            # An ignored signal stays ignored: nohup relies on it. Windows
            # has no such handlers, nor has a thread beside the main one.
            if signal.getsignal(number) is signal.SIG_DFL:
                with suppress(NotImplementedError, RuntimeError, ValueError):
                    asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await task

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        if not numbers:
            raise
        raise Stopped(numbers[0]) from None


@contextmanager
def ending_at_once() -> Generator[None]:
    """Let every signal end the process at once, while the event loop is held and cannot serve them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_SIGNALS)}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
