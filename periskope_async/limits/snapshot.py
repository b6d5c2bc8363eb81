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
    resets_in: float = 0.0
    """Until one more request could go; 0 while ``remaining`` is above 0."""
    in_flight: int = 0
    """Requests whose answer's headers have not arrived."""
    waiting: int = 0
    """Requests in the queue."""
    refusals: int = 0
    """Refusals met so far: 429s, and 503s of a limit."""
    seconds_waited: float = 0.0
    """Summed over all requests."""
    is_known: bool = True
    """Whether an answer (or an ``assume=``) has told the limit."""
    is_window_sure: bool = True
    """Whether the window's length was proven: a request that was sent right behind its end found a new one."""
    margin: float = 0.0
    """Seconds that one request may take longer to the server than another: what each window is thought longer by."""
    foreign: int = 0
    """Requests that others on the same key are expected to spend of a window."""
