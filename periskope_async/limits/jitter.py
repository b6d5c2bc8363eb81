"""How much longer one request may take to the server than another (pure).

The server counts a request some time after it was sent. A delay common to all requests cancels out between two of them.
Only the **jitter** can bring two closer together than they were sent. So a request is taken to be counted by its
sending plus a margin for jitter, or by its answer if it came earlier.

TCP measures the jitter of each connection (the mean deviation of its round trip). Slow answers do not: they hold the
server's own work, and a page can take seconds to answer while its token was counted at once. Quick answers may spend
all of their time on the way; to wait for them costs next to nothing.

The fastest of steady answers shows the time of every request. It cancels out too: an answer bounds its request's
counting by so much **earlier** than it came.
"""

from __future__ import annotations

import math

__all__ = ["JitterEstimate"]

# Schedulers, queues in the server and Wi-Fi add jitter. No idle connection shows it. These are shares of the window:
# they cost as much of it. The first has a max in seconds.
_FLOOR_SHARE = 0.02
_MOST_FLOOR_SECONDS = 0.25
_QUICK_SHARE = 0.085
# Each request of the first burst opens a connection, and the server may need so long for it. The next burst finds them
# open, and would catch up with the first.
_TURN_SECONDS = 0.001
# The weight of each new measurement, as in TCP itself.
_WEIGHT = 0.25
# A share of a window: a slower answer shows the server's work, and less of the way.
_SLOW_SHARE = 0.12
_SLOW_SECONDS = 0.4
# A share of answers: fewer slow ones are exceptions. So is a single one.
_FEW = 0.15
# Most answers of so many windows tell: a burst makes its own answers slow.
_WINDOWS_WEIGHED = 4
_ANSWERS_REMEMBERED = 64
_ANSWERS_TO_BE_SURE = 20
_LEAST_SLACK_SECONDS = 0.005
_FADING = 0.9
_GROWTH = 2.0
_CALM_DECAY = 0.98
_MOST_FACTOR = 32.0


class JitterEstimate:
    """The margin, for a window of a given length."""

    def __init__(self) -> None:
        self._variation = 0.0
        self._factor = 1.0
        self._answers = 0
        self._least = self._least_before = math.inf
        self._mean = self._deviation = 0.0
        self.head_start = 0.0
        """The seconds of the fastest answer; 0 if answers are not steady enough to tell."""
        self._given = 0.0
        """The largest head start lately given, fading."""
        self._slow_share = 0.0
        """The share of answers too slow to wait for, among the latest."""

    def margin(self, window: float, *, burst: int) -> float:
        """Give the max seconds from sending to counting, less the delay common to all requests.

        ``burst`` is how many requests may go at once.
        """
        if self._slow_share < 0.5:  # noqa: PLR2004 - most are quick
            return self.most(window)
        floor = min(_FLOOR_SHARE * window, _MOST_FLOOR_SECONDS)
        if self._answers < _ANSWERS_TO_BE_SURE:
            floor = max(floor, min(_TURN_SECONDS * burst, _QUICK_SHARE * window))
        return max(floor, self._variation) * self._factor

    def most(self, window: float) -> float:
        """Give the margin for use when care costs nothing."""
        return max(min(_QUICK_SHARE * window, _MOST_FLOOR_SECONDS), self._variation) * self._factor

    def observe_answer(self, seconds: float, window: float, *, burst: int) -> None:
        """Take the seconds from sending to an answer's headers; ``burst`` is how many requests may go at once."""
        if self._answers % _ANSWERS_REMEMBERED == 0:
            self._least_before, self._least = self._least, math.inf
            self._given *= _FADING
        self._given = max(self._given, self.head_start)
        self._least = min(self._least, seconds)
        off = seconds - self._mean
        self._mean += off if not self._answers else off / 8
        self._deviation += (abs(off) - self._deviation) / 4 if self._answers else 0.0
        is_slow = seconds > min(_SLOW_SHARE * window, _SLOW_SECONDS)
        self._answers += 1
        self._slow_share += max(1 / self._answers, 1 / (_WINDOWS_WEIGHED * burst)) * (is_slow - self._slow_share)
        if self._answers >= _ANSWERS_TO_BE_SURE:
            self.head_start = self._surely(min(self._least, self._least_before))

    def is_late(self, seconds: float, *, margin: float) -> bool:
        """Whether an answer took so much longer than the fastest that its request may have been late by more than this.

        Where slow answers are common, they show the server's work instead.
        """
        are_few = self._slow_share < max(_FEW, 1.5 / max(1, self._answers))
        return are_few and seconds - min(self._least, self._least_before) > margin

    def overstated_by(self, seconds: float) -> float:
        """Give how much too large the latest head starts were, by an answer that took only ``seconds``.

        A busy server lets requests wait before it counts them. One that waited less is counted before them.
        """
        return max(0.0, self._given - self._surely(seconds))

    def _surely(self, seconds: float) -> float:
        return max(0.0, seconds - max(_LEAST_SLACK_SECONDS, 2 * self._deviation))

    def observe_variation(self, seconds: float) -> None:
        """Take the mean deviation of a connection's round trip."""
        self._variation += _WEIGHT * (seconds - self._variation)

    def was_too_small(self) -> None:
        """Grow: a refusal came although the margin was kept."""
        self._factor = min(_MOST_FACTOR, self._factor * _GROWTH)

    def was_calm(self) -> None:
        """Shrink slowly: a window went by without a refusal."""
        self._factor = max(1.0, self._factor * _CALM_DECAY)
