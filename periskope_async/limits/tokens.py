"""Our own requests in the server's order of counting, as well as it is known (pure)."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Token", "Tokens"]

# The kept past, in windows: enough to see which requests were counted together.
_WINDOWS_REMEMBERED = 2.0
# The past is cut off in blocks: to move thousands of tokens up for each request takes longer than all else.
_BLOCK = 256


class Token(Struct, order=True, gc=False):
    """One request's share of the budget, with the bounds of its moment of counting.

    Tokens sort by their first two fields, at the speed of C.
    """

    upper: float
    """The server has counted it by then; infinite until it was sent. The earlier of its answer's headers, and its
    sending and the margin; the former if the answer was late."""
    number: int
    """Counts the requests in the order of being allowed."""
    taken_at: float
    """When it was allowed. It was not sent earlier."""
    sent_at: float = math.inf
    """When it was written to its connection. The server did not count it earlier."""
    ended_at: float = math.inf
    """When its headers came or it was lost; minus infinity if it was given back and never sent."""
    is_told: bool = False
    """Whether its answer told of the limit that is kept to."""
    is_refused: bool = False
    is_failed: bool = False


class Tokens:
    """All tokens out, and the ones of the last windows.

    A token is out from :meth:`take` on, until a window has passed since its counting (:meth:`expire`), or until an
    answer shows that the server has forgotten it (:meth:`forget`).
    """

    def __init__(self) -> None:
        self.unsent = 0
        """Requests allowed and, for all we know, not sent."""
        self.unanswered = 0
        """Requests still waiting for their headers."""
        self.taken = 0
        """All requests ever allowed."""
        self.last_sent_at = -math.inf
        self.lost_by = -math.inf
        """By when the server had counted all lost requests."""
        self.forgotten_at = -math.inf
        """Requests sent before may have been counted together with forgotten ones."""
        # Sorted. The server has forgotten those before `_forgotten`, and those before `_next` are back. No container
        # is made for an entry: thousands of them would set off the garbage collector again and again.
        self._sent: list[Token] = []
        self._forgotten: int = 0
        self._next: int = 0

    def out(self, forgotten_by: float) -> int:
        """Count the tokens out, if the server has forgotten all its counts up to a moment."""
        return len(self._sent) - self._first_out(forgotten_by) + self.unsent

    def back_at(self, position: int, window: float) -> float:
        """Tell when the token at a position, in the order of coming back, is back; infinity if nobody knows."""
        place = self._next + position
        return self._sent[place].upper + window if place < len(self._sent) else math.inf

    def counted_before(self, moment: float) -> int:
        """Count the requests surely counted by the server by a moment, less the forgotten ones."""
        return self._end_of(moment) - self._forgotten

    def ended_before(self, moment: float) -> int:
        """Count those of :meth:`counted_before` that have ended by now."""
        return sum(token.ended_at < math.inf for token in self.latest_before(moment))

    def sent_by(self, moment: float) -> int:
        """Count the requests sent by a moment, less the forgotten ones."""
        # All surely counted by then were sent by then. The others are few: those in flight about then.
        surely = self._end_of(moment)
        return surely - self._forgotten + sum(token.sent_at <= moment for token in self._sent[surely:])

    def latest_before(self, moment: float) -> Iterator[Token]:
        """Give those of :meth:`counted_before`, the latest first."""
        return (self._sent[place] for place in range(self._end_of(moment) - 1, self._forgotten - 1, -1))

    def has_failed_by_now(self, moment: float) -> bool:
        """Whether any of :meth:`counted_before` has failed by now."""
        return any(token.is_failed for token in islice(self._sent, self._forgotten, self._end_of(moment)))

    def failed_by(self, moment: float) -> int:
        """Count the failures by then among those of :meth:`counted_before`."""
        return sum(token.is_failed for token in self._sent[self._forgotten :] if token.ended_at <= moment)

    def counted_with(self, token: Token, window: float, *, slack: float) -> Iterator[Token]:
        """Give the requests possibly in the window of ``token``; the unsent are not among them.

        They were sent before the server had counted ``token``, and it has not forgotten them before that, neither by
        an answer's word nor by the length of its window.
        """
        since, until = token.sent_at - window, token.sent_at + slack
        for place in range(len(self._sent) - 1, self._forgotten - 1, -1):
            other = self._sent[place]
            if other.upper <= since:
                return
            if other.sent_at <= until:
                yield other

    def number_counted_with(self, token: Token, window: float, *, slack: float) -> int:
        """Count the requests of :meth:`counted_with`, without a look at each."""
        since, until = token.sent_at - window, token.sent_at + slack
        first = bisect_left(self._sent, Token(since, self.taken + 1, since), self._forgotten)
        # Those sent later are among the few not surely counted by then.
        return len(self._sent) - first - sum(other.sent_at > until for other in self._sent[self._end_of(until) :])

    def expire(self, forgotten_by: float) -> None:
        """Let go of the tokens counted by a moment: their window has passed."""
        self._next = self._first_out(forgotten_by)

    def forget(self, count: int, moment: float) -> None:
        """Let go of the oldest tokens: the server has forgotten them by ``moment``, when it has counted another."""
        self._forgotten += count
        self.forgotten_at = max(self.forgotten_at, moment)
        self._next = max(self._next, self._forgotten)

    def recall(self) -> None:
        """Have the tokens out again that came back by time alone: the window may be longer."""
        self._next = self._forgotten

    def take(self, now: float) -> Token:
        """Have one more out."""
        self.taken += 1
        self.unsent += 1
        self.unanswered += 1
        return Token(math.inf, self.taken, now)

    def book_sent(self, token: Token, now: float, *, margin: float, window: float) -> None:
        """Book a request as written to its connection."""
        if token.sent_at < math.inf or token.ended_at < math.inf:
            return
        self.unsent -= 1
        token.sent_at, token.upper = now, now + margin
        self.last_sent_at = now
        self._put(token)
        if self._next > _BLOCK:
            self._cut_off(now - _WINDOWS_REMEMBERED * window)

    def end(self, token: Token, now: float, *, window: float, head_start: float = 0.0) -> None:
        """Book the end of a request: it was counted ``head_start`` before now, or earlier.

        Call it once for each token, and never after it was given back.
        """
        if token.sent_at == math.inf:
            # Nobody saw it being sent (a lent session has no eyes of ours).
            self.book_sent(token, now, margin=0.0, window=window)
            token.sent_at = token.taken_at
            head_start = 0.0
        self.unanswered -= 1
        token.ended_at = now
        upper = max(token.sent_at, now - head_start)
        if upper < token.upper:
            self._bound(token, upper)

    def delay(self, token: Token) -> None:
        """Take that only its answer bounds the counting of a request."""
        self._bound(token, token.ended_at)

    def give_back(self, token: Token) -> None:
        """Have one token less out: the server never counted its request."""
        if token.ended_at == math.inf:
            self.unanswered -= 1
            self.unsent -= token.sent_at == math.inf
            token.ended_at = -math.inf
        # Its window may have passed by now, but it is not among the counted ones.
        place = bisect_left(self._sent, token, self._forgotten)
        if place < len(self._sent) and self._sent[place] is token:
            del self._sent[place]
            self._next -= place < self._next

    def _first_out(self, forgotten_by: float) -> int:
        """Find the place of the first token out, if the server has forgotten all its counts up to a moment."""
        sent, place = self._sent, self._next
        while place < len(sent) and sent[place].upper <= forgotten_by:
            place += 1
        return place

    def _end_of(self, moment: float, first: int | None = None) -> int:
        """Find the place behind the last one surely counted before a moment."""
        # A token as the key is compared at the speed of C. A request sent at that moment is not before itself.
        return bisect_left(self._sent, Token(moment, 0, moment), self._forgotten if first is None else first)

    def _put(self, token: Token) -> None:
        if not self._sent or self._sent[-1] < token:
            self._sent.append(token)
        else:
            self._sent.insert(self._place_of(token), token)

    def _bound(self, token: Token, upper: float) -> None:
        place = self._place_of(token)
        if place < len(self._sent) and self._sent[place] is token:
            del self._sent[place]
            token.upper = upper
            self._put(token)

    def _place_of(self, token: Token) -> int:
        """Find the place of a token out, or the place to put it."""
        # Tokens without an answer come last, and the newly answered one stands among them. There may be thousands of
        # others: we need not look at them.
        first = max(self._next, len(self._sent) - 2 * self.unanswered)
        if first > self._next and token <= self._sent[first - 1]:
            first = self._next
        return bisect_left(self._sent, token, first)

    def _cut_off(self, before: float) -> None:
        old = min(self._next, self._end_of(before, 0))
        if 2 * old > len(self._sent):
            del self._sent[:old]
            self._next -= old
            self._forgotten = max(0, self._forgotten - old)
