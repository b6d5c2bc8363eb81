"""A server's book: every request as it was counted."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

__all__ = ["FOREIGN", "REFUSED", "Arrival", "Server"]

FOREIGN = "foreign"
"""What the other program says in ``x-who``, so that the books can be kept apart."""
REFUSED = (429, 503)


class Arrival(Struct, frozen=True):
    """One request as the server saw it; times in milliseconds of one monotonic clock."""

    who: str
    came: float
    counted: float
    status: int
    window: int
    """When the window that counted it ends, by the server's clock; 0 where the server has no windows."""
    used: int
    limit: int


class Server(Protocol):
    """Where pages are read, and what reached it."""

    @property
    def base_url(self) -> str:
        """With the ``/v1``."""
        ...

    async def arrivals(self) -> list[Arrival]:
        """Give every request so far, in the order in which they were counted."""
        ...
