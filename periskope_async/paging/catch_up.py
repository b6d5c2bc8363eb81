"""Catching up at the head: what woke up during the walk has jumped behind the reader (pure).

In the newest-first orders, whatever moved since a moment lies above everything that is older than that moment. So one
sweep reads from the top until a page ends with a row older than the walk's start, by the server's own clock; what it
meets unplaced, it places. A sweep of several pages may be dodged by a row that wakes up between two of them, so sweeps
follow, each down to where the one before began, until one fits into a single answer and meets nothing new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HeadCatchUp"]

# A first look: enough for a list at rest, and cheap. Later sweeps ask for whole pages.
_FIRST_LIMIT = 100
_MOST_SWEEPS = 12
# Date has whole seconds, and a row's own time may be another machine's.
_CLOCK_SLACK_SECONDS = 2.0


class HeadCatchUp:
    """The sweeps over the head of the list."""

    def __init__(self, *, page_size: int, since: float | None) -> None:
        self.is_over = False
        self.is_proven = False
        """Whether nothing can have been missed, once over."""
        self.offset = 0
        self.limit = min(page_size, _FIRST_LIMIT)
        self._page_size = page_size
        self._since = since
        self._began: float | None = None
        self._sweeps = 1
        self._pages = 0
        self._found = 0

    def met(self, times: Sequence[float | None], *, fresh: int, limit: int, date: float | None) -> None:
        """Take a page's sort times (None where a row has none), and the server's time of answering.

        ``fresh`` is how many of its rows were new, ``limit`` how many were asked for.
        """
        if self._pages == 0:
            self._began = date
        self._pages += 1
        self._found += fresh
        if len(times) >= limit and not self._is_old(times[-1]):
            # Overlap by one: a row that came in above meanwhile must not open a gap.
            self.offset += max(1, len(times) - 1)
            self.limit = self._page_size
            return
        if self._pages == 1 and self._found == 0:
            self.is_over = self.is_proven = True
        elif self._sweeps >= _MOST_SWEEPS:
            self.is_over = True
        else:
            self._sweeps += 1
            self._since, self._pages, self._found = self._began, 0, 0
            self.offset, self.limit = 0, self._page_size

    def _is_old(self, time: float | None) -> bool:
        return time is not None and self._since is not None and time < self._since - _CLOCK_SLACK_SECONDS
