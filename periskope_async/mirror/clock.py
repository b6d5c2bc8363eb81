"""Compares the server's clock with the mirror's (pure)."""

from __future__ import annotations

__all__ = ["lead_of"]


def lead_of(date: float, *, took: float, now: float) -> float:
    """Give the seconds by which the server's clock is ahead, by an answer that came now.

    ``date`` is the answer's ``Date``, in whole seconds. ``took`` is the time of its request. Both leave a margin, and
    clocks agree if they may. Otherwise the lead is the lowest possible, so that an event seems up to a second too late.
    One that seems too early would be left out.
    """
    least, most = date - now, date + 1 - (now - took)
    return 0.0 if least <= 0 <= most else least
