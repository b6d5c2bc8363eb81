"""The budget: which requests may go without the server ever counting more than it allows (pure).

The server counts request *i* at a moment that we do not see but can bound: not before it was sent, and not after its
answer's headers arrived (``upper``). The proof used here holds for every kind of window: let request *i*'s token be out
until ``upper(i) + window``, and let a request go only while fewer than ``limit`` tokens are out. Then any
``limit + 1`` requests in a row span more than ``window`` at the server, so no window of its can hold them all.

Headers can only lower the budget. What they count beyond our own tokens was spent by somebody else on the same key
(``foreign``), and stays spent until that window has ended.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.errors import ConfigError
from periskope_async.limits.window import WindowEstimate

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders

__all__ = ["ASSUMED", "Ledger", "RateLimit", "Token"]


class RateLimit(Struct, frozen=True):
    """So many requests in so many seconds."""

    limit: int
    window: float

    def __post_init__(self) -> None:
        """Refuse a limit that nothing could pass."""
        if self.limit < 1 or not self.window > 0:
            raise ConfigError(
                f"{self.limit} requests per {self.window} s is no limit; both must be above 0",
                parameter="limit",
            )


ASSUMED = RateLimit(10, 1.0)
"""What both recorded answers show; it holds until the headers of the first answer say otherwise."""


class Token(Struct, eq=False):
    """One request's share of the budget."""

    taken_at: float
    """When the budget was given: no later than the request was sent."""


class Ledger:
    """The tokens that are out, and when the next one comes back.

    Every ``now`` is of one monotonic clock, in seconds. A token that was taken ends in exactly one of
    :meth:`settle`, :meth:`lose` and :meth:`give_back`.
    """

    def __init__(self, *, assume: RateLimit | None = None, reserve: float = 0.0) -> None:
        if not 0 <= reserve < 1:
            raise ConfigError(
                f"reserve is {reserve}; it is the share left to others, from 0 to below 1",
                parameter="reserve",
            )
        rate = assume or ASSUMED
        self.limit = rate.limit
        self.refusals = 0
        self._window = WindowEstimate(rate.window)
        self._reserve = reserve
        self._is_known = assume is not None
        self._in_flight: set[Token] = set()
        self._settled: deque[float] = deque()  # each token's upper bound, oldest first
        self._foreign = 0
        self._foreign_until = -math.inf
        self._closed_until = -math.inf

    @property
    def window(self) -> float:
        """The window's length in seconds, as well as it is known."""
        return self._window.seconds

    @property
    def is_known(self) -> bool:
        """Whether an answer, or the caller's word, has told the limit; until then one request goes at a time."""
        return self._is_known

    @property
    def in_flight(self) -> int:
        """Requests whose headers have not arrived."""
        return len(self._in_flight)

    def closed_for(self, now: float) -> float:
        """Seconds until the server's refusal has passed; 0 where none is in force."""
        return max(0.0, self._closed_until - now)

    def remaining(self, now: float) -> int:
        """How many requests may go right now."""
        if self.closed_for(now):
            return 0
        if not self._is_known:
            return 0 if self._in_flight else 1
        return max(0, self._allowed() - self._out(now))

    def take(self, now: float) -> Token | None:
        """Take a token if one is free."""
        if not self.remaining(now):
            return None
        token = Token(now)
        self._in_flight.add(token)
        return token

    def settle(
        self,
        token: Token,
        now: float,
        headers: LimitHeaders,
        *,
        is_refusal: bool = False,
        jitter: float = 0.0,
    ) -> None:
        """Book an answer whose headers arrived at ``now``.

        A refusal (429) closes the budget for everyone until the server's wait is over, plus ``jitter`` seconds.
        """
        self._count(token, now)
        if is_refusal:
            self.refusals += 1
            wait = max(headers.retry_after or 0.0, headers.resets_in or 0.0) or self.window
            self._closed_until = max(self._closed_until, now + wait + jitter)
        if headers:
            self._learn(token, now, headers)
        # An answer that names no limit ends the probe too: waiting for headers that never come would be for ever.
        self._is_known = True

    def lose(self, token: Token, now: float) -> None:
        """Book a request that was sent and whose headers never came: the server may have counted it until now."""
        self._count(token, now)

    def give_back(self, token: Token) -> None:
        """Return the token of a request that was never sent."""
        self._in_flight.discard(token)

    def wait_for(self, place: int, now: float) -> float:
        """Estimate the seconds until the ``place``-th request from now (1 is the next one) may go.

        Exact while nothing is in flight; else it takes the headers of what is in flight to arrive at once.
        """
        closed = self.closed_for(now)
        free = max(0, self._allowed() - self._out(now))
        if place <= free:
            return closed
        returns = sorted(
            [upper + self.window for upper in self._settled]
            + [now + self.window] * len(self._in_flight)
            + [self._foreign_until] * self._foreign
        )
        rounds, position = divmod(place - free - 1, self._allowed())
        back_at = returns[position] if position < len(returns) else now + self.window
        return max(closed, back_at - now + rounds * self.window)

    def _allowed(self) -> int:
        return max(1, math.floor(self.limit * (1 - self._reserve)))

    def _out(self, now: float) -> int:
        while self._settled and self._settled[0] + self.window <= now:
            self._settled.popleft()
        if self._foreign_until <= now:
            self._foreign = 0
        return len(self._settled) + len(self._in_flight) + self._foreign

    def _count(self, token: Token, now: float) -> None:
        self._in_flight.remove(token)
        self._settled.append(now)

    def _learn(self, token: Token, now: float, headers: LimitHeaders) -> None:
        limit, remaining = headers.limit, headers.remaining
        if limit is None or remaining is None:
            return
        self.limit = limit
        if headers.resets_in is not None and remaining == limit - 1:
            self._window.observe_first(headers.resets_in, rounded_by=headers.rounded_by, elapsed=now - token.taken_at)
        # All that this server window can hold of ours is still out, so what it counts beyond that is not ours.
        foreign = (limit - remaining) - (self._out(now) - self._foreign)
        if foreign > self._foreign:
            self._foreign = foreign
            # The window that counted them was open when this answer was made: it ends within one length of now.
            self._foreign_until = now + self.window
