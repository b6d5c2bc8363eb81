"""How long the server's window is (pure).

Two things tell. **The headers**: a window's first request shows a reset that lies one window ahead. The server rounds
it up and its ``Date`` down, so windows of ``W`` whole seconds show a difference of ``W + 1`` there; both recorded
answers show 2. But a proxy may have written ``Date``, by another clock or a second too late. So the difference is a
hint only. **The counts**: an answer that shows a full budget again, ``x`` seconds after a window opened, proves that
windows are no longer than ``x``; an answer that still counts all since then proves that they are longer.

A window that is too long costs time, and one that is too short is refused. So a length is not *sure* until a request
that was sent right behind its end found a new window. Until then requests are sent one at a time to ask that.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from enum import Enum
from itertools import islice

__all__ = ["WindowEstimate"]

# What people set a window to, in seconds.
_USUAL_SECONDS = (1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
# Of the latest windows, so that a change is followed.
_HINTS_KEPT = 4
# A length that the headers contradict, or do not name, is sure after so many new windows in a row.
_WINDOWS_TO_BE_SURE = 3
# Of a window's requests: at most so many are kept to ask at earlier moments.
_SHARE_HELD = 4
_LONGEST_HALVED_SECONDS = 3.0
# Of the length: to learn less more often is not worth a look at all requests of a window.
_NEWS_SHARE = 0.1
# A hint of so much may be made by two clocks that differ, where nothing else has told of longer windows.
_DOUBTFUL_SECONDS = 3.0
# The resets of one window differ by what rounding and latency do to them, and not by more.
_RESETS_DIFFER_SECONDS = 4.0


class _Standing(Enum):
    """Why the length is what it is."""

    ASSUMED = "assumed"
    """The assumption, with no answer against it."""
    CONFIRMED = "confirmed"
    """The assumption, and a new window was found where it has one; or the caller's word."""
    DOUBTED = "doubted"
    """The likeliest length."""
    PROVEN = "proven"


class WindowEstimate:
    """The window's length: what the counts prove, else what the headers hint at, else the assumption."""

    def __init__(self, assumed: float, *, is_callers_word: bool) -> None:
        self.seconds = assumed
        self.is_settled = False
        """Whether no other length is to be asked about."""
        self._assumed = assumed
        self._standing = _Standing.CONFIRMED if is_callers_word else _Standing.ASSUMED
        self._shortest = 0.0
        self._longest = math.inf
        self._hints: deque[tuple[float, float]] = deque(maxlen=_HINTS_KEPT)
        self._are_hints_exact = False
        self._hinted_end = -math.inf
        self._longest_reset = 0.0
        self._passed = 0
        """New windows in a row that were found where this length has them."""

    @property
    def is_sure(self) -> bool:
        """Whether tokens may come back because so much time has passed. An assumption will do, until it is doubted."""
        return self._standing is not _Standing.DOUBTED

    @property
    def is_proven(self) -> bool:
        """Whether counts or exact headers have shown the length, or the caller has told it."""
        return self._standing is _Standing.PROVEN or self._standing is _Standing.CONFIRMED

    def observe_reset(self, resets_in: float, now: float, *, rounded_by: float, late_by: int) -> None:
        """Take the seconds that any answer names to the window's end; ``late_by`` is that of :meth:`hint`."""
        if resets_in - rounded_by >= self._assumed:
            self.doubt()
        self._longest_reset = max(self._longest_reset, resets_in + late_by)
        if self._hints and now + resets_in < self._hinted_end - _RESETS_DIFFER_SECONDS:
            # The one that the latest hint came from is contradicted in its own window.
            self._hints.pop()
            self._hinted_end = -math.inf
            self._choose()

    def doubt(self) -> None:
        """Drop the assumption: the server is another one than that of the recorded answers."""
        self._drop_assumption()
        self._choose()

    def trust_hints(self, *, are_exact: bool) -> None:
        """Take whether the two times of a hint are known to be of one clock and one moment."""
        if are_exact != self._are_hints_exact:
            self._are_hints_exact = are_exact
            self._choose()

    def hint(self, seconds: float, *, late_by: int, ends_by: float) -> None:
        """Take the length that a window's first answer names, rounded down to whole seconds.

        ``late_by`` is how many seconds later than the counting its ``Date`` may be: so much longer the window may be.
        ``ends_by`` is when that window is over then.
        """
        self._hinted_end = ends_by
        is_other = seconds != self._shortest_hint and not seconds <= self.seconds <= seconds + late_by
        if is_other and self._passed < _WINDOWS_TO_BE_SURE:
            self._passed = 0
        self._hints.append((seconds, seconds + late_by))
        if seconds >= self._assumed + 1:
            # A shorter one says less: Date may be that of a late answer.
            self._drop_assumption()
        self._choose()

    def ended(self, after: float, *, at_most: float) -> None:
        """Take that a new window was open so many seconds after one had opened.

        ``at_most`` is how long a window may be then, whatever kind it is of.
        """
        if at_most <= self._shortest:
            self._shortest = 0.0
        self._longest = min(self._longest, at_most)
        if at_most < self._assumed:
            self._drop_assumption()
        if after < self.seconds + 1:
            self._passed = min(self._passed + 1, _WINDOWS_TO_BE_SURE)
        self._choose()

    def is_news(self, after: float) -> bool:
        """Whether it would tell anything that a window was still open so many seconds after it had opened."""
        # The answer to a question is news, however little it adds.
        asked = self._likely_lengths() + self._possible_lengths(_SHARE_HELD)
        return after >= min(self._shortest + _NEWS_SHARE * self.seconds, *asked, math.inf)

    def lasted(self, after: float) -> None:
        """Take that the same window was still open so many seconds after it had opened."""
        self._shortest = max(self._shortest, after)
        if after >= self._assumed:
            self._drop_assumption()
        if after >= self._longest:
            # The windows have become longer, or the requests before were counted in two of them.
            self._longest = math.inf
        if after >= self.seconds:
            self._passed = 0
        self._choose()

    def held(self, opened: float | None, now: float, limit: int, *, free: int, asked_at: float) -> int:
        """Count the requests to keep for the moments, not yet used, at which a shorter window would be over.

        ``opened`` is when the window opened, and None where no answer has told. ``free`` is how many there are, and
        the last of them went at ``asked_at``.
        """
        if opened is None:
            is_new = self._standing is _Standing.DOUBTED and self._longest == math.inf and not self._shortest
            return min(limit // _SHARE_HELD, bisect_left(_USUAL_SECONDS, self._longest_reset - 1)) if is_new else 0
        lengths = self._likely_lengths() + self._possible_lengths(limit)
        if self.is_sure and now >= opened + self.seconds:
            # One opens the next window. All of its moments are to come.
            ahead = min(len(lengths), max(0, free - 1))
        else:
            ahead = sum(opened + length > asked_at for length in lengths)
        return min(limit // _SHARE_HELD, ahead)

    def asks_after(self, limit: int) -> float:
        """Give the seconds after a window's opening at which a request is to ask though it may be refused.

        Two clocks that differ make every hint too long, and so do slow answers. One refusal tells how long the wait is.
        """
        if self._is_exact or self._longest < math.inf:
            return self.seconds
        lengths = self._likely_lengths() if limit < _SHARE_HELD else []
        if self._shortest_hint >= _DOUBTFUL_SECONDS:
            lengths += [length for length in _USUAL_SECONDS if length > self._shortest]
        return min(self.seconds, *lengths, math.inf)

    def next_moment(self, opened: float | None, after: float, limit: int, *, spare: int) -> float:
        """Give the first of these moments that is later than ``after``; infinity where there is none.

        ``spare`` is how many requests there are to ask with: the likely moments come before those that are possible.
        """
        if opened is None:
            return math.inf
        moments = [moment for length in self._likely_lengths() if (moment := opened + length) > after]
        if spare > len(moments):
            moments += [moment for length in self._possible_lengths(limit) if (moment := opened + length) > after]
        return min(moments, default=math.inf)

    @property
    def _shortest_hint(self) -> float:
        return max((shortest for shortest, _ in self._hints), default=0.0)

    @property
    def _is_exact(self) -> bool:
        """Whether the hints are to be taken at their word."""
        return self._are_hints_exact and len({hint for hint, _ in self._hints}) == 1

    def _drop_assumption(self) -> None:
        if self._standing in {_Standing.ASSUMED, _Standing.CONFIRMED}:
            self._standing = _Standing.DOUBTED

    def _choose(self) -> None:
        if self._standing is _Standing.ASSUMED and self._passed:
            self._standing = _Standing.CONFIRMED
        elif self._standing in {_Standing.DOUBTED, _Standing.PROVEN}:
            self._choose_likeliest()
        self.is_settled = self.is_sure and not self._likely_lengths() and not self._possible_lengths(_SHARE_HELD)

    def _choose_likeliest(self) -> None:
        shortest = self._shortest_hint
        longest = shortest if self._is_exact else max((longest for _, longest in self._hints), default=0.0)
        # Below a second the rounding leaves nothing to read.
        if longest >= 1 and self._shortest < longest <= self._longest:
            self.seconds = longest
        elif self._longest < math.inf:
            self.seconds = self._rounded_down(self._longest)
        else:
            usual = (length for length in (self._assumed, *_USUAL_SECONDS) if length > self._shortest)
            self.seconds = next(usual, 2 * self._shortest)
        is_hinted = shortest <= self.seconds <= longest
        # A hint of longer windows may be true: those that follow the clock are cut short where we come in.
        wanted = 1 if is_hinted else _WINDOWS_TO_BE_SURE if shortest > self.seconds else _WINDOWS_TO_BE_SURE - 1
        is_passed = self._longest < self.seconds + 1 and self._passed >= wanted
        self._standing = _Standing.PROVEN if is_passed or (is_hinted and self._is_exact) else _Standing.DOUBTED

    def _rounded_down(self, seconds: float) -> float:
        """Give the likely length: whole seconds, else half ones."""
        for parts in (1, 2):
            if (rounded := math.floor(seconds * parts) / parts) > self._shortest:
                return rounded
        return seconds

    def _likely_lengths(self) -> list[float]:
        """Give the lengths below the present one that the headers name, too."""
        hint = self._shortest_hint
        return [length for length in (hint, hint + 1) if max(self._shortest, 0.5) < length < self.seconds]

    def _possible_lengths(self, limit: int) -> list[float]:
        """Give the other lengths below the present one, as many as the limit has requests for."""
        below = min(self.seconds, self._shortest_hint or self.seconds)
        usual = () if self._is_exact else (length for length in _USUAL_SECONDS if self._shortest < length < below)
        lengths = list(islice(usual, limit // _SHARE_HELD))
        if not self.is_sure:
            return lengths
        # Once, in a job of several windows. Slow answers would come too late to be of use.
        is_quick = all(shortest == longest for shortest, longest in self._hints)
        half = self.seconds - 0.5
        is_short = self._shortest < half < _LONGEST_HALVED_SECONDS
        return [*lengths, half] if self._passed and is_quick and is_short else lengths
