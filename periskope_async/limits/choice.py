"""The choice of a client's limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.limiter import checked_limiter

if TYPE_CHECKING:
    from periskope_async.config import Config
    from periskope_async.limits.limiter import Limiter

__all__ = ["limiter_for"]


def limiter_for(config: Config, lent: Limiter | None) -> Limiter:
    """Give the lent limiter, else one over the Redis of the environment, else one of this client alone.

    Raises ConfigError.
    """
    limiter = checked_limiter(lent)
    if limiter is None and config.redis_url is not None:
        from periskope_async.limits.shared import SharedLimiter  # noqa: PLC0415 - only who shares a budget loads it

        limiter = SharedLimiter(config.redis_url)
    elif limiter is None:
        limiter = RateLimiter()
    if (use_key := getattr(limiter, "use_key", None)) is not None:
        use_key(config.api_key)
    return limiter
