"""Compares the server's clock with the mirror's (pure)."""

from __future__ import annotations

__all__ = ["lead_of"]


def lead_of(date: float, *, took: float, now: float) -> float:
    """Give the seconds by which the server's clock is ahead, by an answer that came now.

    ``date`` is the answer's ``Date``, in whole seconds. ``took`` is the time of its request. Both leave a margin: clocks
    that may agree do agree. Otherwise it is the lowest lead possible. The server's times then seem up to a second late.
    Early ones would make news seem old.
    """
    least, most = date - now, date + 1 - (now - took)
    return 0.0 if least <= 0 <= most else least
