"""How long the server's window is (pure).

Two things tell. **The headers**: a window's first request shows a reset one window ahead. The server rounds it up and
its ``Date`` down, so windows of ``W`` whole seconds show a difference of ``W + 1`` there; both recorded answers show 2.
But a proxy may have written ``Date``, by another clock or a second too late. The difference is a hint only. **The
counts**: an answer with a full budget again, ``x`` seconds after a window opened, proves that windows are no longer
than ``x``. An answer still counting all requests since then proves that they are longer.

Too long a window costs time, and too short a one is refused. So a length that is not the assumed one is
*relied on* only when a request sent right behind its end found a new window, or exact headers told it. Requests ask for
it one at a time until then.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from enum import Enum

from periskope_async.limits.hints import DOUBTFUL_SECONDS, Hints, Trust

__all__ = ["WindowEstimate"]

# Usual windows, in seconds.
_USUAL_SECONDS = (1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
# A length contradicted or not named by the headers is proven after so many new windows in a row.
_WINDOWS_TO_PROVE = 3
# One in so many of a window's requests is kept, at most, to ask at earlier moments.
_SHARE_HELD = 4
_LONGEST_HALVED_SECONDS = 3.0
# A share of the length: smaller news is not worth a look at all requests of a window.
_NEWS_SHARE = 0.1
# The resets of one window differ by rounding and latency, and not by more.
_RESETS_DIFFER_SECONDS = 4.0


class _Standing(Enum):
    """How well the length is known."""

    ASSUMED = "assumed"
    """The assumption, with no answer against it."""
    CONFIRMED = "confirmed"
    """The assumption, and a new window was found at its end; or the caller's word."""
    DOUBTED = "doubted"
    """The likeliest length."""
    PROVEN = "proven"


class WindowEstimate:
    """The window's length: proven by the counts, else hinted at by the headers, else assumed."""

    def __init__(self, assumed: float, *, is_callers_word: bool) -> None:
        self.seconds = assumed
        self.is_settled = False
        """Whether no other length is to be asked about."""
        self._assumed = assumed
        self._standing = _Standing.CONFIRMED if is_callers_word else _Standing.ASSUMED
        self._shortest = 0.0
        self._longest = math.inf
        self._hints = Hints()
        self._hinted_end = -math.inf
        self._longest_reset = 0.0
        self._passed = 0
        """New windows in a row, found at the ends by this length."""
        self._list_others()

    @property
    def is_relied_on(self) -> bool:
        """Whether tokens may come back because so much time has passed. An assumption will do, until it is doubted."""
        return self._standing is not _Standing.DOUBTED

    @property
    def is_proven(self) -> bool:
        """Whether counts or exact headers have shown the length, or the caller has told it."""
        return self._standing is _Standing.PROVEN or self._standing is _Standing.CONFIRMED

    def observe_reset(self, resets_in: float, now: float, *, rounded_by: float, late_by: int) -> None:
        """Take any answer's seconds to the window's end; ``late_by`` is the one of :meth:`hint`."""
        if resets_in - rounded_by >= self._assumed:
            self.doubt()
        self._longest_reset = max(self._longest_reset, resets_in + late_by)
        is_contradicted = now + resets_in < self._hinted_end - _RESETS_DIFFER_SECONDS
        if is_contradicted and self._hints.drop_latest():
            self._hinted_end = -math.inf
            self._choose()

    def doubt(self) -> None:
        """Drop the assumption: the server is another one than that of the recorded answers."""
        self._drop_assumption()
        self._choose()

    def trust_hints(self, trust: Trust) -> None:
        """Take how far the hints can be trusted."""
        if self._hints.trust(trust):
            self._choose()

    def hint(self, seconds: float, *, late_by: int, ends_by: float) -> None:
        """Take the length in a window's first answer, rounded down to whole seconds.

        ``late_by`` is how many seconds later than the counting its ``Date`` may be: so much longer the window may be.
        ``ends_by`` is the end of the window by this answer.
        """
        self._hinted_end = ends_by
        is_other = seconds != self._hints.shortest and not seconds <= self.seconds <= seconds + late_by
        if is_other and self._passed < _WINDOWS_TO_PROVE:
            self._passed = 0
        self._hints.add(seconds, late_by=late_by)
        if seconds >= self._assumed + 1:
            # A shorter one says less: a late answer may have made Date.
            self._drop_assumption()
        self._choose()

    def ended(self, after: float, *, at_most: float) -> None:
        """Take a new window, open ``after`` seconds from the opening of another.

        ``at_most`` is the max length of a window of any kind then.
        """
        if after < self.seconds + 1:
            self._passed = min(self._passed + 1, _WINDOWS_TO_PROVE)
        self.lasts_at_most(at_most)

    def lasts_at_most(self, seconds: float) -> None:
        """Take the max length of a window of any kind."""
        if seconds <= self._shortest:
            self._shortest = 0.0
        self._longest = min(self._longest, seconds)
        if seconds < self._assumed:
            self._drop_assumption()
        self._choose()

    def is_news(self, after: float) -> bool:
        """Whether a window still open ``after`` seconds from its opening would be news."""
        # The answer to a question is news, however little it adds.
        return after >= min(self._shortest + _NEWS_SHARE * self.seconds, *self._lengths_to_ask(_SHARE_HELD), math.inf)

    def lasted(self, after: float) -> None:
        """Take a window still open ``after`` seconds from its opening."""
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
        """Count the requests to keep for the unused moments at the ends of shorter windows.

        ``opened`` is when the window opened, and None if no answer has told. ``free`` is how many requests are free.
        The last one went at ``asked_at``.
        """
        if opened is None:
            is_new = self._standing is _Standing.DOUBTED and self._longest == math.inf and not self._shortest
            return min(limit // _SHARE_HELD, bisect_left(_USUAL_SECONDS, self._longest_reset - 1)) if is_new else 0
        lengths = self._lengths_to_ask(limit)
        if self.is_relied_on and now >= opened + self.seconds:
            # One opens the next window. All of its moments are to come.
            ahead = min(len(lengths), max(0, free - 1))
        else:
            ahead = sum(opened + length > asked_at for length in lengths)
        return min(limit // _SHARE_HELD, ahead)

    def asks_after(self, limit: int) -> float:
        """Give the seconds from a window's opening to a question, asked at the risk of a refusal.

        Two different clocks make every hint too long, and so do slow answers. One refusal tells how long the wait is. A
        low limit waits for it: a refusal is a large part of what it allows.
        """
        hints = self._hints
        if hints.are_exact or self._longest < math.inf or limit < _SHARE_HELD or hints.shortest < DOUBTFUL_SECONDS:
            return self.seconds
        return min(self.seconds, *(length for length in _USUAL_SECONDS if length > self._shortest), math.inf)

    def next_moment(self, opened: float | None, after: float, limit: int, *, spare: int) -> float:
        """Give the first of these moments later than ``after``; infinity if there is none.

        ``spare`` is how many requests are free to ask with: the likely moments come before the possible ones.
        """
        if opened is None:
            return math.inf
        moments = [moment for length in self._likely if (moment := opened + length) > after]
        if spare > len(moments):
            moments = [moment for length in self._lengths_to_ask(limit) if (moment := opened + length) > after]
        return min(moments, default=math.inf)

    def _drop_assumption(self) -> None:
        if self._standing in {_Standing.ASSUMED, _Standing.CONFIRMED}:
            self._standing = _Standing.DOUBTED

    def _choose(self) -> None:
        if self._standing is _Standing.ASSUMED and self._passed:
            self._standing = _Standing.CONFIRMED
        elif self._standing in {_Standing.DOUBTED, _Standing.PROVEN}:
            self._choose_likeliest()
        self._list_others()
        self.is_settled = self.is_relied_on and not self._lengths_to_ask(_SHARE_HELD)

    def _choose_likeliest(self) -> None:
        shortest, are_exact = self._hints.shortest, self._hints.are_exact
        longest = shortest if are_exact else self._hints.longest
        # The rounding leaves nothing to read below a second.
        if longest >= 1 and self._shortest < longest <= self._longest:
            self.seconds = longest
        elif self._longest < math.inf:
            self.seconds = self._rounded_down(self._longest)
        else:
            usual = (length for length in (self._assumed, *_USUAL_SECONDS) if length > self._shortest)
            self.seconds = next(usual, 2 * self._shortest)
        is_hinted = shortest <= self.seconds <= longest
        # A hint of longer windows may be true: we may join a clock's window late and see it shortened.
        wanted = 1 if is_hinted else _WINDOWS_TO_PROVE if shortest > self.seconds else _WINDOWS_TO_PROVE - 1
        is_passed = self._longest < self.seconds + 1 and self._passed >= wanted
        self._standing = _Standing.PROVEN if is_passed or (is_hinted and are_exact) else _Standing.DOUBTED

    def _rounded_down(self, seconds: float) -> float:
        """Give the likely length: whole seconds, else half ones."""
        for parts in (1, 2):
            if (rounded := math.floor(seconds * parts) / parts) > self._shortest:
                return rounded
        return seconds

    def _list_others(self) -> None:
        """List the other lengths to ask about, below the present one."""
        hint = self._hints.shortest
        self._likely = [length for length in (hint, hint + 1) if max(self._shortest, 0.5) < length < self.seconds]
        below = min(self.seconds, hint or self.seconds)
        is_open = not self._hints.are_exact
        self._usual = [length for length in _USUAL_SECONDS if is_open and self._shortest < length < below]
        # This is for once, in a job of several windows. Slow answers would come too late to be of use.
        half = self.seconds - 0.5
        is_short = self._shortest < half < _LONGEST_HALVED_SECONDS
        self._half = [half] if self.is_relied_on and self._passed and self._hints.are_quick and is_short else []

    def _lengths_to_ask(self, limit: int) -> list[float]:
        """Give the other lengths, of the usual ones as many as the limit has requests for."""
        return self._likely + self._usual[: limit // _SHARE_HELD] + self._half
