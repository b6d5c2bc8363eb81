"""Requests that go alone because their answer is waited for: the probe and the question (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token

__all__ = ["LoneRequests"]

# A probe that is not answered by then would cost more than it is worth: the assumption is what every answer on record
# has shown, and slow answers are common.
_PROBE_PATIENCE_SECONDS = 0.2


class LoneRequests:
    """The first request, which asks for the limit, and later ones that ask whether a window is over."""

    def __init__(self, *, is_known: bool) -> None:
        self.is_known = is_known
        """Whether an answer, or the caller's word, has told the limit. Until then one request goes ahead as a probe."""
        self.question: Token | None = None
        """The request that asks whether the window is over; not answered yet."""
        self.over_by = math.inf
        """When the window is over, by what the latest question was told if it was refused."""
        self._probe_until = -math.inf

    def begin_probe(self, now: float) -> None:
        """Have the others wait for the answer of the one that goes now, but not for long."""
        self._probe_until = now + _PROBE_PATIENCE_SECONDS

    def seconds_to_probe(self, now: float, *, unanswered: int) -> float:
        """Tell how long the others still wait for the probe's answer."""
        return max(0.0, self._probe_until - now) if unanswered and not self.is_known else 0.0

    def end(self, token: Token) -> None:
        """Take that a request was answered, was lost, or was never sent."""
        if self.question is token:
            self.question = None
