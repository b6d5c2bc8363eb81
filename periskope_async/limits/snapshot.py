"""How the limit stands at one moment: what an app shows to say why it waits."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["RateLimitSnapshot"]


class RateLimitSnapshot(Struct, frozen=True, kw_only=True):
    """How the limit stands at one moment. Times are differences in seconds."""

    limit: int
    """Requests a window allows; the assumption until ``is_known``."""
    window: float
    """The window's length, as well as it can be told from rounded headers."""
    remaining: int
    """Requests that could go right now."""
    resets_in: float
    """Until one more request could go; 0 while ``remaining`` is above 0."""
    in_flight: int
    """Requests whose answer's headers have not arrived."""
    waiting: int
    """Requests in the queue."""
    refusals: int
    """429s met so far."""
    seconds_waited: float
    """Summed over all requests."""
    is_known: bool
    """Whether an answer (or an ``assume=``) has told the limit."""
