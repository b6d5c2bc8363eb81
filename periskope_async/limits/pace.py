"""Evenly spaced requests: at a rate learned from refusals, or spread over a window (pure).

Some servers send no headers of their limit, and some have a second limit without headers in front. We find their rate
as TCP finds it: a little more with each answer, and less after a refusal (additive increase, multiplicative decrease,
https://www.rfc-editor.org/rfc/rfc5681). Requests go evenly: a leaky bucket without room for a burst (nginx's
``limit_req``) refuses the second of two requests sent together.
"""

from __future__ import annotations

import math

__all__ = ["DECREASE", "GROWTH", "LEAST_RATE", "NEAR", "NEAR_GROWTH", "REGROWTH", "Pace", "Spread"]

# The growth with each answer, while nothing was refused: 12 % a second at any rate.
GROWTH = 0.12
# The same below the last refused rate.
REGROWTH = 0.03
# The growth with each answer near the last refused rate, and beyond it.
NEAR_GROWTH = 0.002
NEAR = 0.95
DECREASE = 0.85
LEAST_RATE = 1 / 60
# The parts of a window for spreading requests. Timers are too coarse for one by one.
_PARTS = 10
# A share of a window: by so much the next requests make up for late ones.
_MADE_UP_FOR = 0.03


class Pace:
    """The rate in requests a second; off (infinite) until it is called for."""

    def __init__(self) -> None:
        self.rate = math.inf
        self._refused_rate = math.inf
        self._changed_at = self._sent_at = -math.inf
        self._is_used = False

    @property
    def is_on(self) -> bool:
        """Whether requests are to be spaced."""
        return self.rate < math.inf

    def start(self, rate: float, *, sent_at: float) -> None:
        """Begin to space requests, behind the last one sent."""
        self.rate, self._refused_rate = max(rate, LEAST_RATE), math.inf
        self._sent_at = sent_at

    def stop(self) -> None:
        """Space them no more: headers tell all."""
        self.rate = math.inf

    def next_at(self) -> float:
        """Give the earliest moment for the next request."""
        return self._sent_at + 1 / self.rate

    def sent(self, now: float) -> None:
        """Take a request as sent."""
        self._is_used = now - self._sent_at < 2 / self.rate
        self._sent_at = now

    def passed(self) -> None:
        """Take an answer. A rate grows only if it is used: nothing was tried otherwise."""
        if not self._is_used:
            return
        if self.rate < NEAR * self._refused_rate:
            self.rate += GROWTH if self._refused_rate == math.inf else REGROWTH
        else:
            self.rate += NEAR_GROWTH

    def refused(self, sent_at: float, now: float) -> None:
        """Take a refusal. Refusals of requests sent before the last decrease are part of it."""
        if sent_at < self._changed_at:
            return
        self._refused_rate = self.rate
        self.rate = max(self.rate * DECREASE, LEAST_RATE)
        self._changed_at = now


class Spread:
    """Lets a tenth of a window's requests go together, and the next when as much of the window has passed."""

    def __init__(self) -> None:
        self.due_at = -math.inf
        """When the next ones may go."""
        self._left = 0

    def free(self, now: float, limit: int) -> int:
        """Count the requests that may go now."""
        return _part(limit) if now >= self.due_at else self._left

    def take(self, count: int, now: float, limit: int, window: float) -> None:
        """Take ``count`` requests as going now."""
        if now >= self.due_at:
            # Timers are always a little late. Counted from now, that would add up.
            since = max(self.due_at, now - _MADE_UP_FOR * window)
            self.due_at, self._left = since + window * _part(limit) / limit, _part(limit)
        self._left = max(0, self._left - count)


def _part(limit: int) -> int:
    return math.ceil(limit / _PARTS)
