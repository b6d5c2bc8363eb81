"""How many pages are worth having out at once (pure)."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Pace"]

# What waits for its turn stays far from the memory's end.
_MOST_BYTES_AHEAD = 64 * 1024 * 1024
_MOST_PAGES_AHEAD = 256
_LATENCIES = 16
# Of what was known, in each mean that goes on.
_WEIGHT_OF_OLD = 0.7


class Pace:
    """How fast pages come, and how fast they are taken.

    What the limit allows during one answer is worth having out (Little's law), and a spare. But not more than whoever
    reads the rows can take during one answer: pages would only wait for each other. For that the least latency is
    asked, since pages that wait for each other make their own.
    """

    def __init__(self) -> None:
        self._latency = 0.0
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._largest = 1
        self._away = 0.0
        self._work: float | None = None
        self._went_out: float | None = None

    def came_back(self, now: float) -> None:
        """Note that the caller asks for a page: what it did since the last one is its share of the work."""
        self._away = 0.0 if self._went_out is None else now - self._went_out

    def went_out(self, now: float) -> None:
        """Note that a page was handed to the caller."""
        self._went_out = now

    def was_answered(self, seconds: float, *, size: int) -> None:
        """Take the latency of a page's answer, and the bytes of its body."""
        self._latency = _mixed(self._latency or seconds, seconds)
        self._latencies.append(seconds)
        self._largest = max(self._largest, size)

    def was_read(self, seconds: float) -> None:
        """Take what it took to decode and place a page."""
        work = self._away + seconds
        self._away = 0.0
        self._work = work if self._work is None else _mixed(self._work, work)

    def depth(self, *, requests_per_second: float) -> int:
        """How many pages to have out, 1 at the least."""
        wanted = math.ceil(requests_per_second * self._latency) + 1
        if self._work:
            wanted = min(wanted, math.ceil(2 * min(self._latencies, default=0.0) / self._work) + 2)
        affordable = _MOST_BYTES_AHEAD // self._largest
        return max(1, min(wanted, affordable, _MOST_PAGES_AHEAD))


def _mixed(before: float, now: float) -> float:
    return _WEIGHT_OF_OLD * before + (1 - _WEIGHT_OF_OLD) * now
