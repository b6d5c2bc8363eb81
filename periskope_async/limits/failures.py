"""Whether the server counts requests that it answers with an error (pure).

express-rate-limit can be told not to (``skipFailedRequests``): it takes them back when they have been answered. That
shows in the next answer's count, if a request is kept for that.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["FailedRequests"]


class FailedRequests(Enum):
    """What is known of them."""

    UNSEEN = "unseen"
    """None has come yet."""
    OPEN = "open"
    """Some have come, and no answer since then has told."""
    COUNTED = "counted"
    NOT_COUNTED = "not counted"

    def after(self, *, failed: int, missing: int) -> FailedRequests:
        """Judge by an answer that counts ``missing`` requests fewer than were counted before; so many had failed."""
        if self is not FailedRequests.OPEN or not failed:
            return self
        if missing == failed:
            return FailedRequests.NOT_COUNTED
        return FailedRequests.COUNTED if missing == 0 else self
