"""How the limit stands at one moment: an app shows it to say why it waits."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["RateLimitSnapshot"]


class RateLimitSnapshot(Struct, frozen=True, kw_only=True):
    """How the limit stands at one moment. Times are differences in seconds."""

    limit: int
    """Requests a window allows; the assumption until an answer tells."""
    window: float
    """The window's length, as well as it can be told from rounded headers."""
    remaining: int
    """Requests free to go right now. Under a SharedLimiter: as Redis told it at the last request of this process; all
    are free a window later, if no other process has taken them."""
    resets_in: float = 0.0
    """The time until one more request could go; 0 while ``remaining`` is above 0."""
    in_flight: int = 0
    """Requests still waiting for their headers."""
    waiting: int = 0
    """Requests in the queue."""
    refusals: int = 0
    """Refusals met so far: 429s, and 503s of a limit."""
    seconds_waited: float = 0.0
    """Summed over all requests."""
    is_known: bool = True
    """Whether the first answer has come, or ``assume=`` told the limit. The first answer need not tell it. Under a
    SharedLimiter: whether an answer to any of its processes told it, or ``assume=``."""
    is_window_sure: bool = True
    """Whether answers have shown the window's length, or ``assume=`` told it. Under a SharedLimiter: ``is_known``."""
    margin: float = 0.0
    """Jitter in seconds: one request may take so much longer to the server than another. It lengthens each window."""
    foreign: int = 0
    """Foreign use: requests expected of others on the same key in a window."""
