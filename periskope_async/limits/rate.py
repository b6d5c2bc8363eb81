"""A limit: so many requests in so many seconds."""

from __future__ import annotations

from msgspec import Struct

from periskope_async.errors import ConfigError

__all__ = ["ASSUMED", "RateLimit"]


class RateLimit(Struct, frozen=True):
    """So many requests in so many seconds."""

    limit: int
    window: float

    def __post_init__(self) -> None:
        """Refuse a limit without room for any request."""
        if self.limit < 1 or not self.window > 0:
            raise ConfigError(
                f"{self.limit} requests per {self.window} s is no limit; both must be above 0",
                parameter="limit",
            )


ASSUMED = RateLimit(10, 1.0)
"""The limit in both recorded answers; it holds until the headers of the first answer say otherwise."""
