"""The tokens that are out: each request's share of the budget, and the moment at which it is back (pure)."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Token", "Tokens"]

# What is kept of the past, in windows: enough to see who was counted together.
_WINDOWS_REMEMBERED = 2.0


class Token(Struct, eq=False, gc=False):
    """One request's share of the budget, with what bounds the moment at which the server counted it."""

    number: int
    """Counts the requests in the order in which they were allowed."""
    taken_at: float
    """When it was allowed: no later than it was sent."""
    sent_at: float = math.inf
    """Not counted before: when it was written to its connection."""
    upper: float = math.inf
    """Counted by then: when its answer's headers came, or its sending and the margin, whichever is earlier."""
    back_at: float = math.inf
    """When the budget has it back."""
    ended_at: float = math.inf
    """When its headers came, or it was lost."""


_back_at = attrgetter("back_at", "number")


class Tokens:
    """All tokens that are out, in the order in which they come back, and those of the last windows."""

    def __init__(self) -> None:
        self.recent: deque[Token] = deque()
        """What was sent in the last windows, in that order."""
        self._taken = 0
        self._unsent: set[Token] = set()
        self._unanswered: set[Token] = set()
        self._out: list[Token] = []

    @property
    def unsent(self) -> int:
        """Requests that were allowed and, for all we know, not sent."""
        return len(self._unsent)

    @property
    def unanswered(self) -> int:
        """Requests whose headers have not arrived."""
        return len(self._unanswered)

    def out(self, now: float) -> int:
        """Count the tokens that are out; those that are back by ``now`` are let go."""
        back = 0
        for token in self._out:
            if token.back_at > now:
                break
            back += 1
        if back:
            del self._out[:back]
        return len(self._out) + len(self._unsent)

    def back_at(self, position: int) -> float | None:
        """Tell when the token at a position, in the order of coming back, is back; None where that is not known."""
        return self._out[position].back_at if position < len(self._out) else None

    def take(self, now: float) -> Token:
        """Have one more out."""
        self._taken += 1
        token = Token(self._taken, now)
        self._unsent.add(token)
        self._unanswered.add(token)
        return token

    def sent(self, token: Token, now: float, *, margin: float, window: float) -> None:
        """Book the moment at which a request was written to its connection."""
        if token not in self._unsent:
            return
        self._unsent.remove(token)
        token.sent_at, token.upper = now, now + margin
        token.back_at = token.upper + window
        insort(self._out, token, key=_back_at)
        self.recent.append(token)
        while self.recent[0].sent_at < now - _WINDOWS_REMEMBERED * window:
            self.recent.popleft()

    def end(self, token: Token, now: float, *, window: float, head_start: float = 0.0) -> None:
        """Book that nothing more will be heard of a request: it was counted ``head_start`` before now, or earlier."""
        if token in self._unsent:
            # Nobody saw it being sent (a session that was lent has no eyes of ours).
            self.sent(token, now, margin=0.0, window=window)
            token.sent_at = token.taken_at
            head_start = 0.0
        self._unanswered.remove(token)
        token.ended_at = now
        upper = max(token.sent_at, now - head_start)
        if upper < token.upper:
            token.upper = upper
            self.bring_back([token], upper + window)

    def give_back(self, token: Token) -> None:
        """Have one less out, whose request was never sent."""
        self._unanswered.discard(token)
        self._unsent.discard(token)

    def bring_back(self, tokens: Iterable[Token], by: float) -> None:
        """Have tokens back by a moment, those that are still out and would be back later."""
        for token in tokens:
            if by < token.back_at:
                place = bisect_left(self._out, _back_at(token), key=_back_at)
                is_out = place < len(self._out) and self._out[place] is token
                if is_out:
                    del self._out[place]
                token.back_at = by
                if is_out:
                    insort(self._out, token, key=_back_at)

    def recount(self, window: float) -> None:
        """Have every token back by a window of another length."""
        for token in self._out:
            token.back_at = token.upper + window
        self._out.sort(key=_back_at)

    def counted_with(self, token: Token, now: float, window: float) -> int:
        """Count the requests that the window which counted ``token`` may hold, as far as the margin can be believed."""
        since = token.sent_at - window
        return self.unsent + sum(other.upper > since and other.sent_at <= now for other in self.recent)

    def answered_with(self, token: Token, window: float) -> int:
        """Count the same by the answers alone: without any belief, and so at the most."""
        since = token.sent_at - window
        return self.unsent + sum(other.ended_at > since for other in self.recent)
