"""Evenly spaced requests: at a rate learned from answers, or spread over a window (pure).

Some servers send no headers of their limit, and some have a second limit without headers in front. We find their rate
as TCP finds it: a little more with each answer, and less after a refusal (additive increase, multiplicative decrease,
https://www.rfc-editor.org/rfc/rfc5681). A first rate may be many times the limit. It comes down steeply until some
requests in a row have passed. Requests go evenly: a leaky bucket without room for a burst (nginx's ``limit_req``)
refuses the second of two requests sent together.

Several refusals with no pass between are a window's: it refuses all until its end. Requests ask for that end one by
one, at doubling distances, and the requests that passed before them tell the rate.
"""

from __future__ import annotations

import math
from collections import deque

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
# From so many refusals in a row on, no rate is at fault, but a window.
_MOST_DECREASES = 4
_LONGEST_HOLD_SECONDS = 30.0
_PASSES_REMEMBERED = 1000
# Fewer passes tell no rate.
_PASSES_TO_TELL = 10
# The growth near a rate found by a window is a share of it in each window: what is too fast shows only at a window's
# end. A server that was down looks the same, so no longer window is believed.
_WINDOW_GROWTH = 0.03
_LONGEST_WINDOW_SECONDS = 60.0
# The parts of a window for spreading requests. Timers are too coarse for one by one.
_PARTS = 10
# A share of a window: by so much the next requests make up for late ones.
_MADE_UP_FOR = 0.03


class Pace:
    """The rate in requests a second; off (infinite) until it is called for."""

    def __init__(self) -> None:
        self.rate = math.inf
        self._ceiling = math.inf
        """The latest rate that was refused, or learned from a window."""
        self._changed_at = self._sent_at = -math.inf
        self._is_used = False
        self._near_growth = NEAR_GROWTH
        self._passed_at: deque[float] = deque(maxlen=_PASSES_REMEMBERED)
        """The moments of sending what passed."""
        self._refused_at = -math.inf
        """The moment of sending the latest refused request."""
        self._in_a_row = 0
        """How many refusals there were since the latest pass."""
        self._is_wait_told = False
        """Whether the latest refusal told how long to wait."""
        self._unproven = 0
        """How many more answers in a row prove that the limit is not far below."""

    @property
    def is_on(self) -> bool:
        """Whether requests are to be spaced."""
        return self.rate < math.inf

    def start(self, rate: float, *, sent_at: float, is_guess: bool = False) -> None:
        """Begin to space requests, behind the last one sent. A guess may be far above the limit."""
        self.rate, self._ceiling = max(rate, LEAST_RATE), math.inf
        self._sent_at = sent_at
        self._unproven = FIRST_PROOF if is_guess else 0
        self._near_growth, self._in_a_row = NEAR_GROWTH, 0
        self._passed_at.clear()

    def stop(self) -> None:
        """Space them no more: headers tell all."""
        self.rate = math.inf

    @property
    def hold(self) -> float:
        """Seconds from one request to the next: more and more while nothing passes."""
        is_doubled = self._in_a_row > 1 and not self._is_wait_told
        asks_after = 2.0 ** min(self._in_a_row - 2, 10) if is_doubled else 0.0
        return max(1 / self.rate, min(asks_after, _LONGEST_HOLD_SECONDS))

    def next_at(self) -> float:
        """Give the earliest moment for the next request."""
        return self._sent_at + self.hold

    def sent(self, now: float) -> None:
        """Take a request as sent."""
        self._is_used = now - self._sent_at < 2 / self.rate
        if not (self._is_used or self._in_a_row):
            # A program that rests shows what it wants, not what the limit allows.
            self._passed_at.clear()
        self._sent_at = now

    def passed(self, sent_at: float) -> None:
        """Take an answer. A rate grows only if it is used: nothing was tried otherwise."""
        self._unproven = max(0, self._unproven - 1)
        if sent_at > self._refused_at:
            if self._in_a_row > 1 and len(self._passed_at) >= _PASSES_TO_TELL:
                self._learn_from_window(sent_at)
            self._in_a_row = 0
        self._passed_at.append(sent_at)
        if not self._is_used:
            return
        if self._ceiling == math.inf:
            self.rate += GROWTH
        elif self.rate < NEAR * self._ceiling:
            self.rate += min(REGROWTH, MOST_REGROWTH * self.rate)
        else:
            self.rate += self._near_growth
            if self.rate > BEYOND * self._ceiling:
                self._ceiling = math.inf

    def _learn_from_window(self, passed_at: float) -> None:
        """Take the rate at which requests passed, the refusals' time included."""
        # The window ended between the latest refusal and this pass.
        ended_at, count = (self._refused_at + passed_at) / 2, len(self._passed_at)
        # Its beginning is not known. Time without requests before it must not count. Answers may come out of order.
        rate, began_at = max(
            ((count - place) / (ended_at - at), at) for place, at in enumerate(sorted(self._passed_at))
        )
        self._ceiling = max(LEAST_RATE, min(rate, self._ceiling))
        self.rate = min(self.rate, self._ceiling)
        seconds = min(ended_at - began_at, _LONGEST_WINDOW_SECONDS)
        self._near_growth = min(NEAR_GROWTH, _WINDOW_GROWTH / seconds)

    def refused(self, sent_at: float, now: float, *, is_wait_told: bool = False) -> None:
        """Take a refusal. Refusals of requests sent before the last decrease are part of it."""
        self._is_wait_told = is_wait_told
        if sent_at < self._changed_at:
            return
        # The first refusal says little: the limit of the recorded answers is the guess itself.
        is_steep = self._unproven > 0 and self._ceiling < math.inf and self.rate > SLOW
        self._unproven = PROOF if self._unproven else 0
        self._changed_at, self._refused_at = now, sent_at
        self._in_a_row += 1
        if self._in_a_row == 1:
            self._ceiling = self.rate
        if self._in_a_row <= _MOST_DECREASES:
            self.rate = max(self.rate * (STEEP_DECREASE if is_steep else DECREASE), LEAST_RATE)


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
