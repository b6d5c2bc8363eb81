"""Whether the server counts in fixed windows, and when each of them ends (pure).

A fixed window forgets all its requests at once when it ends; a sliding log forgets each on its own, and a token bucket
drips. As long as a client stays within what all three allow, they look alike. What tells them apart is an answer that
counts fewer requests than a bucket could: with ``n`` requests surely counted in the ``s`` seconds before this one, a
bucket that refills ``limit`` in ``window`` still shows at least ``n + 1 - s * limit / window`` used. Where it is fewer,
what was counted has been forgotten at once: the windows are fixed. (A sliding log forgets later than a bucket does.)

A window that is known to be fixed ends, for all requests that its reset marks as its own, one window's length after
the earliest of them was counted, and at the latest when the server's own difference of reset and Date has passed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.tokens import Token

__all__ = ["FixedWindows"]

# A count in whole tokens may be rounded either way.
_ROUNDED_TOKENS = 1
# With shorter windows, two in a row may end in the same second and bear the same mark.
_SHORTEST_SECONDS = 1.0
_MOST_PROOFS_WANTED = 64
# Past windows, to be asked what was counted in them.
_WINDOWS_KEPT = 3.0


class FixedWindows:
    """The windows that are open, and the proofs that they are fixed."""

    def __init__(self) -> None:
        self._proofs = 0
        self._proofs_wanted = 1
        self._used = 0
        self._windows: dict[float, _Window] = {}

    @property
    def are_proven(self) -> bool:
        """Whether window ends may be trusted."""
        return self._proofs >= self._proofs_wanted

    def weigh(self, token: Token, headers: LimitHeaders, recent: Iterable[Token], window: float) -> None:
        """Look for a proof in an answer; ``recent`` are the requests of the last few windows."""
        if headers.limit is None or headers.remaining is None:
            return
        used, used_before = headers.limit - headers.remaining, self._used
        self._used = used
        if used >= used_before:
            return
        rate = headers.limit / window
        surely_before = sorted((other.sent_at for other in recent if other.upper <= token.sent_at), reverse=True)
        least = max(
            (n - rate * (token.upper - sent_at) for n, sent_at in enumerate(surely_before, 1)), default=-math.inf
        )
        if used + _ROUNDED_TOKENS < least + 1:
            self._proofs += 1

    def place(self, token: Token, headers: LimitHeaders, now: float, window: float, *, is_refusal: bool) -> None:
        """Put an answered request into its window, and learn from it when windows end."""
        mark = headers.reset_mark
        if mark is None or window < _SHORTEST_SECONDS:
            return
        opened = self._windows.get(mark)
        if opened is None:
            self._forget(now, window)
            opened = self._windows[mark] = _Window()
            self._end_before_later(mark, opened)
        opened.tokens.append(token)
        opened.accepted += not is_refusal
        if token.upper < opened.earliest:
            opened.earliest = token.upper
            opened.ends_by = min(opened.ends_by, token.upper + window)
            for earlier, other in self._windows.items():
                if earlier < mark:
                    other.ends_by = min(other.ends_by, token.upper)
        if headers.resets_in is not None:
            opened.ends_by = min(opened.ends_by, now + headers.resets_in)

    def ends(self) -> Iterable[tuple[Sequence[Token], float]]:
        """Give requests of each window, and the moment it ends by: those of which that was not told before.

        Nothing unless windows are proven fixed.
        """
        if not self.are_proven:
            return ()
        return [opened.news() for opened in self._windows.values() if opened.has_news]

    def _forget(self, now: float, window: float) -> None:
        for mark, opened in list(self._windows.items()):
            if opened.ends_by < now - window:
                opened.tokens.clear()  # they are back, whatever the kind
                opened.told = 0
            if opened.ends_by < now - _WINDOWS_KEPT * window:
                del self._windows[mark]

    def accepted_in(self, mark: float | None) -> int | None:
        """Count our requests that a window let through, as far as they were answered; None where it is not known."""
        opened = self._windows.get(mark) if mark is not None else None
        return None if opened is None else opened.accepted

    def recount(self, window: float, *, longer_by: float) -> None:
        """Reckon the windows' ends anew, since their length turned out to be longer by so many seconds (or shorter)."""
        for mark, opened in self._windows.items():
            opened.ends_by = min(opened.ends_by + max(0.0, longer_by), opened.earliest + window)
            self._end_before_later(mark, opened)
            opened.told = 0

    def _end_before_later(self, mark: float, opened: _Window) -> None:
        """Have a window end before any request of a later one was counted: there is one at a time."""
        later = [other.earliest for at, other in self._windows.items() if at > mark]
        opened.ends_by = min([opened.ends_by, *later])

    def was_wrong(self) -> None:
        """Trust no window's end until more proofs than before have come: a refusal that nothing else explains."""
        if self.are_proven:
            self._proofs = self._used = 0
            self._proofs_wanted = min(_MOST_PROOFS_WANTED, self._proofs_wanted * 4)


class _Window:
    """One window of the server."""

    __slots__ = ("accepted", "earliest", "ends_by", "tokens", "told", "told_end")

    def __init__(self) -> None:
        self.earliest = math.inf
        """The least of the moments by which a request was counted in it."""
        self.ends_by = self.told_end = math.inf
        self.accepted = 0
        self.tokens: list[Token] = []
        self.told = 0
        """Of how many requests the end was told."""

    @property
    def has_news(self) -> bool:
        """Whether there are requests of which its end, or this one, was not told."""
        return self.told < len(self.tokens) or self.ends_by != self.told_end

    def news(self) -> tuple[Sequence[Token], float]:
        """Give the requests that are new since this was last asked, or all where the end is another one."""
        first = self.told if self.ends_by == self.told_end else 0
        self.told, self.told_end = len(self.tokens), self.ends_by
        return self.tokens[first:], self.ends_by
