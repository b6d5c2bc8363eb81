"""The other items of a stream beside events: periods with possibly missing events (pure)."""

from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ["Gap", "GapReason"]

GapReason: TypeAlias = Literal["closed", "goodbye", "silent", "overflow"]


class Gap(Struct, frozen=True, kw_only=True):
    """A period with possibly missing events. The server repeats only recovered events."""

    since: datetime
    """UTC, by this machine's clock: when the connection was last known to be sound, or the first event was dropped."""
    until: datetime
    """UTC: when the server let the stream in again, or the last event was dropped."""
    reason: GapReason
    """``closed`` (the connection ended), ``goodbye`` (the server ended it by intent), ``silent`` (nothing came, not
    even a ping), ``overflow`` (events came faster than they were taken)."""
    recovered: bool = False
    """Whether the server has sent the missed events: nothing is missing."""
    dropped: int = 0
    """Received events, dropped since nobody took them."""
    filled: tuple[str, ...] = ()
    """Names of events brought by a walk since; others may be missing still."""
    error: str | None = None
    """Why a walk could not bring them, or may have missed some."""

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.until - self.since).total_seconds()
