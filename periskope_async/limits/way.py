"""How much longer one request may take to the server than another: what bounds the moment of its counting (pure).

A request sent at ``s`` is counted at ``s`` plus the time of the way there. What the way always takes delays every
request alike and cancels out between two of them; only its **variation** can bring two closer together than they were
sent. So a token's time is counted from ``s`` plus a margin for that, or from its answer where that came earlier.

The margin is learnt from what TCP measures of the connections (the mean deviation of their round trip), and not from
slow answers: they hold the server's own work, and a page can take seconds to answer while its token was counted at
once. Where answers are quick, all of their time may be the way's, and to wait for them costs next to nothing.

Where answers are steady, the least of their times is what every request takes, on the way and in the server, and it
cancels out as well: an answer bounds its request's counting by that much **earlier** than it came.
"""

from __future__ import annotations

import math

__all__ = ["WayEstimate"]

# Schedulers, queues in the server, Wi-Fi: what no measurement of an idle connection shows. As shares of the window,
# since a share of the window is what it costs; the first never is more than so many seconds.
_FLOOR_SHARE = 0.02
_MOST_FLOOR_SECONDS = 0.25
_QUICK_SHARE = 0.085
# What it may take a server to take up one request of the first burst, each on a new connection. The next burst finds
# them open, and would catch up with the first.
_TURN_SECONDS = 0.001
# Of each new measurement, as TCP itself weighs them.
_WEIGHT = 0.25
_SLOW_WEIGHT = 0.05
_ANSWERS_REMEMBERED = 64
_ANSWERS_TO_BE_SURE = 20
_LEAST_SLACK_SECONDS = 0.005
_GROWTH = 2.0
_CALM_DECAY = 0.98
_MOST_FACTOR = 32.0


class WayEstimate:
    """The margin, for a window of a given length."""

    def __init__(self) -> None:
        self._variation = 0.0
        self._factor = 1.0
        self._answers = 0
        self._least = self._least_before = math.inf
        self._mean = self._deviation = 0.0
        self._slow_share = 0.0
        """Of the answers lately, how many took too long to wait for each of them."""

    def margin(self, window: float, *, burst: int) -> float:
        """Give the seconds after sending by which the server has counted a request, but for what delays them all.

        ``burst`` is how many requests may go at once.
        """
        floor = min(_FLOOR_SHARE * window, _MOST_FLOOR_SECONDS)
        if self._answers < _ANSWERS_TO_BE_SURE:
            floor = max(floor, min(_TURN_SECONDS * burst, _QUICK_SHARE * window))
        if self._slow_share < 0.5:  # noqa: PLR2004 - most are quick
            floor = _QUICK_SHARE * window
        return max(floor, self._variation) * self._factor

    def observe_answer(self, seconds: float, window: float) -> None:
        """Take the time that an answer took to come."""
        if self._answers % _ANSWERS_REMEMBERED == 0:
            self._least_before, self._least = self._least, math.inf
        self._least = min(self._least, seconds)
        off = seconds - self._mean
        self._mean += off if not self._answers else off / 8
        self._deviation += (abs(off) - self._deviation) / 4 if self._answers else 0.0
        is_slow = seconds > _QUICK_SHARE * window
        self._answers += 1
        self._slow_share += max(1 / self._answers, _SLOW_WEIGHT) * (is_slow - self._slow_share)

    def head_start(self) -> float:
        """Give the seconds that every answer takes at the least; 0 where they are not steady enough to tell."""
        if self._answers < _ANSWERS_TO_BE_SURE:
            return 0.0
        slack = max(_LEAST_SLACK_SECONDS, 2 * self._deviation)
        return max(0.0, min(self._least, self._least_before) - slack)

    def observe_variation(self, seconds: float) -> None:
        """Take a connection's mean deviation of its round trip."""
        if seconds >= 0:
            self._variation += _WEIGHT * (seconds - self._variation)

    def was_too_small(self) -> None:
        """Grow: a refusal came that the margin was to make impossible."""
        self._factor = min(_MOST_FACTOR, self._factor * _GROWTH)

    def was_calm(self) -> None:
        """Shrink slowly: a window went by without a refusal."""
        self._factor = max(1.0, self._factor * _CALM_DECAY)
