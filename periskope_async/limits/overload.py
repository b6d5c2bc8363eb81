"""Tells a limit's 503 from a failing server's (pure).

nginx's ``limit_req`` answers 503 by default, with no word of a limit, and others 529. One may be anything. Several
beside a pass mean that less would have passed. A server that has let nothing pass for a while is down.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Overload"]

_ANSWERS_REMEMBERED = 20
_SECONDS_REMEMBERED = 30.0
_SEVERAL = 2
_OVERLOADED = frozenset({503, 529})


class Overload:
    """The latest answers, as far as they were passes, 503s and 529s."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, bool]] = deque(maxlen=_ANSWERS_REMEMBERED)

    def is_limit(self, status: int, now: float) -> bool:
        """Take an answer's status, and tell whether it is a limit's 503 or 529."""
        is_refused = status in _OVERLOADED
        if not is_refused and not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own
            return False
        self._answers.append((now, is_refused))
        if not is_refused:
            return False
        recent = [was_refused for at, was_refused in self._answers if at > now - _SECONDS_REMEMBERED]
        return sum(recent) >= _SEVERAL and not all(recent)
