"""A limit: so many requests in so many seconds."""

from __future__ import annotations

import math

from msgspec import Struct

from periskope_async.errors import ConfigError
from periskope_async.typed import is_number, is_whole

__all__ = ["ASSUMED", "RateLimit", "assumed_rate"]


class RateLimit(Struct, frozen=True):
    """So many requests in so many seconds."""

    limit: int
    window: float

    def __post_init__(self) -> None:
        """Refuse a limit without room for any request."""
        if not is_whole(self.limit, least=1) or not (is_number(self.window) and 0 < self.window < math.inf):
            raise ConfigError(
                f"{self.limit!r} requests per {self.window!r} s is no limit; give a whole number of requests and a "
                "number of seconds, both above 0",
                parameter="limit",
            )


ASSUMED = RateLimit(10, 1.0)
"""The limit in both recorded answers; it holds until the headers of the first answer say otherwise."""


def assumed_rate(assume: RateLimit | None) -> RateLimit:
    """Give the limit to begin with. Raises ConfigError for anything but a RateLimit or None."""
    if assume is None:
        return ASSUMED
    if not isinstance(assume, RateLimit):  # pyright: ignore[reportUnnecessaryIsInstance] - a number is a likely slip
        raise ConfigError(
            f"assume is {assume!r:.100}; give RateLimit(limit, window), such as RateLimit(10, 1.0), or None",
            parameter="assume",
        )
    return assume
