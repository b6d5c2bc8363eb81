"""A watch over one request: the wait for its answer ends in time, whatever becomes of the connection.

aiohttp's own read timer begins anew with each byte of a head, and ends with the connection. Some answers close the
connection without a word to the reader of the body (https://github.com/aio-libs/aiohttp/issues/10355). That timer
is off; this one replaces it.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from periskope_async.tcp import bytes_received, round_trip_variation

if TYPE_CHECKING:
    import socket

    from periskope_async.limits.permit import Permit

__all__ = ["Watch"]

# Arrived bytes may give none of the body yet: many may lie in a decompressor. But a trailer may have no end, so they
# extend the wait to so many times the patience at the most.
_MOST_PATIENCE = 10
# How often to check the connection: a timer for each block of a body would cost more than the check.
_MOST_SECONDS_BETWEEN_LOOKS = 1.0
_LEAST_LOOKS = 10
# Data that arrives while other tasks hold the loop reaches the waiting task within as many passes of the loop.
_TURNS = 3


class Watch:
    """Cancels the task waiting for an answer, and takes that cancel back at the end, as ``asyncio.timeout`` does.

    The head must be whole within ``patience`` seconds of sending. A body may take as long as bytes come, but no silence
    may be longer than ``patience``, and some of the body must come within ten times that. The wait ends soon after the
    connection is gone, even if patience is None.
    """

    __slots__ = (
        "_cancels",
        "_doubts",
        "_gave_at",
        "_has_cancelled",
        "_heard_at",
        "_is_head_here",
        "_loop",
        "_patience",
        "_permit",
        "_received",
        "_task",
        "_timer",
        "_transport",
        "is_gone",
    )

    def __init__(self, permit: Permit, *, patience: float | None) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: who waits runs in one
        self._task: asyncio.Task[Any] | None = task
        # asyncio.timeout() itself would take as long as all the rest of a watch.
        self._cancels = task.cancelling()
        self._has_cancelled = False
        self._permit = permit
        self._patience = math.inf if patience is None else patience
        self._loop = task.get_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.Handle | None = None
        self._heard_at = self._gave_at = 0.0
        self._received: int | None = None
        self._is_head_here = False
        self._doubts = 0
        self.is_gone = False
        """Whether the wait ended because there was no connection any more."""

    def sending(self) -> None:
        """Note that the request is about to be written."""
        self._permit.may_have_left = True

    def sent(self, transport: asyncio.Transport | None) -> None:
        """Begin, for a request sent on this connection now; begin anew if a middleware sends it again."""
        self._permit.sent()
        self._stop_timer()
        self._transport = transport
        self._heard_at = self._gave_at = now = self._loop.time()
        self._look_again(now)

    def head_came(self) -> float | None:
        """Watch over the body from now on. Give the mean deviation of the connection's round trip in seconds."""
        self._is_head_here = True
        self.heard()
        return round_trip_variation(self._socket())

    def heard(self) -> None:
        """Note that more of the body has come."""
        self._heard_at = self._gave_at = self._loop.time()
        self._doubts = 0

    def end(self) -> bool:
        """Stop, and take the cancel back. Give whether there was one, and nobody else has cancelled the task."""
        self._stop_timer()
        # A cancelled timer waits in the loop, with the context that it began in, and so with this watch. The task has
        # the answer: a hundred pages would stay in memory.
        task, self._task = self._task, None
        return task is not None and self._has_cancelled and task.uncancel() <= self._cancels

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self, now: float) -> None:
        every = min(_MOST_SECONDS_BETWEEN_LOOKS, self._patience / _LEAST_LOOKS)
        self._timer = self._loop.call_at(min(now + every, self._heard_at + self._patience), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if self._is_head_here and (received := bytes_received(self._socket())) != self._received:
            self._received = received
            if now < self._gave_at + _MOST_PATIENCE * self._patience:
                self._heard_at, self._doubts = now, 0
        self.is_gone = self._transport is None or self._transport.is_closing()
        is_late = now >= self._heard_at + self._patience
        if not (self.is_gone or is_late):
            self._doubts = 0
            self._look_again(now)
        elif self._doubts < _TURNS:
            self._doubts += 1
            self._timer = self._loop.call_soon(self._look)
        elif self._task is not None:
            self._has_cancelled = True
            self._task.cancel()

    def _socket(self) -> socket.socket | None:
        return self._transport.get_extra_info("socket") if self._transport is not None else None
