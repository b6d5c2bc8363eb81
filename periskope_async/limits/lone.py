"""Requests sent alone because their answer is waited for: the probe and the question (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token

__all__ = ["LoneRequests"]

# A slower probe would cost more than it is worth: every answer on record agrees with the assumption, and slow answers
# are common.
_PROBE_PATIENCE_SECONDS = 0.2


class LoneRequests:
    """The first request, to ask for the limit, and later ones, to ask whether a window is over."""

    def __init__(self, *, is_probed: bool) -> None:
        self.is_probed = is_probed
        """Whether the first answer has come, or the caller told the limit.

        Until then one request goes ahead as a probe."""
        self.question: Token | None = None
        """The unanswered question: a request sent to ask whether the window is over."""
        self.over_by = math.inf
        """When the window is over, by the refusal of the latest question."""
        self._probe_until = -math.inf

    def begin_probe(self, now: float) -> None:
        """Have the others wait for the answer of this request, but not for long."""
        self._probe_until = now + _PROBE_PATIENCE_SECONDS

    def seconds_to_probe(self, now: float, *, unanswered: int) -> float:
        """Tell how long the others still wait for the probe's answer."""
        return max(0.0, self._probe_until - now) if unanswered and not self.is_probed else 0.0

    def end(self, token: Token) -> None:
        """Take that a request was answered, was lost, or was never sent."""
        if self.question is token:
            self.question = None
