"""A process' share of a budget in Redis (pure).

It holds the reserved tickets, and the news not yet told to Redis. :mod:`periskope_async.limits.shared` reserves the
tickets and tells the news.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.limits.clock import RemoteClock
from periskope_async.limits.headers import MOST_RETRY_AFTER_SECONDS
from periskope_async.limits.jitter import JitterEstimate
from periskope_async.limits.rate import RateLimit, assumed_rate
from periskope_async.limits.stamp import DateStamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.limits.headers import LimitHeaders

__all__ = ["News", "RemoteBudget", "Ticket"]

# The replies of both scripts begin with so many numbers.
_NUMBERS_OF_BOTH = 5
_PLACE_OF_IS_KNOWN = 3
# The tickets' moments come behind so many in the reply of the reserving script.
_NUMBERS_ABOUT_BUDGET = 12
# A ticket late by more than this share of its lease is given back.
_LATE_SHARE = 0.5
_LONGEST_LEASE_SECONDS = 5.0
# Date has seldom ticked on so shortly after the counting.
_SELDOM = 0.1


class Ticket(Struct, eq=False):
    """Leave to send one request from a moment on."""

    number: int
    """Counts the tickets of this process."""
    start: float
    is_taken: bool = False
    """Whether a request has it."""
    sent_at: float | None = None
    counted_by: float = math.inf
    """The server has counted the request by then."""
    is_over: bool = False
    """Whether it was answered, lost or given back."""


class News(Struct):
    """News not yet told to Redis. Moments are by the loop's clock."""

    counted: dict[int, float | None]
    """The latest possible moment of counting a ticket's request; None if it was never sent."""
    limit: tuple[float, int] = (-math.inf, 0)
    """The limit by the answer to the latest request, behind the moment of sending it."""
    length: tuple[float, float, float] = (-math.inf, 0.0, 0.0)
    """The min and max length of the window in seconds, likewise."""
    at_least: tuple[float, float] = (0.0, 0.0)
    """The window's min length in seconds, by any answer: the second longest and the longest named."""
    closed_until: float = -math.inf
    used: tuple[int, float] = (0, -math.inf)
    """The server's max count, with the moment of sending that request."""
    refused_at: float = -math.inf
    """The moment of sending the latest refused request."""
    passed: int = 0
    """How many answers were no refusals."""
    slowed_at: float = -math.inf
    """The moment of sending the latest request refused without them."""


class _Word(Struct):
    """The last word of Redis."""

    why: str
    """Our knowledge of the limit, for the next question: asks, assumes, or knows.

    After requests sent without Redis: returns (without that knowledge), or rejoins (with it)."""
    processes: int = 1
    foreign: int = 0
    closed_until: float = -math.inf
    version: int = 0
    """How many reservations there were. Redis has forgotten some if it has fewer."""
    pace: float = math.inf
    """Requests a second of all processes, where no header tells of a limit."""
    allowed: int = 1
    """Requests that this process may have of an empty window."""
    free: int = 0
    """How many of them were free, beside the tickets."""
    at: float = -math.inf
    """The moment of this word."""


class RemoteBudget:
    """Which requests of this process may go: those with a ticket from Redis."""

    def __init__(self, *, assume: RateLimit | None = None) -> None:
        self.rate = assumed_rate(assume)
        """The limit, as Redis knew it last."""
        self.is_known = assume is not None
        """Whether an answer to any of the processes, or the caller, has told the limit."""
        self.refusals = 0
        self.in_flight = 0
        self.next_number = 1
        """The number of the next ticket to ask for."""
        self.clock = RemoteClock()
        self.news = News({})
        self._tickets: list[Ticket] = []
        self._told = _Word("asks" if assume is None else "assumes")
        self._jitter, self._stamp = JitterEstimate(), DateStamp()

    # -- what is known ---------------------------------------------------------------------------------------------

    @property
    def limit(self) -> int:
        """Requests in a window."""
        return self.rate.limit

    @property
    def window(self) -> float:
        """The window's length in seconds."""
        return self.rate.window

    @property
    def processes(self) -> int:
        """How many processes have asked lately."""
        return self._told.processes

    @property
    def is_window_sure(self) -> bool:
        """Whether the limit is known: its window is not proven apart."""
        return self.is_known

    @property
    def requests_per_second(self) -> float:
        """This process' share of the limit while all others want as much."""
        told = math.inf if self.is_paced and not self.is_known else self.limit / self.window
        return min(told, self._told.pace) / self.processes

    @property
    def is_paced(self) -> bool:
        """Whether requests are spaced by a rate learned from answers."""
        return self._told.pace < math.inf

    @property
    def margin(self) -> float:
        """Jitter in seconds: how much longer one request may take to the server than another."""
        return self._jitter.margin(self.window, burst=self.limit)

    @property
    def tickets(self) -> int:
        """How many tickets are held for waiting requests."""
        return len(self._tickets)

    def foreign(self, now: float) -> int:  # noqa: ARG002 - Redis has told it for now
        """Estimate the foreign use of a window, by programs outside the shared budget."""
        return self._told.foreign

    def closed_for(self, now: float) -> float:
        """Seconds until a refusal has passed; 0 if none is in force."""
        return max(0.0, self._told.closed_until - now)

    def remaining(self, now: float) -> int:
        """How many requests may go right now, by the last word of Redis. All are free a window after it."""
        told = self._told
        if now < told.closed_until:
            return 0
        due = sum(ticket.start <= now for ticket in self._tickets)
        free = max(0, told.free) if now < told.at + self.window else told.allowed
        return min(due + free, told.allowed if self.is_known and not self.is_paced else 1)

    def wait_for(self, place: int, now: float) -> float:
        """Give the least seconds until the ``place``-th request from now may go; 0 if Redis is still to be asked.

        The other processes may want nothing now.
        """
        closed = self.closed_for(now)
        if place <= len(self._tickets):
            return max(closed, self._tickets[place - 1].start - now)
        if self.is_paced:
            return closed + (place - 1) / (self.requests_per_second * self.processes)
        return closed + (place - 1) // self.limit * self.window

    # -- what is done ----------------------------------------------------------------------------------------------

    def take_up_to(self, wanted: int, now: float) -> Sequence[Ticket]:
        """Take the tickets due by now."""
        if now < self._told.closed_until:
            return ()
        taken: list[Ticket] = []
        while self._tickets and self._tickets[0].start <= now:
            ticket = self._tickets[0]
            if now > ticket.start + self._lease * _LATE_SHARE:
                # This process was held up. Others may have the place by now.
                self.give_back(self._tickets.pop(0))
            elif len(taken) < wanted:
                taken.append(self._tickets.pop(0))
            else:
                break
        for ticket in taken:
            ticket.is_taken = True
        self.in_flight += len(taken)
        return taken

    def drop_tickets(self, count: int) -> None:
        """Give back the last tickets: nobody waits for them."""
        for _ in range(min(count, len(self._tickets))):
            self.give_back(self._tickets.pop())

    def sent(self, token: Ticket, now: float) -> None:
        """Book a request as written to its connection."""
        if token.is_over:
            return
        token.sent_at = now
        self._count(token, now + self.margin)

    def settle(
        self,
        token: Ticket,
        now: float,
        headers: LimitHeaders,
        *,
        is_refusal: bool = False,
        is_failure: bool = False,
        jitter: float = 0.0,
    ) -> None:
        """Book an answer. A refusal closes the budget for all processes, until the server's wait is over.

        A failure is taken to be counted.
        """
        if token.sent_at is None:
            sent_at = token.start
            self._end(token, now)
        else:
            sent_at = token.sent_at
            self._end(token, max(sent_at, now - self._jitter.head_start))
            self._jitter.observe_answer(now - sent_at, self.window, burst=self.limit)
        # A gateway in front of the server tells of its own limit where the server fails. A second limit may refuse that
        # the passing answers do not tell.
        is_spent = is_refusal and headers.is_spent
        is_other = (is_failure or is_spent) and self.is_known and headers.limit != self.limit
        if headers and not is_other:
            self._learn(sent_at, now, headers, is_refusal=is_spent, is_failure=is_failure)
        if is_refusal and (is_other or not is_spent):
            self.news.slowed_at = max(self.news.slowed_at, sent_at)
        if not is_refusal:
            self.news.passed += 1
        else:
            self.refusals += 1
            wait = max(headers.retry_after or 0.0, (headers.resets_in or 0.0) if headers.is_spent else 0.0)
            if is_spent and not is_other:
                self.news.refused_at = max(self.news.refused_at, sent_at)
            else:
                wait = wait or 1 / (self.requests_per_second * self.processes)
            self.close_for((wait or self.window) + jitter, now)

    def lose(self, token: Ticket, now: float) -> None:
        """Book a sent request as lost, without headers: the server may have counted it until now."""
        self._end(token, now)

    def give_back(self, token: Ticket) -> None:
        """Return the ticket of a request never sent."""
        if token.is_over:
            return
        self.in_flight -= token.is_taken
        token.is_over = True
        self.news.counted[token.number] = None

    def close_for(self, seconds: float, now: float) -> None:
        """Let nothing go for some seconds, in no process."""
        # Whatever a mistake here may make of them: Redis would keep it, and shut the key out everywhere.
        seconds = min(seconds, MOST_RETRY_AFTER_SECONDS)
        self._close_until(now + seconds)
        self.news.closed_until = max(self.news.closed_until, now + seconds)

    def _close_until(self, moment: float) -> None:
        self._told.closed_until = max(self._told.closed_until, moment)
        # They were given for a window expected at another time.
        self.drop_tickets(len(self._tickets))

    def _drop_above(self, limit: int) -> None:
        """Give the tickets back if they were given under a higher limit."""
        if limit < self.rate.limit:
            self.drop_tickets(len(self._tickets))

    def observe_jitter(self, variation: float) -> None:
        """Take a connection's mean deviation of its round trip, in seconds."""
        self._jitter.observe_variation(variation)

    # -- what Redis is told, and tells -----------------------------------------------------------------------------

    def question(self, wanted: int, *, reserve: float) -> list[str | int | float]:
        """Give the arguments of the reserving script, behind the process' name."""
        window = round(self.window * 1e6)
        return [self.next_number, wanted, 1 - reserve, self.limit, window, self._told.why, self._told.version]

    def rejoin(self, rate: RateLimit) -> None:
        """Tell Redis with the next question of requests sent without it, by ``rate``."""
        if not self.is_known:
            # Redis may know none. Then the window to let pass is this one.
            self.rate = rate
        self._told.why = "rejoins" if self.is_known else "returns"

    def take_reply(self, reply: Sequence[int], *, asked_at: float, told_at: float) -> float:
        """Take the reserving script's reply. Give the seconds to wait before asking for more."""
        processes, foreign, again, version, pace, allowed, free = reply[_NUMBERS_OF_BOTH:_NUMBERS_ABOUT_BUDGET]
        told = self._told
        told.why = "knows" if reply[_PLACE_OF_IS_KNOWN] else "asks"
        told.processes, told.foreign, told.version = max(1, processes), foreign, version
        told.pace = pace / 1000 if pace else math.inf
        told.allowed, told.free, told.at = allowed, free, told_at
        is_stepped = self.take_word(reply, asked_at=asked_at, told_at=told_at)
        for start in reply[_NUMBERS_ABOUT_BUDGET:]:
            self._tickets.append(Ticket(self.next_number, self.clock.ours(start) + self.clock.error))
            self.next_number += 1
        self._tickets.sort(key=lambda ticket: ticket.start)
        if is_stepped:
            self.drop_tickets(len(self._tickets))
        return again / 1e6

    def take_word(self, reply: Sequence[int], *, asked_at: float, told_at: float) -> bool:
        """Take the beginning of both scripts' replies: the time, the limit, and until when nobody may go.

        Give whether Redis' clock was set. Its tickets cannot be trusted then, for one window.
        """
        now, limit, window, is_known, closed_until = reply[:_NUMBERS_OF_BOTH]
        is_stepped = self.clock.observe(asked_at=asked_at, told=now, told_at=told_at)
        self.is_known = bool(is_known)
        if is_known:
            self._drop_above(max(1, limit))
            self.rate = RateLimit(max(1, limit), window / 1e6)
        if closed_until > now:
            self._close_until(self.clock.ours(closed_until))
        if is_stepped:
            self.drop_tickets(len(self._tickets))
            self.rejoin(self.rate)
        return is_stepped

    def tell(self, process: str, now: float, *, is_last: bool = False) -> list[str | int]:
        """Give the arguments of the settling script, and take the news for told.

        ``is_last`` ends the share of this process.
        """
        news, self.news = self.news, News({})
        limit_at, limit = news.limit
        length_at, shortest, longest = news.length
        used, used_at = news.used
        second, at_least = news.at_least
        arguments: list[str | int] = [
            limit,
            self._theirs(limit_at),
            round(shortest * 1e6),
            round(longest * 1e6),
            self._theirs(length_at),
            round(at_least * 1e6),
            round(max(0.0, news.closed_until - now) * 1e6),
            used,
            self._theirs(used_at),
            self._theirs(news.refused_at),
            round(self.window * 1e6),
            news.passed,
            self._theirs(news.slowed_at),
            process if is_last else "",
            round(second * 1e6),
        ]
        for number, counted_by in news.counted.items():
            arguments += [f"{process}:{number}", 0 if counted_by is None else self._theirs(counted_by)]
        return arguments

    def _theirs(self, moment: float) -> int:
        return 0 if moment == -math.inf else self.clock.theirs(moment)

    # -- what answers tell -----------------------------------------------------------------------------------------

    def _learn(self, sent_at: float, now: float, headers: LimitHeaders, *, is_refusal: bool, is_failure: bool) -> None:
        assert headers.limit is not None and headers.remaining is not None  # noqa: S101, PT018 - for the type checker
        news = self.news
        news.limit = max(news.limit, (sent_at, headers.limit))
        self._drop_above(headers.limit)
        used = headers.limit - headers.remaining + is_refusal
        news.used = max(news.used, (used, sent_at))
        if headers.resets_in is not None and not is_failure:
            self._learn_length(sent_at, now, headers, headers.resets_in, is_first=used == 1 and not is_refusal)

    def _learn_length(
        self, sent_at: float, now: float, headers: LimitHeaders, resets_in: float, *, is_first: bool
    ) -> None:
        news = self.news
        # The rounding may hide how little is left of a long window. It never hides a longer window.
        at_least = math.floor(resets_in - headers.rounded_by) + 1
        second, most = news.at_least
        news.at_least = max(second, min(most, at_least)), max(most, at_least)
        if headers.server_time is not None:
            self._stamp.observe(
                headers.server_time,
                sent_at=sent_at,
                counted_by=min(now, sent_at + self.margin),
                received_at=now,
                slack=self.margin,
            )
        if is_first:
            late_by = 0 if self._stamp.is_of_count else max(0, math.ceil(now - sent_at - _SELDOM))
            shortest = headers.window or math.floor(resets_in - (headers.rounded_by - 1))
            longest = shortest if headers.window else shortest + late_by
            news.length = max(news.length, (sent_at, shortest, longest))

    def _count(self, ticket: Ticket, moment: float) -> None:
        """Book by when the server has counted a request."""
        ticket.counted_by = min(ticket.counted_by, moment)
        self.news.counted[ticket.number] = ticket.counted_by

    def _end(self, ticket: Ticket, counted_by: float) -> None:
        if not ticket.is_over:
            ticket.is_over = True
            self.in_flight -= 1
        self._count(ticket, counted_by)

    @property
    def _lease(self) -> float:
        """Redis keeps the place of an unsent ticket for so many seconds."""
        return min(self.window, _LONGEST_LEASE_SECONDS)
