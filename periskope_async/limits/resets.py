"""How long an evenly refilled bucket could be, by the resets of its answers (pure).

Such a bucket tells when it will be full, so each further request moves its reset. The requests of a fixed window, or of
a log, are all told one reset.
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
        self._reset = 0.0
        self._least = 0
        self._most = 0

    def observe(self, headers: LimitHeaders, used: int) -> bool:
        """Take an answer; tell whether it is the first to bound a bucket's length."""
        is_moment = headers.rounded_by == _ROUNDED_TWICE
        if not is_moment or headers.server_time is None or headers.resets_in is None or headers.limit is None:
            return False
        reset = headers.server_time + headers.resets_in
        if reset != self._reset:
            self._reset = reset
            self._least = self._most = used
        self._least, self._most = min(self._least, used), max(self._most, used)
        span = self._most - self._least
        if span < _TELLING_SHARE * headers.limit or self.longest_bucket < math.inf:
            return False
        self.longest_bucket = headers.limit / span
        return True
