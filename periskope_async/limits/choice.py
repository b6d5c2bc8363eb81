"""The choice of a client's limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.errors import ConfigError
from periskope_async.limits.gate import RateLimiter

if TYPE_CHECKING:
    from periskope_async.config import Config
    from periskope_async.limits.limiter import Limiter

__all__ = ["limiter_for"]

_MEMBERS = ("acquire", "requests_per_second", "requests_at_once", "snapshot", "close")


def limiter_for(config: Config, lent: Limiter | None) -> Limiter:
    """Give the lent limiter, else one over the Redis of the environment, else one of this client alone.

    Raises ConfigError.
    """
    limiter = _checked(lent)
    if limiter is None and config.redis_url is not None:
        from periskope_async.limits.shared import SharedLimiter  # noqa: PLC0415 - only who shares a budget loads it

        limiter = SharedLimiter(config.redis_url)
    elif limiter is None:
        limiter = RateLimiter()
    if (use_key := getattr(limiter, "use_key", None)) is not None:
        use_key(config.api_key)
    return limiter


def _checked(limiter: Limiter | None) -> Limiter | None:
    """Refuse an object unfit to be a limiter, when the client is made. Raises ConfigError."""
    if limiter is None:
        return None
    advice = "make a RateLimiter(…), or leave it out"
    if isinstance(limiter, type):
        raise ConfigError(f"limiter is the class {limiter.__name__}; {advice}", parameter="limiter")
    if missing := [name for name in _MEMBERS if not hasattr(limiter, name)]:
        raise ConfigError(f"limiter is {limiter!r:.100}, without {', '.join(missing)}; {advice}", parameter="limiter")
    return limiter
