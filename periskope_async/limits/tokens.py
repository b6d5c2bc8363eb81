"""The tokens that are out: each request's share of the budget, and the moment at which it is back (pure)."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Token", "Tokens"]

# What is kept of the past, in windows: enough to see who was counted together.
_WINDOWS_REMEMBERED = 2.0
# Places that are left empty at the front before the others move up: to move thousands up for each one takes longer than
# all else that is done for a request.
_MOST_EMPTY_PLACES = 256


class Token(Struct, order=True, gc=False):
    """One request's share of the budget, with what bounds the moment at which the server counted it.

    Tokens sort in the order in which they come back: by their first two fields, at the speed of C.
    """

    back_at: float
    """When the budget has it back; infinite until it was sent."""
    number: int
    """Counts the requests in the order in which they were allowed."""
    taken_at: float
    """When it was allowed: no later than it was sent."""
    sent_at: float = math.inf
    """Not counted before: when it was written to its connection."""
    upper: float = math.inf
    """Counted by then: when its answer's headers came, or its sending and the margin, whichever is earlier."""
    ended_at: float = math.inf
    """When its headers came, or it was lost; minus infinity where it was given back, for then it was never counted."""


class Tokens:
    """All tokens that are out, in the order in which they come back, and those of the last windows."""

    def __init__(self) -> None:
        self.recent: deque[Token] = deque()
        """What was sent in the last windows, in that order."""
        self.unsent = 0
        """Requests that were allowed and, for all we know, not sent."""
        self.unanswered = 0
        """Requests whose headers have not arrived."""
        self._taken = 0
        # Sorted, from the place that is next to come back on. No container is made for an entry: thousands of them
        # would set off the garbage collector again and again.
        self._out: list[Token] = []
        self._next = 0

    def out(self, now: float) -> int:
        """Count the tokens that are out; those that are back by ``now`` are let go."""
        out, place = self._out, self._next
        while place < len(out) and out[place].back_at <= now:
            place += 1
        self._next = place
        if place > _MOST_EMPTY_PLACES and 2 * place > len(out):
            del out[:place]
            self._next = 0
        return len(out) - self._next + self.unsent

    def back_at(self, position: int) -> float | None:
        """Tell when the token at a position, in the order of coming back, is back; None where that is not known."""
        place = self._next + position
        return self._out[place].back_at if place < len(self._out) else None

    def take(self, now: float) -> Token:
        """Have one more out."""
        self._taken += 1
        self.unsent += 1
        self.unanswered += 1
        return Token(math.inf, self._taken, now)

    def sent(self, token: Token, now: float, *, margin: float, window: float) -> None:
        """Book the moment at which a request was written to its connection."""
        if token.sent_at < math.inf or token.ended_at < math.inf:
            return
        self.unsent -= 1
        token.sent_at, token.upper = now, now + margin
        token.back_at = token.upper + window
        self._put(token)
        self.recent.append(token)
        while self.recent[0].sent_at < now - _WINDOWS_REMEMBERED * window:
            self.recent.popleft()

    def end(self, token: Token, now: float, *, window: float, head_start: float = 0.0) -> None:
        """Book that nothing more will be heard of a request: it was counted ``head_start`` before now, or earlier.

        Once for each token, and never after it was given back.
        """
        if token.sent_at == math.inf:
            # Nobody saw it being sent (a session that was lent has no eyes of ours).
            self.sent(token, now, margin=0.0, window=window)
            token.sent_at = token.taken_at
            head_start = 0.0
        self.unanswered -= 1
        token.ended_at = now
        upper = max(token.sent_at, now - head_start)
        if upper < token.upper:
            token.upper = upper
            self._bring_back(token, upper + window)

    def give_back(self, token: Token) -> None:
        """Have one less out, whose request was never sent."""
        if token.ended_at == math.inf:
            self.unanswered -= 1
            self.unsent -= token.sent_at == math.inf
            token.ended_at = -math.inf

    def bring_back(self, tokens: Iterable[Token], by: float) -> None:
        """Have tokens back by a moment, those that are still out and would be back later."""
        for token in tokens:
            if by < token.back_at:
                self._bring_back(token, by)

    def recount(self, window: float) -> None:
        """Have every token back by a window of another length."""
        del self._out[: self._next]
        self._next = 0
        for token in self._out:
            token.back_at = token.upper + window
        self._out.sort()

    def _bring_back(self, token: Token, by: float) -> None:
        place = self._place_of(token)
        is_out = place < len(self._out) and self._out[place] is token
        if is_out:
            del self._out[place]
        token.back_at = by
        if is_out:
            self._put(token)

    def _put(self, token: Token) -> None:
        if not self._out or self._out[-1] < token:
            self._out.append(token)
        else:
            self._out.insert(self._place_of(token), token)

    def _place_of(self, token: Token) -> int:
        """Find where a token stands, or would."""
        # Those without an answer are the last to come back, and the one that gets one now goes right before them: the
        # others, of which there may be thousands, need not be looked at.
        first = max(self._next, len(self._out) - 2 * self.unanswered)
        if first > self._next and token <= self._out[first - 1]:
            first = self._next
        return bisect_left(self._out, token, first)

    def counted_with(self, token: Token, now: float, window: float) -> int:
        """Count the requests that the window which counted ``token`` may hold, as far as the margin can be believed."""
        since = token.sent_at - window
        return self.unsent + sum(other.upper > since and other.sent_at <= now for other in self.recent)

    def answered_with(self, token: Token, window: float) -> int:
        """Count the same by the answers alone: without any belief, and so at the most."""
        since = token.sent_at - window
        return self.unsent + sum(other.ended_at > since for other in self.recent)
