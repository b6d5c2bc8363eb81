"""Whether a failed try is worth another one, and when (pure).

Reading calls are retried. Periskope's API cannot make a second POST harmless, so a write is retried only if the server
surely did nothing. The back-off is exponential with **full jitter**: each wait is drawn evenly between zero and the
ceiling. This form spreads a crowd best (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
The server's own wait is a lower bound: it is obeyed whole, or the call gives up; it is never shortened to fit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.errors import (
    APIError,
    ConfigError,
    DecodeError,
    PeriskopeError,
    RateLimitError,
    TransportError,
    WaitTooLong,
)
from periskope_async.typed import is_number, is_whole

if TYPE_CHECKING:
    from random import Random

__all__ = ["RETRYABLE_STATUSES", "RetryPolicy", "is_passing", "may_ask_again", "next_wait"]

# 421 came from a wrong server, and 511 from a captive portal. Those above are the gateways' own: the server did not
# answer or is overloaded, or a proxy lost patience (598 and 599). 525 and 526 are missing: certificates do not mend
# themselves.
RETRYABLE_STATUSES = frozenset(
    {408, 421, 425, 429, 500, 502, 503, 504, 511, 520, 521, 522, 523, 524, 527, 529, 530, 598, 599}
)


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often and how long a reading call is tried."""

    tries: int = 6
    """Max tries of one call, the first included; 1 turns retries off. Each redirect followed in a try is
    one request more. A refusal (429) that the limiter waits for is no try: the server did nothing."""
    base: float = 0.5
    """Ceiling of the first wait in seconds; it doubles with each further one."""
    ceiling: float = 20.0
    """Max seconds of a drawn wait. A Retry-After may be longer."""
    max_elapsed: float = 180.0
    """No back-off is begun that would end later than this many seconds after the call's start. A wait for the limit
    is not counted: ``RateLimiter(max_wait=…)`` and ``Timeout(total=…)`` bound that. A refused call is sent again for
    so many seconds from its first refusal on, the waits for the limit included."""

    def __post_init__(self) -> None:
        """Refuse policies that would loop for ever or not at all."""
        if not is_whole(self.tries, least=1):
            raise ConfigError(
                f"retry.tries is {self.tries!r:.100}; it counts the first request, so 1 is the least",
                parameter="retry",
            )
        for name in ("base", "ceiling", "max_elapsed"):
            value = getattr(self, name)
            if not (is_number(value) and value >= 0) or (name == "base" and value == math.inf):
                raise ConfigError(f"retry.{name} is {value!r:.100}; it must be 0 or more seconds", parameter="retry")


def next_wait(
    policy: RetryPolicy, *, attempt: int, error: Exception, elapsed: float, rng: Random, is_write: bool = False
) -> float | None:
    """Give the seconds to wait before the next try, or None to give up and raise ``error``.

    ``attempt`` is the failed try, counted from 1; ``elapsed`` the seconds since the call's start. A write's ``error``
    must prove that the server did nothing; only no connection and a 429 are worth another try for it.
    """
    if attempt >= policy.tries or not is_passing(error):
        return None
    if is_write and not isinstance(error, TransportError | RateLimitError):
        return None
    wait = rng.uniform(0, min(policy.ceiling, policy.base * 2 ** min(attempt - 1, 32)))
    # Jitter only ever adds: clients sent away together must not come back together, nor early.
    wait += _asked(error)
    return wait if elapsed + wait <= policy.max_elapsed else None


def may_ask_again(policy: RetryPolicy, error: RateLimitError, *, refused_for: float) -> bool:
    """Whether to send a refused request again as soon as the limiter allows it.

    ``refused_for`` is the seconds since the call's first refusal.
    """
    return policy.tries > 1 and is_passing(error) and refused_for + _asked(error) <= policy.max_elapsed


def _asked(error: Exception) -> float:
    """Give the seconds that the server asks to wait; 0 if it does not say."""
    meta = error.meta if isinstance(error, PeriskopeError) else None
    return (meta.rate_limit.retry_after or 0.0) if meta is not None else 0.0


def is_passing(error: Exception) -> bool:
    """Whether the same request may fare better a little later."""
    if isinstance(error, TransportError | DecodeError):
        return error.retryable
    # A refusal by the limiter's max_wait would be the same at the next try.
    if not isinstance(error, APIError) or isinstance(error, WaitTooLong):
        return False
    return error.is_detour or error.status in RETRYABLE_STATUSES
