"""The effect of a refusal, or of a wider limit that is spent: nobody may go for as long as the server says (pure)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token

__all__ = ["Closing"]


class Closing:
    """The end of the budget's closing, and the refusal behind it."""

    def __init__(self) -> None:
        self.refusals = 0
        """How many there were."""
        self.first: Token | None = None
        """The first refused request of the present closing; not yet understood."""
        self._until = self._calm_until = -math.inf

    def is_over(self, now: float) -> bool:
        """Whether requests may go."""
        return now >= self._until

    def seconds_left(self, now: float) -> float:
        """Tell how long nobody may go; 0 if all may."""
        return max(0.0, self._until - now)

    def extend(self, until: float) -> None:
        """Close until a moment. Nothing shortens it."""
        self._until = max(self._until, until)

    def pass_calm(self, now: float, window: float) -> bool:
        """Take an answer without a refusal; True once in a window, if there were refusals before."""
        if not self.refusals or now < self._calm_until:
            return False
        self._calm_until = now + window
        return True
