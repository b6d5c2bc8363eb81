"""How long an evenly refilled bucket could be, by the resets of its answers (pure).

Such a bucket tells when it will be full, so each request that takes a token moves its reset. The requests of a fixed
window, or of a log, are all told one reset.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders

__all__ = ["ResetWatch"]

# A share of the limit: fewer requests move the reset of a short bucket by less than a second, the unit of resets.
_TELLING_SHARE = 0.75
_ROUNDED_TWICE = 2.0


class ResetWatch:
    """The latest reset, and the counts told with it."""

    def __init__(self) -> None:
        self.longest_bucket = math.inf
        """Max seconds of a bucket from empty to full: a longer one would have told several resets."""
        self._told: tuple[float, int] = (0.0, 0)
        """The latest reset, and the limit beside it."""
        self._counts: set[int] = set()
        """Each count was another request's. A refilled bucket counts fewer, under the reset of before."""

    def observe(self, headers: LimitHeaders, used: int) -> bool:
        """Take an answer; tell whether it is the first to bound a bucket's length."""
        limit, date, left = headers.limit, headers.server_time, headers.resets_in
        # A reset that has passed is told as 0, whatever it was.
        if self.longest_bucket < math.inf or limit is None or date is None or not left:
            return False
        # Seconds left are a second off against a Date that is rounded too.
        off = _ROUNDED_TWICE - headers.rounded_by
        if abs(date + left - self._told[0]) > off or limit != self._told[1]:
            self._told, self._counts = (date + left, limit), set()
        self._counts.add(used)
        requests = len(self._counts) - 1
        if requests < _TELLING_SHARE * limit:
            return False
        self.longest_bucket = (1 + 2 * off) * limit / requests
        return True
