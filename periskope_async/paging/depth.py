"""How many pages are worth having in flight at once (pure)."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Depth"]

# Waiting pages must stay far below the machine's memory.
_MOST_BYTES_AHEAD = 64 * 1024 * 1024
_MOST_PAGES_AHEAD = 256
# Pages of this size leave the processor's nearer caches while they wait, and then cost more to read.
_LARGE_BYTES = 1024 * 1024
_LEAST_LARGE_PAGES_AHEAD = 2
_LATENCIES = 16
_WEIGHT_OF_OLD = 0.7


class Depth:
    """Works out the depth from how fast pages come, and how fast the caller takes them.

    The depth is the number of requests allowed during one answer (Little's law), and one spare. The limit's burst is
    its min: requests come in bursts, and a slow answer holds up the pages behind it. The caller's speed sets its max:
    pages beyond one answer's worth only wait for each other. This max uses the min latency, since waiting pages add
    their own. The depth of large pages doubles at each idle wait for one, and falls by one each time all have come.
    """

    def __init__(self) -> None:
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._largest = 1
        self._most = self._depth = _MOST_PAGES_AHEAD
        self._away = 0.0
        self._work: float | None = None
        self._went_out: float | None = None
        self._has_come_back = False

    def came_back(self, now: float, *, are_all_here: bool) -> None:
        """Note that the caller asks for a page. The time since the last one is its share of the work.

        ``are_all_here``: all pages in flight have come, even the last one, while the caller worked on a single page.
        """
        self._has_come_back |= self._went_out is not None
        self._away = 0.0 if self._went_out is None else now - self._went_out
        if are_all_here and self._largest >= _LARGE_BYTES:
            self._most = max(min(self._most, self._depth) - 1, _LEAST_LARGE_PAGES_AHEAD)

    def was_waited_for(self, seconds: float, *, busy: float) -> None:
        """Take the seconds of a wait for a page. The thread worked for ``busy`` of them.

        A busy thread takes in pages as fast as it can: more in flight would only fill the memory.
        """
        if busy < seconds / 2:
            self._most = min(2 * self._most, _MOST_PAGES_AHEAD)

    def went_out(self, now: float) -> None:
        """Note that the caller got a page."""
        self._went_out = now

    def was_answered(self, seconds: float, *, size: int) -> None:
        """Take the latency of a page's answer, and the bytes of its body."""
        self._latencies.append(seconds)
        if size >= _LARGE_BYTES > self._largest:
            self._most = _LEAST_LARGE_PAGES_AHEAD
        self._largest = max(self._largest, size)

    def was_read(self, seconds: float) -> None:
        """Take the seconds to decode and place a page."""
        work = self._away + seconds
        self._away = 0.0
        before = work if self._work is None else self._work
        self._work = _WEIGHT_OF_OLD * before + (1 - _WEIGHT_OF_OLD) * work

    def pages(self, *, requests_per_second: float, requests_at_once: int) -> int:
        """How many pages to have in flight, min 1."""
        # Pages are placed in order, so a slow answer holds up those behind it. The slowest of all may be odd.
        slow = sorted(self._latencies)[-2:]
        wanted = math.ceil(requests_per_second * (slow[0] if slow else 0.0)) + 1
        if self._has_come_back:
            # The caller's speed is known only from here on.
            wanted = max(wanted, requests_at_once)
        if work := max(self._work or 0.0, self._away):
            wanted = min(wanted, math.ceil(2 * min(self._latencies, default=0.0) / work) + 2)
        affordable = _MOST_BYTES_AHEAD // self._largest
        self._depth = max(1, min(wanted, affordable, self._most))
        return self._depth
