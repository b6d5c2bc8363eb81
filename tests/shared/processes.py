"""Processes that share a budget, in virtual time: the real scripts on a real server, told what time it is."""

from __future__ import annotations

import heapq
import itertools
import random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import Struct

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.remote import RemoteBudget, Ticket
from periskope_async.limits.scripts import KEYS, RESERVE, SETTLE
from tests.limits.servers import FixedWindow, headers_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async.limits.rate import RateLimit
    from tests.limits.servers import Server
    from tests.shared.stores import Store

__all__ = ["Cluster", "Process", "cluster", "timed"]

_BEGAN = 1_700_000_000.0
_SECONDS_OF_NEWS = 0.02
_CLOCK = "redis.call('TIME')"


class Process:
    """A process: its clock, its share of the budget, and how many requests wait in it."""

    def __init__(self, name: str, ahead: float, *, assume: RateLimit | None = None, far: float = 0.0) -> None:
        self.name = name
        self.ahead = ahead
        self.far = far
        """By so many seconds its way to Redis is longer, there and back."""
        self.budget = RemoteBudget(assume=assume)
        self.waiting = 0
        self.answered: list[float] = []
        """When its requests were answered, by the true time."""
        self.refused: list[float] = []
        self.is_asking = self.is_telling = self.is_dead = False

    def die(self) -> None:
        self.is_dead = True


class _Ways(Struct):
    """The seconds that things take, each between two bounds."""

    to_server: tuple[float, float] = (0.001, 0.003)
    answer: tuple[float, float] = (0.01, 0.02)
    to_redis: tuple[float, float] = (0.0001, 0.0005)


def timed(redis: Any, text: str) -> Callable[[list[str], list[Any], float], list[int]]:
    """Have a script told what time it is, in seconds; it takes the keys, the arguments and the time."""
    assert _CLOCK in text
    told = "{tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])}"
    # What the time is comes last, and is taken off before the rest is read.
    script = redis.register_script(
        text.replace(_CLOCK, told).replace(
            "\nlocal function field", "\nARGV[#ARGV] = nil\nARGV[#ARGV] = nil\nlocal function field", 1
        )
    )

    def run(keys: list[str], arguments: list[Any], now: float) -> list[int]:
        seconds = _BEGAN + now
        reply: list[int] = script(keys=keys, args=[*arguments, int(seconds), round(seconds % 1 * 1e6)])
        return reply

    return run


class Cluster:
    """Runs processes against one server, from event to event."""

    def __init__(self, redis: Any, server: Server, rng: random.Random, **ways: tuple[float, float]) -> None:
        self._reserve, self._settle = (timed(redis, text) for text in (RESERVE, SETTLE))
        self.redis = redis
        self.server = server
        self.rng = rng
        self.ways = _Ways(**ways)
        self.now = 0.0
        self.is_mute = False
        """Whether the server says nothing of its limit."""
        self.redis_ahead = 0.0
        """Seconds by which Redis' clock is ahead."""
        self.processes: list[Process] = []
        budget = uuid4()
        self._keys = [f"test:{{{budget}}}:{name}" for name in KEYS]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.trips = 0

    def add(self, *, ahead: float = 0.0, assume: RateLimit | None = None, far: float = 0.0) -> Process:
        process = Process(f"p{len(self.processes)}", ahead, assume=assume, far=far)
        self.processes.append(process)
        return process

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), action))

    def run(self, until: float) -> None:
        """Run to a moment, or until nothing more happens."""
        for process in self.processes:
            self._look(process)
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()

    def copy(self) -> Callable[[], None]:
        """Copy what stands in Redis. Give what puts the copy back, as a replica that lags does when it takes over."""
        copied = {key: self.redis.dump(key) for key in self._keys}

        def put_back() -> None:
            self.redis.delete(*self._keys)
            for key, value in copied.items():
                if value is not None:
                    self.redis.restore(key, 0, value)

        return put_back

    @property
    def answered(self) -> list[float]:
        return sorted(moment for process in self.processes for moment in process.answered)

    @property
    def refusals(self) -> int:
        return sum(len(process.refused) for process in self.processes)

    def _take(self, way: str) -> float:
        return self.rng.uniform(*getattr(self.ways, way))

    def _look(self, process: Process) -> None:
        """Do what the gate does when it looks."""
        if process.is_dead:
            return
        budget, local = process.budget, self.now + process.ahead
        for ticket in budget.take_up_to(process.waiting, local):
            process.waiting -= 1
            self._send(process, ticket)
        budget.drop_tickets(budget.tickets - process.waiting)
        if process.waiting > budget.tickets and not process.is_asking:
            process.is_asking = True
            self._ask(process)
        if budget.tickets:
            wait = max(budget.wait_for(1, local), 1e-3)
            self.at(self.now + wait, lambda: self._look(process))
        self._tell_soon(process)

    def _script(self, process: Process, script: Any, arguments: list[Any], back: Callable[[Any], None]) -> None:
        self.trips += 1
        there = self.now + process.far + self._take("to_redis")

        def run() -> None:
            reply = script(self._keys, arguments, self.now + self.redis_ahead)
            if not process.is_dead:
                self.at(self.now + process.far + self._take("to_redis"), lambda: back(reply))

        self.at(there, run)

    def _ask(self, process: Process) -> None:
        budget, asked_at = process.budget, self.now + process.ahead
        wanted = process.waiting - budget.tickets
        if process.is_dead or wanted <= 0:
            process.is_asking = False
            return

        def answer(reply: list[int]) -> None:
            again = budget.take_reply(reply, asked_at=asked_at, told_at=self.now + process.ahead)
            self._look(process)
            self.at(self.now + again, lambda: self._ask(process))

        question = budget.question(wanted, reserve=0.0)
        self._script(process, self._reserve, [process.name, *question], answer)

    def _tell_soon(self, process: Process) -> None:
        if process.budget.news.counted and not process.is_telling:
            process.is_telling = True
            self.at(self.now + _SECONDS_OF_NEWS, lambda: self._tell(process))

    def _tell(self, process: Process) -> None:
        asked_at = self.now + process.ahead

        def told(reply: list[int]) -> None:
            process.is_telling = False
            process.budget.take_word(reply, asked_at=asked_at, told_at=self.now + process.ahead)
            self._look(process)

        if not process.is_dead:
            self._script(process, self._settle, list(process.budget.tell(process.name, asked_at)), told)

    def _send(self, process: Process, ticket: Ticket) -> None:
        sent = self.now
        process.budget.sent(ticket, sent + process.ahead)
        self._tell_soon(process)

        def count() -> None:
            counted = self.server.count(self.now)
            headers = LimitHeaders() if self.is_mute else headers_of(counted, self.now)

            def answer() -> None:
                if process.is_dead:
                    return
                budget = process.budget
                budget.settle(ticket, self.now + process.ahead, headers, is_refusal=counted.is_refused)
                if counted.is_refused:
                    process.refused.append(self.now)
                    process.waiting += 1
                else:
                    process.answered.append(self.now)
                self._look(process)

            self.at(self.now + self._take("answer"), answer)

        self.at(sent + self._take("to_server"), count)


def cluster(
    store: Store, limit: int, processes: int, *, waiting: int, server: Server | None = None, **ways: tuple[float, float]
) -> Cluster:
    """Make processes that all have as much to do."""
    rng = random.Random(limit * processes)
    made = Cluster(store.admin(), server or FixedWindow(limit, 1.0), rng, **ways)
    for _ in range(processes):
        # Each has a clock of its own.
        made.add(ahead=rng.uniform(-1e5, 1e5)).waiting = waiting
    return made
