"""How many pages are worth having out at once (pure)."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Pace"]

# What waits for its turn stays far from the memory's end.
_MOST_BYTES_AHEAD = 64 * 1024 * 1024
_MOST_PAGES_AHEAD = 256
# Pages from this size on are out of the processor's nearer caches when their turn comes late, and cost more to read.
# What look-ahead adds is told by the account of ``python -m benchmarks compare``.
_LARGE_BYTES = 1024 * 1024
_LEAST_LARGE_PAGES_AHEAD = 2
_LATENCIES = 16
# Of what was known, in each mean that goes on.
_WEIGHT_OF_OLD = 0.7


class Pace:
    """How fast pages come, and how fast they are taken.

    What the limit allows during one answer is worth having out (Little's law), and a spare; or what it allows at once,
    since it comes in bursts and a slow answer holds up the pages behind it. But not more than whoever
    reads the rows can take during one answer: pages would only wait for each other. For that the least latency is
    asked, since pages that wait for each other make their own. Of large pages there are twice as many each time that
    one is waited for, and one less each time that all have come.
    """

    def __init__(self) -> None:
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._largest = 1
        self._most = self._depth = _MOST_PAGES_AHEAD
        self._away = 0.0
        self._work: float | None = None
        self._went_out: float | None = None
        self._has_come_back = False

    def came_back(self, now: float, *, is_waited_for: bool, are_all_here: bool) -> None:
        """Note that the caller asks for a page: what it did since the last one is its share of the work.

        ``is_waited_for`` tells that the next page has not come yet, ``are_all_here`` that all that are out have come,
        so that even the last one that was asked for came while the caller worked on a single page.
        """
        self._has_come_back |= self._went_out is not None
        self._away = 0.0 if self._went_out is None else now - self._went_out
        if is_waited_for:
            self._most = min(2 * self._most, _MOST_PAGES_AHEAD)
        elif are_all_here and self._largest >= _LARGE_BYTES:
            self._most = max(min(self._most, self._depth) - 1, _LEAST_LARGE_PAGES_AHEAD)

    def went_out(self, now: float) -> None:
        """Note that a page was handed to the caller."""
        self._went_out = now

    def was_answered(self, seconds: float, *, size: int) -> None:
        """Take the latency of a page's answer, and the bytes of its body."""
        self._latencies.append(seconds)
        if size >= _LARGE_BYTES > self._largest:
            self._most = _LEAST_LARGE_PAGES_AHEAD
        self._largest = max(self._largest, size)

    def was_read(self, seconds: float) -> None:
        """Take what it took to decode and place a page."""
        work = self._away + seconds
        self._away = 0.0
        self._work = work if self._work is None else _mixed(self._work, work)

    def depth(self, *, requests_per_second: float, requests_at_once: int) -> int:
        """How many pages to have out, 1 at the least."""
        # Pages are placed in order, so a slow answer holds up those behind it. One that is the slowest by far may be odd.
        slow = sorted(self._latencies)[-2:]
        wanted = math.ceil(requests_per_second * (slow[0] if slow else 0.0)) + 1
        if self._has_come_back:
            # Before, nothing is known of how fast the caller is.
            wanted = max(wanted, requests_at_once)
        if work := max(self._work or 0.0, self._away):
            wanted = min(wanted, math.ceil(2 * min(self._latencies, default=0.0) / work) + 2)
        affordable = _MOST_BYTES_AHEAD // self._largest
        self._depth = max(1, min(wanted, affordable, self._most))
        return self._depth


def _mixed(before: float, now: float) -> float:
    return _WEIGHT_OF_OLD * before + (1 - _WEIGHT_OF_OLD) * now
