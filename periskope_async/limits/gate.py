"""The gate for every request: one queue for one API key, shared by all its tasks, phones and clients.

First come, first served, with single calls ahead of the pages of walks. A budget
(:class:`~periskope_async.limits.ledger.Ledger`) decides *whether* a request may go, and aiolimiter's bucket *how
evenly*: the bucket alone would let a full burst and a window's drip into one window of the server. So it only shapes
the budget's flow. Both are asked at the head of the line, and nobody waits behind it.

A cancelled waiter gives its place back. A refusal closes the gate for everyone. A finished answer is never held back:
the wait belongs to the next request.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from periskope_async.errors import ClosedError, ConfigError, WaitTooLong, WrongLoopError
from periskope_async.events import Throttled, announce
from periskope_async.limits.alarm import Alarm
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.overload import Overload
from periskope_async.limits.permit import Permit
from periskope_async.limits.queue import Waiter, WaitQueue
from periskope_async.limits.rate import ASSUMED
from periskope_async.limits.shaper import Shaper
from periskope_async.limits.snapshot import RateLimitSnapshot
from periskope_async.typed import is_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Sequence

    from periskope_async.events import Hook
    from periskope_async.limits.budget import Budget
    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.rate import RateLimit

__all__ = ["Entry", "Gate", "RateLimiter"]

logger = logging.getLogger(__name__)

# A share of a refusal's wait. It spreads the reopening, so that several processes on one key do not return in step.
_REOPENING_JITTER = 0.1
# A longer wait is said once at WARNING: "what is it doing?" is the first question to a hanging program.
_LONG_WAIT_SECONDS = 10.0
# A limiter without a ``max_wait`` waits at most so long for the next request.
_LONGEST_HOLD_SECONDS = 300.0
# The clock tells its last tick, on Windows up to 16 ms ago.
_TICK = time.get_clock_info("monotonic").resolution

_BAD_REQUEST = 400
_TOO_MANY_REQUESTS = 429
_UNAVAILABLE = 503


# A token, with its budget.
Entry: TypeAlias = "tuple[Budget, Any]"


class _Closed:
    """An awaitable that ends at once, and that may be left alone. It needs no event loop."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class Gate:
    """The queue for a budget's tokens. The budget may be exchanged while requests wait.

    The arguments are those of :class:`RateLimiter`.
    """

    _SECONDS_BETWEEN_LOOKS = 1e-3
    """How soon to look again if the budget cannot tell."""
    _SECONDS_TO_ASK = 0.0
    """How long anybody waits at least, until the budget can tell."""

    def __init__(
        self, budget: Budget, *, max_wait: float | None, burst: int | None = None, rng: random.Random | None = None
    ) -> None:
        if max_wait is not None and not (is_number(max_wait) and max_wait >= 0):
            raise ConfigError(f"max_wait is {max_wait!r:.100}; give seconds from 0 up, or None", parameter="max_wait")
        self._budget = budget
        self._max_wait = max_wait
        self._shaper = Shaper(burst)
        # It has no state of its own: the children of a fork would all inherit one, and come back in step.
        self._rng = rng or random.SystemRandom()
        self._overload = Overload()
        self._queue = WaitQueue()
        self._served_at = -math.inf
        """When the latest one in line got its token."""
        self._seconds_waited = 0.0
        self._reported: set[str] = set()
        self._alarm = Alarm(self._serve)
        self._is_long_wait_told = False
        self._told_by = ""
        """The header with the latest word on the wait."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:
        """Wait for leave to send one request; a retry goes to the head of the queue, bulk lets single calls go ahead.

        Raises WaitTooLong before waiting in vain, or at the end of its patience; ClosedError once the limiter is
        closed, WrongLoopError in another event loop than the first.
        """
        loop = self._bind()
        now = loop.time()
        taken = () if self._queue.waiting else self._take_up_to(1, now)
        if taken:
            entry = self._budget, taken[0]
        else:
            entry = await self._wait_in_queue(loop, now, is_retry=is_retry, is_bulk=is_bulk, hooks=hooks)
        permit = Permit(self, entry)
        permit.seconds_waited = loop.time() - now
        self._seconds_waited += permit.seconds_waited
        return permit

    @property
    def requests_per_second(self) -> float:
        """The limit's rate, as well as it is known."""
        return self._budget.requests_per_second

    @property
    def requests_at_once(self) -> int:
        """How many requests may go at once after a rest, as well as it is known."""
        limit = 1 if self._budget.is_paced else self._budget.limit
        return min(self._shaper.burst or limit, limit)

    def snapshot(self) -> RateLimitSnapshot:
        """Give a frozen view of how the limit stands now."""
        budget = self._budget
        now = self._loop.time() if self._loop is not None else 0.0
        remaining = budget.remaining(now)
        return RateLimitSnapshot(
            limit=budget.limit,
            window=budget.window,
            remaining=remaining,
            resets_in=0.0 if remaining else max(0.0, budget.wait_for(1, now)),
            in_flight=budget.in_flight,
            waiting=self._queue.waiting,
            refusals=budget.refusals,
            seconds_waited=self._seconds_waited,
            is_known=budget.is_known,
            is_window_sure=budget.is_window_sure,
            margin=budget.margin,
            foreign=budget.foreign(now),
        )

    def close(self) -> Awaitable[None]:
        """Fail all waiters with ClosedError, and all later ones. May be called twice.

        The result may be awaited.
        """
        self._is_closed = True
        self._alarm.stop()
        self._queue.fail_all(lambda: ClosedError("the client was closed while a request waited for the limit"))
        return _Closed()

    def _bind(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._is_closed:
            raise ClosedError("the limiter is closed; make a new client")
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise WrongLoopError("a RateLimiter belongs to the event loop that first used it; make one for each loop")
        return loop

    async def _wait_in_queue(
        self, loop: asyncio.AbstractEventLoop, now: float, *, is_retry: bool, is_bulk: bool, hooks: Sequence[Hook]
    ) -> Entry:
        is_told = bool(hooks) or logger.isEnabledFor(logging.DEBUG)
        place = 1 if is_retry or self._max_wait is None else self._queue.next_place(is_bulk=is_bulk)
        needed = self._wait_for(place, now)
        # Two clocks may have made the reset behind an estimate: the wait may be far shorter.
        is_sure = self._budget.is_window_sure or self._budget.closed_for(now) > self._patience
        if is_sure and needed > self._patience:
            raise self._too_long(needed)
        waiter = Waiter(loop.create_future(), now, is_bulk)
        self._queue.join(waiter, at_head=is_retry)
        self._on_join()
        try:
            if is_told and await self._must_wait(waiter):
                self._tell(max(needed, self._wait_for(1, loop.time())), self._reason(), hooks)
            entry: Entry = await waiter.ready
        except asyncio.CancelledError:
            if self._queue.leave(waiter):
                self._serve()
            elif waiter.ready.exception() is None:
                # The token was handed over in the loop step of the cancel.
                self.give_back(waiter.ready.result())
            raise
        return entry

    def _on_join(self) -> None:
        """Look whether the newest waiter may go. Nobody may before the alarm rings, if it is set."""
        if not self._alarm.is_set:
            self._serve()

    async def _must_wait(self, waiter: Waiter) -> bool:
        """Whether a request has to wait for the limit. It is told in its own task and context."""
        return not waiter.ready.done()

    def _serve(self) -> None:
        """Hand out the free tokens, and set the timer for the next ones."""
        loop = self._loop
        if loop is None or self._is_closed:
            return
        now = loop.time()
        budget = self._budget
        for token in self._take_up_to(self._queue.waiting, now):
            if self._queue.serve((budget, token)):
                self._served_at = now
            else:
                budget.give_back(token)
        next_end = self._fail_overdue(now)
        if not self._queue.waiting:
            self._is_long_wait_told = False
            self._alarm.stop()
            return
        wait = self._wait_for(1, now)
        self._tell_long_wait(wait)
        # The estimate is a window off if only an answer can free a token. An early look costs nothing.
        self._alarm.set(loop, max(now + 1e-3, min(now + (wait or self._SECONDS_BETWEEN_LOOKS), next_end)))

    def _take_up_to(self, wanted: int, now: float) -> Sequence[Any]:
        """Take as many free tokens as may go at once."""
        budget = self._budget
        # A pace spreads requests by itself, and its rate may exceed the limit that is assumed.
        room = wanted if budget.is_paced else self._shaper.room(wanted, budget.limit, budget.window)
        tokens = budget.take_up_to(room, now)
        self._shaper.take(len(tokens), now)
        return tokens

    def _wait_for(self, place: int, now: float) -> float:
        """Estimate the seconds until the ``place``-th request from now (1 is the next one) may go."""
        return max(self._budget.wait_for(place, now), self._shaper_wait_for(place, now))

    def _shaper_wait_for(self, place: int, now: float) -> float:
        budget = self._budget
        return 0.0 if budget.is_paced else self._shaper.wait_for(place, now, budget.limit, budget.window)

    def sent(self, token: Entry) -> None:
        """Book the moment of sending, for a permit: from now on it is known when the token is back."""
        budget, own = token
        budget.sent(own, self._now())
        if self._queue.waiting and not self._alarm.is_set:
            self._serve()

    def settle(self, token: Entry, headers: LimitHeaders, *, status: int, variation: float | None) -> None:
        """Book an answer's headers, for its permit; a refusal closes the gate for everyone."""
        budget, own = token
        now = self._latest()
        for said in headers.unusable:
            self._report_once(said)
        if variation is not None:
            budget.observe_jitter(variation)
        is_refusal = status == _TOO_MANY_REQUESTS or self._overload.is_limit(status, now)
        # Another limit's window is not known. It may be far shorter.
        window = budget.window if headers.is_spent else min(budget.window, ASSUMED.window)
        jitter = self._rng.uniform(0, window * _REOPENING_JITTER) if is_refusal else 0.0
        is_failure = status >= _BAD_REQUEST and not is_refusal
        asked = headers.retry_after if is_refusal or status == _UNAVAILABLE else None
        if asked is not None:
            self._told_by = "Retry-After"
        elif headers.resets_in is not None:
            self._told_by = "the limit's reset"
        budget.settle(own, now, headers, is_refusal=is_refusal, is_failure=is_failure, jitter=jitter)
        if status == _UNAVAILABLE and asked:
            budget.close_for(asked + self._rng.uniform(0, _REOPENING_JITTER), now)
        if headers.wider_spent_for and not headers.is_cached:
            budget.close_for(headers.wider_spent_for, now)
        if is_refusal:
            logger.warning(
                "the server refused a request (%d); all %d waiting requests hold for %.2f s",
                status,
                self._queue.waiting,
                self._budget.closed_for(now),
            )
        if closed_for := self._budget.closed_for(now):
            self._fail_impatient(now, now + closed_for)
        if self._queue.waiting:
            self._serve()

    def _report_once(self, said: str) -> None:
        kind = said.partition(":")[0]
        if kind not in self._reported:
            self._reported.add(kind)
            logger.warning("a header of the limit is not used, now and from now on: %s", said)

    def lose(self, token: Entry) -> None:
        """Book a request as lost, without headers, for its permit."""
        budget, own = token
        budget.lose(own, self._latest())
        self._serve()

    def give_back(self, token: Entry) -> None:
        """Take back the token of a request never sent, for its permit."""
        budget, own = token
        budget.give_back(own)
        self._serve()

    @property
    def _patience(self) -> float:
        return _LONGEST_HOLD_SECONDS if self._max_wait is None else self._max_wait

    def _fail_impatient(self, now: float, reopens_at: float) -> None:
        """Fail the waiters with too little patience for a refusal's wait: now, not at the end of their patience."""
        for waiter in self._queue:
            since = now if self._max_wait is None else waiter.since
            if since + max(self._patience, self._SECONDS_TO_ASK) < reopens_at:
                self._queue.fail(waiter, self._too_long(reopens_at - since))

    def _fail_overdue(self, now: float) -> float:
        """Fail the waiters at the end of their patience. Give the moment when the next one's ends."""
        patience = max(self._patience, self._SECONDS_TO_ASK)
        while (oldest := self._queue.oldest) is not None:
            # Without a ``max_wait``, those in a long line are patient while it moves.
            since = max(oldest.since, self._served_at) if self._max_wait is None else oldest.since
            if since + patience > now:
                return since + patience
            self._queue.fail(oldest, self._too_long(now - since + self._wait_for(1, now)))
        return math.inf

    def _too_long(self, needed: float) -> WaitTooLong:
        view = self.snapshot()
        return WaitTooLong(
            f"the limit of {self._limit_text} calls for a wait of {needed:.2f} s, more than "
            f"the {self._patience:g} s allowed by the limiter's max_wait; nothing was sent",
            needed=needed,
            limit=view.limit,
            remaining=view.remaining,
            resets_in=view.resets_in,
        )

    def _tell_long_wait(self, wait: float) -> None:
        """Warn of a long wait, once until the line is empty again."""
        if wait > _LONG_WAIT_SECONDS and not self._is_long_wait_told:
            self._is_long_wait_told = True
            logger.warning(
                "waiting %.0f s for the limit of %s (%s, by %s); %d requests are in line",
                wait,
                self._limit_text,
                self._reason(),
                self._told_by or "no header yet",
                self._queue.waiting,
            )

    def _tell(self, wait: float, reason: str, hooks: Sequence[Hook]) -> None:
        logger.debug("waiting %.3f s for the limit (%s), %d in the queue", wait, reason, self._queue.waiting)
        if hooks:
            view = self.snapshot()
            event = Throttled(
                wait=wait,
                reason=reason,
                limit=view.limit if view.is_known else None,
                remaining=view.remaining if view.is_known else None,
                told_by=self._told_by,
                waiting=view.waiting,
            )
            announce(hooks, event)

    @property
    def _limit_text(self) -> str:
        budget = self._budget
        return f"{budget.limit} requests in {'' if budget.is_window_sure else 'probably '}{budget.window:g} s"

    def _reason(self) -> str:
        now, budget = self._now(), self._budget
        if budget.closed_for(now):
            return "refused"
        if self._shaper_wait_for(1, now) > budget.wait_for(1, now):
            return "shape"
        return "limit" if self._budget.is_known else "probe"

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0

    def _latest(self) -> float:
        """Give the latest moment that it may be."""
        return self._now() + _TICK


class RateLimiter(Gate):
    """A budget of requests for one API key.

    ``assume`` skips the probe. The first request goes alone otherwise. The others wait for its headers, but at most for
    a fifth of a second. Then 10 requests in 1 s are assumed, as in every answer on record. ``reserve`` is the share of
    each window to leave to others on the same key. ``max_wait`` is the max seconds for a request to wait, its place in
    the line included, before WaitTooLong is raised; ``math.inf`` waits without end. The line may have any length with
    None, and WaitTooLong is raised if nobody may go for more than five minutes. ``burst`` is how many requests may go
    at once after a rest: None for the whole limit, 1 for an even flow. ``rng`` draws the jitter.

    A server without headers of a limit is asked evenly, ten times a second at first, and faster as long as it refuses
    nothing.

    It belongs to the event loop of its first use.
    """

    def __init__(
        self,
        *,
        assume: RateLimit | None = None,
        reserve: float = 0.0,
        max_wait: float | None = None,
        burst: int | None = None,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(Ledger(assume=assume, reserve=reserve), max_wait=max_wait, burst=burst, rng=rng)
