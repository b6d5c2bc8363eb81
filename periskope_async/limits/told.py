"""The latest word of the answers on the limit, in the order of allowing their requests (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.tokens import Token

__all__ = ["Told"]

# An answer was not made for its request if its Date is older by more than this than an earlier answer's.
_STALE_SECONDS = 1.0
# Another window's end looks the same at a smaller distance.
_FAR_SECONDS = 2.0


class Told:
    """The latest word on the limit, the open window and the time."""

    def __init__(self) -> None:
        self.is_any = False
        """Whether any answer had headers of the limit."""
        self.opened: Token | None = None
        """Our request that opened the newest window; None if somebody else opened it."""
        self.ends_by = math.inf
        """The end of the newest window, by its reset or by Retry-After."""
        self.at = -math.inf
        """The moment of the latest answer."""
        self.remaining = 0
        """The requests left by that answer."""
        self.number = 0
        """The number of that answer's request."""
        self.sent_at = -math.inf
        """The moment of sending that request."""
        self._limit = 0
        self._higher: tuple[int, float] | None = None
        self._date = self._date_since = -math.inf

    def take_limit(self, token: Token, limit: int, now: float, *, window: float) -> int:
        """Take an answer's limit, and give the one to keep to: a higher one only after a window of such answers.

        Two alternating limits belong to two parties, and the lower one counts.
        """
        if not self.is_any or limit <= self._limit:
            if token.number >= self.number or not self.is_any:
                self._limit, self._higher = limit, None
        elif self._higher is None:
            self._higher = limit, now + window
        else:
            lowest, since = min(limit, self._higher[0]), self._higher[1]
            self._higher = lowest, since
            if now >= since:
                self._limit, self._higher = lowest, None
        self.is_any = True
        return self._limit

    def take_end(self, token: Token, now: float, headers: LimitHeaders) -> None:
        """Take an answer's word on its window's end, on what is left of it, and on the time."""
        if token.number >= self.number:
            self.number, self.sent_at = token.number, token.sent_at
            self.at = now
            self.remaining = headers.remaining or 0
            ends_by = math.inf if headers.resets_in is None else now + headers.resets_in
            # A distant end is told again with each Date, rounded down: the earliest moment is the truest.
            is_same = now + _FAR_SECONDS < self.ends_by <= ends_by < self.ends_by + 1
            self.ends_by = self.ends_by if is_same else ends_by
        if headers.server_time is not None and headers.server_time > self._date:
            self._date, self._date_since = headers.server_time, now

    def is_older(self, token: Token, headers: LimitHeaders, *, by: float = 0.0) -> bool:
        """Whether an answer's ``Date`` is older than one received before its request was sent."""
        date = headers.server_time
        if date is None or self._date == -math.inf:
            return False
        # The server's clock had come so far by then.
        ago = self._date_since - token.sent_at
        return date < self._date - (ago + 1 if ago > 0 else 0) - by

    def is_stale(self, token: Token, headers: LimitHeaders) -> bool:
        """Whether a cache has answered: it says so, or its answer is far too old."""
        return headers.is_cached or self.is_older(token, headers, by=_STALE_SECONDS)
