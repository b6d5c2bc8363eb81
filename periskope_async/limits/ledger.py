"""The budget: which requests may go without the server ever counting more than it allows (pure).

The server counts request *i* at a moment that we do not see but can bound: not before it was sent, and not after its
answer's headers arrived, or after a margin for the way there (:mod:`periskope_async.limits.way`), whichever is
earlier: ``upper(i)``. The token of *i* is back as soon as **any** of these proves that the server has forgotten it:

1. **Trailing window**: at ``upper(i) + window``. While fewer than ``limit`` tokens are out, any ``limit + 1`` requests
   in a row span more than ``window`` at the server, so no window of any kind can hold them all.
2. **The window's end by the server's own clock**, a difference of two of its times.
3. **The window's end by its opening**: a window's length after the earliest ``upper`` of the requests in it.

The latter two hold for fixed windows only, and are used once those are proven (:mod:`periskope_async.limits.fixed`).

Headers can only lower the budget. What they count beyond our own tokens was spent by somebody else on the same key
(:mod:`periskope_async.limits.foreign`). An answer to a request that was sent before another one changes nothing that
the other one's answer has told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from periskope_async.errors import ConfigError
from periskope_async.limits.fixed import FixedWindows
from periskope_async.limits.foreign import ForeignUse
from periskope_async.limits.rate import ASSUMED, RateLimit
from periskope_async.limits.tokens import Token, Tokens
from periskope_async.limits.way import WayEstimate
from periskope_async.limits.window import WindowEstimate

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders

__all__ = ["Ledger"]

# A probe that is not answered by then would cost more than it is worth: the assumption is what every answer on record
# has shown, and slow answers are common.
_PROBE_PATIENCE_SECONDS = 0.2
# A refusal so few windows after the last one, and it is neither chance nor known: the window is taken for longer.
_WINDOWS_OF_A_STREAK = 4.0
_STRETCH = 1.25
_MOST_STRETCH = 64.0
_CALM_DECAY = 0.995


class Ledger:
    """The budget of one API key.

    Every ``now`` is of one monotonic clock, in seconds. A token that was taken is :meth:`sent` where that moment can be
    seen, and ends in exactly one of :meth:`settle`, :meth:`lose` and :meth:`give_back`.
    """

    def __init__(self, *, assume: RateLimit | None = None, reserve: float = 0.0) -> None:
        if not 0 <= reserve < 1:
            raise ConfigError(
                f"reserve is {reserve}; it is the share left to others, from 0 to below 1",
                parameter="reserve",
            )
        rate = assume or ASSUMED
        self.limit = rate.limit
        self.window = rate.window
        """The window's length in seconds, as well as it is known; longer where refusals say that this is not all."""
        self.is_known = assume is not None
        """Whether an answer, or the caller's word, has told the limit; until then one request goes ahead, alone."""
        self.refusals = 0
        self._share = 1 - reserve
        self._tokens = Tokens()
        self._window = WindowEstimate(rate.window)
        self._way = WayEstimate()
        self._fixed = FixedWindows()
        self._foreign = ForeignUse()
        self._told_by = 0
        self._probe_until = -math.inf
        self._closed_until = -math.inf
        self._calm_until = self._refused_at = -math.inf
        self._stretch = 1.0
        self._refusal: tuple[Token, float | None] | None = None
        """The first one of the present closing, with its window's mark: not yet understood."""

    # -- what is known ---------------------------------------------------------------------------------------------

    @property
    def is_window_sure(self) -> bool:
        """Whether headers leave no other likely length of the window."""
        return self._window.is_sure and self._stretch == 1.0

    @property
    def is_fixed(self) -> bool:
        """Whether the server is proven to count in fixed windows."""
        return self._fixed.are_proven

    @property
    def margin(self) -> float:
        """Seconds that one request may take longer to the server than another."""
        return self._way.margin(self.window, burst=self.limit)

    @property
    def in_flight(self) -> int:
        """Requests whose headers have not arrived."""
        return self._tokens.unanswered

    def foreign(self, now: float) -> int:
        """Tell what others on the same key are expected to spend of this window."""
        return self._foreign.expected(now, self.window)

    def closed_for(self, now: float) -> float:
        """Seconds until the server's refusal has passed; 0 where none is in force."""
        return max(0.0, self._closed_until - now)

    def remaining(self, now: float) -> int:
        """How many requests may go right now."""
        if self._closed_until > now:
            return 0
        if self._refusal is not None:
            self._judge_refusal(now)
        if not self.is_known and (now < self._probe_until or not self._tokens.unanswered):
            return 0 if self._tokens.unanswered else 1
        return max(0, self._allowed(now) - self._tokens.out(now))

    def wait_for(self, place: int, now: float) -> float:
        """Estimate the seconds until the ``place``-th request from now (1 is the next one) may go.

        Exact while every request that is out is known to be sent; else it takes those to be sent right now.
        """
        closed = self.closed_for(now)
        if not self.is_known and self._tokens.unanswered and now < self._probe_until:
            return max(closed, self._probe_until - now)
        free = self._allowed(now) - self._tokens.out(now)
        if place <= free:
            return closed
        rounds, position = divmod(place - max(0, free) - 1, max(1, self._allowed(now)))
        # Where there is less to spend than is out, as many tokens more must be back before the next may go.
        back_at = self._tokens.back_at(position + max(0, -free))
        if back_at is None:
            back_at = now + self.margin + self.window
        if not self._foreign.is_quiet:
            # Then what others have spent is forgotten, or is expected of them no more.
            back_at = min(back_at, self._foreign.next_change())
        return max(closed, back_at - now + rounds * self.window)

    # -- what is done ----------------------------------------------------------------------------------------------

    def take(self, now: float) -> Token | None:
        """Take a token if one is free."""
        return self._take(now) if self.remaining(now) else None

    def take_up_to(self, wanted: int, now: float) -> list[Token]:
        """Take as many tokens as are wanted and free."""
        return [self._take(now) for _ in range(min(wanted, self.remaining(now)))]

    def _take(self, now: float) -> Token:
        if not self.is_known and not self._tokens.unanswered:
            self._probe_until = now + _PROBE_PATIENCE_SECONDS
        return self._tokens.take(now)

    def sent(self, token: Token, now: float) -> None:
        """Book the moment at which a request was written to its connection."""
        self._tokens.sent(token, now, margin=self.margin, window=self.window)

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
        is_seen = math.isfinite(token.sent_at)
        self._tokens.end(token, now, window=self.window, head_start=self._way.head_start())
        if is_seen:
            self._way.observe_answer(now - token.sent_at, self.window)
        if self._refusal is not None and now >= self._closed_until:
            self._judge_refusal(now)
        if headers:
            self._learn(token, now, headers, is_refusal=is_refusal)
        if is_refusal:
            self.refusals += 1
            if self._refusal is None and now >= self._closed_until:
                self._refusal = token, headers.reset_mark
            wait = max(headers.retry_after or 0.0, self._left(headers)) or self.window
            self._closed_until = max(self._closed_until, now + wait + jitter)
        elif self.refusals:
            self._learn_from_calm(now)
        # An answer that names no limit ends the probe too: waiting for headers that never come would be for ever.
        self.is_known = True

    def lose(self, token: Token, now: float) -> None:
        """Book a request that was sent and whose headers never came: the server may have counted it until now."""
        self._tokens.end(token, now, window=self.window)

    def give_back(self, token: Token) -> None:
        """Return the token of a request that was never sent."""
        self._tokens.give_back(token)

    def observe_way(self, variation: float) -> None:
        """Take a connection's mean deviation of its round trip, in seconds."""
        self._way.observe_variation(variation)

    def _allowed(self, now: float) -> int:
        """How many tokens may be out. Others get their reserve, or what they are used to; never all of it."""
        fair = max(1, math.floor(self.limit * self._share))
        foreign = self._foreign
        if foreign.is_quiet:
            return fair
        expected, spent = foreign.expected(now, self.window), foreign.spent(now, self.window)
        return min(fair, max(1, self.limit - expected), self.limit - spent)

    # -- what answers tell -----------------------------------------------------------------------------------------

    def _learn(self, token: Token, now: float, headers: LimitHeaders, *, is_refusal: bool) -> None:
        limit, remaining = headers.limit, headers.remaining
        if limit is None or remaining is None:
            return
        if token.number >= self._told_by:
            self._told_by, self.limit = token.number, limit
        if headers.resets_in is not None:
            self._window.observe(
                headers.resets_in,
                is_first=remaining == limit - 1,
                rounded_by=headers.rounded_by,
                elapsed=now - token.sent_at,
            )
            self._recount()
        if not self._fixed.are_proven and self.is_window_sure:
            self._fixed.weigh(token, headers, self._tokens.recent, self.window)
        self._fixed.place(token, headers, now, self.window, is_refusal=is_refusal)
        for tokens, ends_by in self._fixed.ends():
            self._tokens.bring_back(tokens, ends_by)
        used = limit - remaining
        # All that is out was counted in this window or will be in a later one, so it is cheap to see that all is well.
        if used > self._tokens.out(now):
            self._blame_others(used, token, headers.reset_mark, now)

    def _left(self, headers: LimitHeaders) -> float:
        """Tell how long a refusal's window may last: its reset was rounded, and no window outlasts its length.

        Where there is a Retry-After, that is what was asked for, and the length, if only likely, is believed beside it.
        """
        left = headers.resets_in or 0.0
        is_believed = self.is_window_sure or headers.retry_after is not None
        return min(left, self.window) if is_believed else left

    def _recount(self) -> None:
        """Where the window's length is not what it was, reckon anew."""
        before, self.window = self.window, self._window.seconds * self._stretch
        if self.window != before:
            self._tokens.recount(self.window)
            self._fixed.recount(self.window, longer_by=self.window - before)

    def _blame_others(self, used: int, token: Token, mark: float | None, now: float) -> None:
        """Put down to others what a window has counted beyond all our requests that it may hold."""
        beyond_mark = used - (self._fixed.accepted_in(mark) or 0) - self._tokens.unanswered
        # Asked first, for it is cheap: the other looks at each request of two windows.
        if beyond_mark > 0:
            theirs = min(beyond_mark, used - self._tokens.counted_with(token, now, self.window))
            if theirs > 0:
                self._foreign.seen(theirs, now, self.window)

    def _judge_refusal(self, now: float) -> None:
        """Find out whether we were closer together than we thought, or somebody else was there.

        That waits until the gate opens again, when the answers to all that was in flight are there.
        """
        assert self._refusal is not None  # noqa: S101 - for the type checker
        (token, mark), self._refusal = self._refusal, None
        accepted = self._fixed.accepted_in(mark)
        if accepted is not None and accepted < self.limit:
            self._foreign.missed(self.limit - accepted, now, self.window)
            return
        self._fixed.was_wrong()
        if accepted is not None or self._tokens.answered_with(token, self.window) > self.limit:
            self._way.was_too_small()
        if now < self._refused_at + _WINDOWS_OF_A_STREAK * self.window:
            self._stretch_window(_STRETCH)
        self._refused_at = now

    def _learn_from_calm(self, now: float) -> None:
        """Take back, slowly, what refusals have taught: a window went by without one."""
        if now >= self._calm_until:
            self._calm_until = now + self.window
            self._way.was_calm()
            self._stretch_window(_CALM_DECAY)

    def _stretch_window(self, factor: float) -> None:
        self._stretch = min(_MOST_STRETCH, max(1.0, self._stretch * factor))
        self._recount()
