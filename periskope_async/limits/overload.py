"""Tells a limit's 503 from a failing server's (pure).

nginx's ``limit_req`` answers 503 by default, with no word of a limit. One 503 may be anything. Several in a short
time, with other requests answered in between, mean that less would have passed.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Overload"]

_ANSWERS_REMEMBERED = 20
_SECONDS_REMEMBERED = 5.0
_SEVERAL = 2


class Overload:
    """The latest answers, as far as they were passes and 503s."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, bool]] = deque(maxlen=_ANSWERS_REMEMBERED)

    def is_limit(self, status: int, now: float) -> bool:
        """Take an answer's status, and tell whether it is a limit's 503."""
        is_refused = status == 503  # noqa: PLR2004 - HTTP's own
        if not is_refused and not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own
            return False
        self._answers.append((now, is_refused))
        if not is_refused:
            return False
        recent = [was_refused for at, was_refused in self._answers if at > now - _SECONDS_REMEMBERED]
        return sum(recent) >= _SEVERAL and len(recent) - sum(recent) >= _SEVERAL
