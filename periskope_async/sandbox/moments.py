"""Moments in the form of rows: ``2025-01-24T05:11:03+00:00``, or with one to six digits after the seconds."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

__all__ = ["EPOCH", "NEWEST", "made_stamp", "moment_after", "stamp", "stamp_now", "zulu"]

EPOCH = "1970-01-01T00:00:00+00:00"
"""The server's value for a chat with an unknown date of creation."""

NEWEST = 1_748_736_000
"""No row of the start is newer than these Unix seconds: 2025-06-01. Later rows bear the server's own time."""

_UNIX_DAY = date(1970, 1, 1).toordinal()
_MINUTES = [f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]


def stamp(seconds: int, micros: int = 0) -> str:
    """Write Unix ``seconds`` and further microseconds.

    Postgres writes no trailing zeros, so the recorded answer has five digits beside six: ``...:03.10113+00:00``.
    """
    days, rest = divmod(seconds, 86_400)
    minute, second = divmod(rest, 60)
    if not micros:
        return f"{_day(days)}{_MINUTES[minute]}{second:02d}+00:00"
    after = f"{micros:06d}".rstrip("0")
    return f"{_day(days)}{_MINUTES[minute]}{second:02d}.{after}+00:00"


def made_stamp(at: int, drawn: int) -> str:
    """Write a moment of a made row with a drawn fraction. A row of now gets none: it could lie ahead of now."""
    return stamp(at, drawn % 1_000_000 if at < NEWEST else 0)


def moment_after(at: int, seconds: int) -> int:
    """Give the moment of a made row's later change: in the past for a row of the start, at once for one of now."""
    return min(at + seconds, max(at, NEWEST))


def stamp_now(now: float) -> str:
    """Write a moment with its microseconds."""
    micros = int(now * 1_000_000)
    return stamp(micros // 1_000_000, micros % 1_000_000)


def zulu(now: float) -> str:
    """Write a moment as JavaScript does: ``2026-04-01T14:23:21.279Z``."""
    millis = int(now * 1_000)
    return f"{stamp(millis // 1_000).removesuffix('+00:00')}.{millis % 1_000:03d}Z"


@lru_cache(maxsize=4_096)
def _day(days: int) -> str:
    """Give the date and the T; cached, because a page of a thousand rows needs four thousand of them."""
    return f"{date.fromordinal(_UNIX_DAY + days).isoformat()}T"
