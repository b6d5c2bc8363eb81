"""How long to wait before the next connection (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["delay"]

# The official client's waits (1 s doubling to 5 s, half as much more or less) while an outage is young.
_BASE = 1.0
_SHORT = 5.0
_SHORT_TRIES = 10
_LONG = 30.0


def delay(attempt: int, *, rng: Random, at_least: float = 0.0, is_slow: bool = False) -> float:
    """Give the seconds before try ``attempt`` (from 1); ``is_slow`` after a refusal likely to repeat."""
    is_long = is_slow or attempt > _SHORT_TRIES
    ceiling = _LONG if is_long else min(_SHORT, _BASE * 2 ** (attempt - 1))
    return at_least + ceiling * rng.uniform(0.5, 1.5)
