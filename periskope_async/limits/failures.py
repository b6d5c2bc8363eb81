"""Whether the server counts requests answered with an error (pure).

express-rate-limit can be told not to (``skipFailedRequests``): it takes them back when they have been answered. The
next answer's count shows it, if a request is kept for it.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["FailedRequests"]


class FailedRequests(Enum):
    """The state of our knowledge."""

    UNSEEN = "unseen"
    """None has come yet."""
    OPEN = "open"
    """Some have come, and no answer since then has told."""
    COUNTED = "counted"
    NOT_COUNTED = "not counted"

    def after(self, *, failed: int, missing: int) -> FailedRequests:
        """Judge by an answer; it counts ``missing`` requests fewer than before, and ``failed`` had failed."""
        if self is not FailedRequests.OPEN or not failed:
            return self
        if missing == failed:
            return FailedRequests.NOT_COUNTED
        return FailedRequests.COUNTED if missing == 0 else self
