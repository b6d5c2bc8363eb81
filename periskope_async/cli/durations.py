"""Lengths of time as people type and read them."""

from __future__ import annotations

import re

__all__ = ["MOST_SECONDS", "read_duration", "say_duration"]

MOST_SECONDS = 366 * 86_400

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def read_duration(text: str) -> float:
    """Read ``90``, ``90s``, ``10m``, ``1h`` or ``1d`` into seconds. Raises ValueError."""
    form = _FORM.fullmatch(text.strip().lower())
    if form is None or form[2] not in _UNITS:
        raise ValueError(f"{text!r} is no length of time; give one such as 90s, 10m or 1h")
    seconds = float(form[1]) * _UNITS[form[2]]
    if seconds > MOST_SECONDS:
        raise ValueError(f"{text!r} is longer than a year; give a length such as 90s, 10m or 1h")
    return seconds


def say_duration(seconds: float) -> str:
    """Say seconds in the two largest units: ``1 h 4 min``."""
    whole = round(seconds)
    for unit, size, smaller, of in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            count, rest = divmod(whole, size)
            return f"{count} {unit} {rest // of} {smaller}"
    return f"{whole} s"
