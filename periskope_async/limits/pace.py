"""Evenly spaced requests: at a rate learned from refusals, or spread over a window (pure).

Some servers send no headers of their limit, and some have a second limit without headers in front. We find their rate
as TCP finds it: a little more with each answer, and less after a refusal (additive increase, multiplicative decrease,
https://www.rfc-editor.org/rfc/rfc5681). A first rate may be many times the limit. It comes down steeply until some
requests in a row have passed. Requests go evenly: a leaky bucket without room for a burst (nginx's ``limit_req``)
refuses the second of two requests sent together.
"""

from __future__ import annotations

import math

__all__ = [
    "BEYOND",
    "DECREASE",
    "FIRST_PROOF",
    "GROWTH",
    "LEAST_RATE",
    "MOST_REGROWTH",
    "NEAR",
    "NEAR_GROWTH",
    "PROOF",
    "REGROWTH",
    "SLOW",
    "STEEP_DECREASE",
    "Pace",
    "Spread",
]

# The growth with each answer, while nothing was refused: 12 % a second at any rate.
GROWTH = 0.12
# The same below the last refused rate. It is a share of a low rate at the most.
REGROWTH = 0.03
MOST_REGROWTH = 0.04
# The growth with each answer near the last refused rate, and beyond it.
NEAR_GROWTH = 0.002
NEAR = 0.95
# So far beyond the last refused rate, that one was no limit: the server was down.
BEYOND = 1.05
DECREASE = 0.85
# The same for a guess, until so many answers in a row prove it, or so many after a decrease. A server that is down
# looks the same, so no steep way leads on from a slow rate.
STEEP_DECREASE = 0.4
FIRST_PROOF = 10
PROOF = 3
SLOW = 0.5
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
        self._unproven = 0
        """How many more answers in a row prove that the limit is not far below."""

    @property
    def is_on(self) -> bool:
        """Whether requests are to be spaced."""
        return self.rate < math.inf

    def start(self, rate: float, *, sent_at: float, is_guess: bool = False) -> None:
        """Begin to space requests, behind the last one sent. A guess may be far above the limit."""
        self.rate, self._refused_rate = max(rate, LEAST_RATE), math.inf
        self._sent_at = sent_at
        self._unproven = FIRST_PROOF if is_guess else 0

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
        self._unproven = max(0, self._unproven - 1)
        if not self._is_used:
            return
        if self._refused_rate == math.inf:
            self.rate += GROWTH
        elif self.rate < NEAR * self._refused_rate:
            self.rate += min(REGROWTH, MOST_REGROWTH * self.rate)
        else:
            self.rate += NEAR_GROWTH
            if self.rate > BEYOND * self._refused_rate:
                self._refused_rate = math.inf

    def refused(self, sent_at: float, now: float) -> None:
        """Take a refusal. Refusals of requests sent before the last decrease are part of it."""
        if sent_at < self._changed_at:
            return
        # The first refusal says little: the limit of the recorded answers is the guess itself.
        is_steep = self._unproven > 0 and self._refused_rate < math.inf and self.rate > SLOW
        self._unproven = PROOF if self._unproven else 0
        self._refused_rate = self.rate
        self.rate = max(self.rate * (STEEP_DECREASE if is_steep else DECREASE), LEAST_RATE)
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
