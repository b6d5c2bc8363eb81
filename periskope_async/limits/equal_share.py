"""A process' share of a limit, for use while the shared budget cannot be reached (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import RateLimit

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token

__all__ = ["EqualShare"]


class EqualShare(Ledger):
    """One of so many equal parts of a limit.

    The answers' headers count all processes together. They would look like foreign use to this one, so only a refusal's
    wait is taken from them.
    """

    def __init__(self, rate: RateLimit, *, processes: int, reserve: float) -> None:
        part = rate.limit * (1 - reserve) / processes
        # Each process goes once in several windows if there are more of them than requests in a window.
        super().__init__(assume=RateLimit(max(1, math.floor(part)), rate.window * math.ceil(max(1.0, 1 / part))))

    @property
    def is_used(self) -> bool:
        """Whether any request has gone by it."""
        return self._tokens.taken > 0

    def settle(
        self,
        token: Token,
        now: float,
        headers: LimitHeaders,
        *,
        is_refusal: bool = False,
        is_failure: bool = False,
        jitter: float = 0.0,
    ) -> None:
        """Book an answer; a refusal closes this share until the server's wait is over."""
        if is_refusal:
            self._closing.refusals += 1
            self.close_for((max(headers.retry_after or 0.0, headers.resets_in or 0.0) or self.window) + jitter, now)
        super().settle(token, now, LimitHeaders(), is_failure=is_failure)
