"""The budget: which requests may go without the server ever counting more than it allows (pure).

The server counts request *i* at a moment that we do not see but can bound: not before it was sent, and not after its
answer's headers arrived, or after a margin for jitter (:mod:`periskope_async.limits.jitter`), whichever is
earlier: ``upper(i)``. A late answer among quick ones shows more than jitter, so it is the bound. A token is back as
soon as one of these proves that the server has forgotten its request:

1. **The trailing window**: at ``upper(i) + window``. While fewer than ``limit`` tokens are out, any ``limit + 1``
   requests in a row span more than ``window`` at the server, so no window of any kind can hold them all.
2. **The server's own count**: an answer counts ``used`` requests, its own among them. Where more of ours were surely
   counted before it, the server has forgotten the oldest of them: its window is over, or they were never counted. That
   holds for fixed windows, sliding logs and token buckets alike.
3. **The opening**: a fixed window of known length that one of ours opened is over at ``upper(i) + window``, and with it
   all that it counted.

The first needs a length to rely on (:mod:`periskope_async.limits.window`), the second needs no clock. So where there
is none, or somebody else opened the window, one request goes alone when it may be over, and its answer tells. What is
counted beyond our own tokens was spent by others. A pace starts if headers tell no limit, or explain no refusal.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from periskope_async.limits.closing import Closing
from periskope_async.limits.count import SLACK_SHARE, ServerCount
from periskope_async.limits.failures import FailedRequests
from periskope_async.limits.foreign import ForeignUse
from periskope_async.limits.jitter import JitterEstimate
from periskope_async.limits.lone import LoneRequests
from periskope_async.limits.pace import Pace, Spread
from periskope_async.limits.rate import ASSUMED, RateLimit, assumed_rate
from periskope_async.limits.tokens import Token, Tokens
from periskope_async.limits.told import Told
from periskope_async.limits.window import WindowEstimate

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders

__all__ = ["Ledger"]

# A job with room in a long window is not to take all of it.
_MOST_SPREAD_SECONDS = 1.0
# One answer's reset holds nobody up for longer than this before a request asks again.
_MOST_UNCONFIRMED_SECONDS = 60.0
# Somebody else has opened a new window since, if one seems to last longer.
_MOST_ASKED_SECONDS = 900.0


class Ledger:
    """The budget of one API key.

    Every ``now`` is of one monotonic clock, in seconds. A taken token is :meth:`sent` if that moment can be seen. It
    ends in exactly one of :meth:`settle`, :meth:`lose` and :meth:`give_back`.
    """

    def __init__(self, *, assume: RateLimit | None = None, reserve: float = 0.0) -> None:
        rate = assumed_rate(assume)
        self.limit = rate.limit
        self._lone = LoneRequests(is_probed=assume is not None)
        self._closing = Closing()
        self._tokens = Tokens()
        self._window = WindowEstimate(rate.window, is_callers_word=assume is not None)
        self._jitter = JitterEstimate()
        self._foreign = ForeignUse(reserve=reserve)
        self._pace = Pace()
        self._spread = Spread()
        self._told = Told()
        self._count = ServerCount(self._tokens, self._window, self._told)
        self._horizon = rate.window
        """Seconds after which tokens are back, whatever the answers say. Every request asks for it several times."""

    # -- what is known ---------------------------------------------------------------------------------------------

    @property
    def is_known(self) -> bool:
        """Whether the first answer has come, or the caller told the limit. Not every first answer tells it."""
        return self._lone.is_probed

    @property
    def refusals(self) -> int:
        """How many refusals there were."""
        return self._closing.refusals

    @property
    def window(self) -> float:
        """The window's length in seconds, as well as it is known."""
        return self._window.seconds

    @property
    def is_window_sure(self) -> bool:
        """Whether answers have shown the window's length, or the caller has told it."""
        return self._window.is_proven

    @property
    def requests_per_second(self) -> float:
        """The limit's rate, as well as it is known."""
        told = self.limit / self._window.seconds if self._told.is_any or not self._pace.is_on else math.inf
        return min(told, self._pace.rate)

    @property
    def is_paced(self) -> bool:
        """Whether requests are spaced by a rate learned from answers."""
        return self._pace.is_on

    @property
    def margin(self) -> float:
        """Jitter in seconds: how much longer one request may take to the server than another."""
        return self._jitter.margin(self._window.seconds, burst=self.limit)

    @property
    def in_flight(self) -> int:
        """Requests still waiting for their headers."""
        return self._tokens.unanswered

    def foreign(self, now: float) -> int:
        """Estimate the foreign use of this window."""
        return 0 if self._foreign.is_quiet else self._foreign.expected(now, self._window.seconds)

    def closed_for(self, now: float) -> float:
        """Seconds until a refusal, or a wider limit that is spent, holds nobody back any more; 0 if none does."""
        return self._closing.seconds_left(now)

    def remaining(self, now: float) -> int:
        """How many requests may go right now."""
        if not self._closing.is_over(now) or (self._pace.is_on and (self._tokens.unsent or now < self._pace.next_at())):
            return 0
        unanswered = self._tokens.unanswered
        if not self._lone.is_probed and not unanswered:
            # The probe.
            return 1
        if self._lone.seconds_to_probe(now, unanswered=unanswered):
            return 0
        free = self._free(now)
        if free <= 0:
            return 1 if now >= self._question_at(now) else 0
        if self._pace.is_on:
            return 1
        return min(free, self._spread.free(now, max(1, self._allowed(now)))) if self._spread_seconds else free

    def wait_for(self, place: int, now: float) -> float:
        """Estimate the seconds until the ``place``-th request from now (1 is the next one) may go."""
        closed = self.closed_for(now)
        if probing := self._lone.seconds_to_probe(now, unanswered=self._tokens.unanswered):
            return max(closed, probing)
        if self._pace.is_on:
            behind = (place - 1 + self._tokens.unsent) / self._pace.rate
            closed = max(closed, max(0.0, self._pace.next_at() - now) + behind)
            if not self._told.is_any:
                return closed
        if self._spread_seconds:
            closed = max(closed, self._spread.due_at - now)
        if place <= (free := self._free(now)):
            return closed
        allowed = max(1, self._allowed(now))
        rounds, position = divmod(place - max(0, free) - 1, allowed)
        # More tokens may be out than allowed. The excess must come back before the next request may go.
        back_at = self._tokens.back_at(position + max(0, -free), self._horizon)
        moment = self._window.next_moment(self._opened_by, now, self.limit, spare=free)
        if self._count.is_fixed and (opened := self._opened_by) is not None and opened + self._horizon > now:
            back_at = min(back_at, opened + self._horizon)
        back_at = min(back_at, max(now, self._question_at(now)), moment)
        if back_at == math.inf:
            back_at = now + self.margin + self._window.seconds
        if not self._foreign.is_quiet and self._window.is_relied_on:
            # The foreign use is forgotten by then, or is expected no more.
            back_at = min(back_at, self._foreign.next_change())
        return max(closed, back_at - now + rounds * self._window.seconds)

    def _free(self, now: float) -> int:
        """Count the free tokens; below 0 if the budget has shrunk below the tokens out."""
        if not self._told.is_any and self._pace.is_on:
            return 1
        free = self._allowed(now) - self._out(now)
        if not self._window.is_settled:
            free -= self._window.held(self._opened_by, now, self.limit, free=free, asked_at=self._tokens.last_sent_at)
        if not self._window.is_relied_on:
            # Only the server's word tells the rest of a window of unknown length.
            free = min(free, self._told.remaining - (self._tokens.taken - self._told.number))
        if self._count.failed is FailedRequests.OPEN and self._tokens.unanswered:
            # One is kept, to see by its answer whether the failed ones were counted.
            free -= 1
        return free

    def _ended(self, now: float) -> float:
        """Give the last sure moment of our newest window if it is fixed and over; else minus infinity."""
        opened = self._told.opened
        is_known = self._count.is_fixed and self._window.is_settled
        is_over = opened is not None and is_known and opened.upper + self._horizon <= now
        return opened.sent_at + self._horizon if opened is not None and is_over else -math.inf

    def _out(self, now: float) -> int:
        """Count the tokens out."""
        return self._tokens.out(max(now - self._horizon, self._ended(now)))

    @property
    def _spread_seconds(self) -> float:
        """Seconds to spread a window's requests over; 0 if all free tokens may go at once."""
        window = self._window
        if self._pace.is_on or not window.is_relied_on:
            return 0.0
        if not self._foreign.is_quiet:
            # Answers must be spread over a window to show foreign use.
            return min(window.seconds, _MOST_SPREAD_SECONDS)
        # The first burst goes at once. Later ones do if the length is proven.
        is_first = self._tokens.taken < self.limit
        return 0.0 if is_first or window.is_proven else window.seconds / 8

    def _allowed(self, now: float) -> int:
        """How many tokens may be out: the limit less the share left to others."""
        return self._foreign.leaves(self.limit, now, self._window.seconds)

    def _question_at(self, now: float) -> float:
        """When a request may go alone to ask whether the window is over; infinity if there is no need to ask."""
        told = self._told
        if told.opened is None and told.ends_by < math.inf:
            # Requests in flight may be in a later window than the latest answer's.
            if self._tokens.unanswered:
                return math.inf
            ends_by = min(told.ends_by, told.at + _MOST_UNCONFIRMED_SECONDS)
            # Lost requests may be, too, until a window has passed since.
            lost_by = self._tokens.lost_by
            passed_by = lost_by + min(self._window.seconds, _MOST_UNCONFIRMED_SECONDS)
            return max(ends_by, passed_by) if lost_by > told.sent_at else ends_by
        if (self._window.is_relied_on and self._window.is_settled) or self._tokens.unsent:
            return math.inf
        spare = self._allowed(now) - self._out(now)
        # Some are kept, fewer than there are moments to ask at.
        after, moment = self._tokens.last_sent_at, math.inf
        if spare > 0:
            moment = self._window.next_moment(self._opened_by, after, self.limit, spare=spare)
        is_asking = self._lone.question is not None
        if moment < math.inf or self._window.is_relied_on or is_asking:
            return moment
        back_at = self._tokens.back_at(max(0, -spare), self._window.asks_after(self.limit))
        # The latest answer's window is over by then, if nothing is out.
        return min(back_at if back_at < math.inf else told.at + self._window.seconds, self._lone.over_by)

    @property
    def _opened_by(self) -> float | None:
        """The newest window was open by then; None if that is not known."""
        opened = self._told.opened
        return None if opened is None else opened.upper

    # -- what is done ----------------------------------------------------------------------------------------------

    def take_up_to(self, wanted: int, now: float) -> list[Token]:
        """Take as many tokens as are wanted and free."""
        if self._closing.first is not None and self._closing.is_over(now):
            self._judge_refusal(self._closing.first, now)
        if not self._foreign.is_quiet:
            self._foreign.pass_windows(now, self._window.seconds)
        if (ended := self._ended(now)) > self._tokens.forgotten_at:
            self._tokens.forget(self._tokens.counted_before(ended), ended)
        self._tokens.expire(now - self._horizon)
        remaining = self.remaining(now)
        if not (remaining and wanted):
            return []
        if not self._lone.is_probed and not self._tokens.unanswered:
            self._lone.begin_probe(now)
        is_question = remaining == 1 and self._lone.is_probed and self._free(now) <= 0
        taken = [self._tokens.take(now) for _ in range(min(wanted, remaining))]
        if is_question:
            self._lone.question = taken[0]
        if spread_seconds := self._spread_seconds:
            self._spread.take(len(taken), now, max(1, self._allowed(now)), spread_seconds)
        return taken

    def sent(self, token: Token, now: float) -> None:
        """Book a request as written to its connection."""
        self._tokens.book_sent(token, now, margin=self.margin, window=self._window.seconds)
        if self._pace.is_on:
            self._pace.sent(now)

    def settle(
        self,
        token: Token,
        now: float,
        headers: LimitHeaders,
        *,
        is_refusal: bool = False,
        is_failure: bool = False,
        jitter: float = 0.0,
    ) -> None:
        """Book an answer; its headers arrived at ``now``.

        A refusal closes the budget for everyone until the server's wait is over, plus ``jitter`` seconds. A failure is
        any other error of the server's.
        """
        was_question = self._lone.question is token
        self._end(token, now, is_answered=True)
        if self._closing.first is not None and self._closing.is_over(now):
            self._judge_refusal(self._closing.first, now)
        token.is_refused, token.is_failed = is_refusal, is_failure
        # A second limit may refuse, which the passing answers do not tell.
        is_second = is_refusal and headers.is_spent and self._told.is_any and headers.limit != self.limit
        token.is_told = bool(headers) and not is_second
        if self._told.is_stale(token, headers):
            # A cache answered. The server did not count the request.
            self._tokens.give_back(token)
        elif token.is_told:
            self._learn(token, now, headers)
        elif not self._lone.is_probed:
            self._pace.start(ASSUMED.limit / ASSUMED.window, sent_at=self._tokens.last_sent_at, is_guess=True)
        if is_refusal:
            self._refuse(token, now, headers, jitter, was_question=was_question)
        else:
            self._lone.over_by = math.inf if was_question else self._lone.over_by
            self._let_pass(token, now)
        self._follow_window()
        # An answer without a limit ends the probe too: its headers may never come.
        self._lone.is_probed = True

    def lose(self, token: Token, now: float) -> None:
        """Book a sent request as lost, without headers: the server may have counted it until now."""
        self._end(token, now)
        self._tokens.lost_by = max(self._tokens.lost_by, token.upper)

    def give_back(self, token: Token) -> None:
        """Return the token of a request never sent."""
        self._tokens.give_back(token)
        self._lone.end(token)

    def close_for(self, seconds: float, now: float) -> None:
        """Let nothing go for some seconds: the server asks for it, and does not say that it is for a limit."""
        self._closing.extend(now + seconds)

    def observe_jitter(self, variation: float) -> None:
        """Take a connection's mean deviation of its round trip, in seconds."""
        self._jitter.observe_variation(variation)

    def _end(self, token: Token, now: float, *, is_answered: bool = False) -> None:
        is_seen = token.sent_at < math.inf
        if self._pace.is_on and not is_seen:
            self._pace.sent(now)
        head_start = self._jitter.head_start if is_answered else 0.0
        self._tokens.end(token, now, window=self._window.seconds, head_start=head_start)
        if is_answered and is_seen:
            self._jitter.observe_answer(now - token.sent_at, self._window.seconds, burst=self.limit)
            # Only later answers show that the window's first request was late.
            for other in (token, self._told.opened or token):
                if self._jitter.is_late(other.ended_at - other.sent_at, margin=other.upper - other.sent_at):
                    self._tokens.delay(other)
        self._lone.end(token)

    def _let_pass(self, token: Token, now: float) -> None:
        if token.is_failed:
            self._count.book_failure(token)
        if self._pace.is_on:
            self._pace.passed(token.sent_at)
        if self._closing.pass_calm(now, self._window.seconds):
            self._jitter.was_calm()

    # -- what answers tell -----------------------------------------------------------------------------------------

    def _learn(self, token: Token, now: float, headers: LimitHeaders) -> None:
        assert headers.limit is not None and headers.remaining is not None  # noqa: S101, PT018 - for the type checker
        if not self._told.is_any and (headers.limit != self.limit or headers.resets_in is None):
            self._window.doubt()
        if not self._told.is_any or headers.limit < self.limit:
            # This limit was behind the refusals.
            self._pace.stop()
        self.limit = self._told.take_limit(token, headers.limit, now, window=self._window.seconds)
        if not self._window.is_proven:
            self._count.watch_clock(token, headers, slack=self.margin)
        used = headers.limit - headers.remaining
        if not token.is_refused and not self._told.is_older(token, headers):
            slack = self._jitter.most(self._window.seconds) - self.margin
            slack = max(0.0, slack, self._jitter.overstated_by(token.ended_at - token.sent_at))
            self._count.compare(token, headers, used=used, slack=slack, is_alone=self._foreign.is_quiet)
        self._told.take_end(token, now, headers)
        # A refusal is judged later: the window may only be longer than assumed.
        if not token.is_refused and used > self._out(now) and token.sent_at >= self._tokens.forgotten_at:
            ours = self._tokens.number_counted_with(token, self._horizon, slack=self._slack)
            ours += self._tokens.unsent + self._count.taken_back_since(token.sent_at)
            if used > ours:
                self._foreign.seen(used - ours, now, self._window.seconds)

    def _follow_window(self) -> None:
        """Take the window's length as it is thought to be now."""
        before, self._horizon = self._horizon, self._window.seconds if self._window.is_relied_on else math.inf
        if before < self._horizon == math.inf:
            self._tokens.recall()

    @property
    def _slack(self) -> float:
        return min(self.margin, SLACK_SHARE * self._window.seconds)

    def _refuse(self, token: Token, now: float, headers: LimitHeaders, jitter: float, *, was_question: bool) -> None:
        self._closing.refusals += 1
        self._count.book_refusal()
        if not (token.is_told and headers.is_spent):
            self._slow_down(token, now, headers)
        elif was_question and (self._told.opened is None or not self._window.is_relied_on):
            self._learn_refused_question(token)
        elif self._closing.first is None and self._closing.is_over(now):
            self._closing.first = token
        asked, left = headers.retry_after or 0.0, (headers.resets_in or 0.0) if headers.is_spent else 0.0
        # Two clocks may have made a reset. A window of known length ends by then, and Retry-After needs no clock.
        is_known = token.is_told and self._window.is_relied_on
        wait = max(asked, min(left, self._window.seconds)) if is_known else asked or left
        wait = wait or (self._pace.hold if self._pace.is_on else self._window.seconds)
        self._closing.extend(now + wait + jitter)
        if was_question:
            self._lone.over_by = now + wait + jitter
        if asked:
            self._told.ends_by = now + asked

    def _learn_refused_question(self, token: Token) -> None:
        """Learn from a question: the window was not over then."""
        opened = self._told.opened
        if opened is not None and token.sent_at > self._lone.over_by:
            # It should have been, by the answer to the question before. Somebody else has opened another one.
            self._told.opened = None
        elif opened is not None or self._told.ends_by == math.inf:
            # Its age is unknown if only a reset tells of it.
            lasted = self._window.seconds if opened is None else token.sent_at - opened.upper
            self._window.lasted(min(lasted, _MOST_ASKED_SECONDS))

    def _slow_down(self, token: Token, now: float, headers: LimitHeaders) -> None:
        """Take a refusal by a limit that the passing answers do not tell."""
        if not self._pace.is_on:
            passed = sum(not other.is_refused for other in self._tokens.counted_with(token, 1.0, slack=self._slack))
            # What is left of a window stands for all of it: further refusals correct the rate.
            seconds = max(1.0, headers.retry_after or headers.resets_in or 1.0)
            rate = (headers.limit or 1) / seconds if headers.is_spent else max(1.0, passed)
            self._pace.start(rate, sent_at=self._tokens.last_sent_at)
        self._pace.refused(token.sent_at, now, is_wait_told=bool(headers.retry_after))

    def _judge_refusal(self, token: Token, now: float) -> None:
        """Find out whether the window is longer, we were closer together than we thought, or somebody else was there.

        This waits until the gate opens again. All answers in flight are there then.
        """
        self._closing.first = None
        opened = self._told.opened
        since_opened, window = 0.0, self._window.seconds
        if opened is not None and opened.number < token.number:
            since_opened, window = token.sent_at - opened.upper, token.sent_at - opened.sent_at
        with_it = self._tokens.counted_with(token, window, slack=self._slack)
        ours = sum(not other.is_refused for other in with_it)
        if ours < self.limit:
            # Their share, and one request in place of ours.
            self._foreign.missed(self.limit - ours + 1, now, self._window.seconds)
        elif since_opened >= self._window.seconds:
            self._window.lasted(since_opened)
            self._follow_window()
        else:
            self._jitter.was_too_small()
