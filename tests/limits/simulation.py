"""A run of many requests in virtual time: a ledger on this side, a server on the other, and a network between them."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tests.limits.servers import Counted, FixedWindow, Server, headers_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.ledger import Ledger
    from periskope_async.limits.tokens import Token

Range = tuple[float, float]


def take(ledger: Ledger, now: float) -> Token | None:
    """Take a token if one is free."""
    taken = ledger.take_up_to(1, now)
    return taken[0] if taken else None


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Ranges of seconds, drawn evenly, and shares of requests that something happens to."""

    connect: Range = (0.0, 0.0)
    there: Range = (0.0005, 0.002)
    work: Range = (0.0, 0.001)
    back: Range = (0.0005, 0.002)
    timers: Range = (0.0, 0.0)
    """How late timers fire, on a busy machine."""
    late: tuple[int, float] = (0, 0.0)
    """Each so-manieth request, from the first on, arrives so many seconds later."""
    lost: float = 0.0
    cancelled: float = 0.0


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What some servers do, and what stands in front of some."""

    stamps_count: bool = False
    """Date is the moment of counting; else of the answer, as a proxy writes it."""
    fails: float = 0.0
    """Share of requests that are answered with an error and taken back from the count (``skipFailedRequests``)."""
    cached: float = 0.0
    """Share of requests that a cache answers, with what the server last said."""
    cached_ages: Range = (0.0, 30.0)
    """From which age on to which the cache gives an answer away."""
    says_age: bool = True


class Outcome(msgspec.Struct):
    """What came of a run."""

    seconds: float = 0.0
    """From the first sending to the last answer."""
    refused_at: list[float] = []
    """When, since the first sending, our requests were refused."""
    passed_at: list[float] = []
    """When, since the first sending, answers came that were no refusals."""
    foreign_refused_at: list[float] = []
    sent: int = 0
    uncounted: int = 0
    """Requests that failed or that a cache answered: the server's limit has room for others instead."""

    @property
    def foreign_refused(self) -> int:
        return len(self.foreign_refused_at)

    def refusals(self, *, after: float = 0.0) -> int:
        return sum(at >= after for at in self.refused_at)


class Simulation:
    """One run. :meth:`run` goes from event to event; each method below it is one kind of event."""

    def __init__(
        self,
        ledger: Ledger,
        server: Server,
        *,
        requests: int,
        rng: random.Random,
        network: Network,
        tasks: int | None,
        tamper: Callable[[int, LimitHeaders], LimitHeaders] = lambda _, headers: headers,
        sees_sending: bool = True,
        habits: Habits = Habits(),  # noqa: B008 - frozen
    ) -> None:
        self.ledger, self.server, self.rng, self.network = ledger, server, rng, network
        self.requests, self.tasks = requests, tasks
        self.tamper, self.sees_sending, self.habits = tamper, sees_sending, habits
        self.began = self.now = 1_000_000.0 + rng.random()
        self.outcome = Outcome()
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.scheduled = self.answers = self.in_hand = self.done = 0
        self.kept: tuple[float, LimitHeaders] | None = None
        """What the cache keeps, and since when."""

    def at(self, when: float, what: Callable[..., None], *arguments: Any) -> None:
        self.scheduled += 1
        heapq.heappush(self.events, (when, self.scheduled, what, arguments))

    def run(self) -> Outcome:
        while self.done < self.requests:
            self.start_what_may_go()
            # A timer is late rather than early, by what an event loop takes to come round.
            wait = max(self.ledger.wait_for(1, self.now), 0.0) + 0.0005 if self.is_waiting else math.inf
            if any(self.network.timers) and wait < math.inf:
                wait += self.draw(self.network.timers)
            upcoming = self.events[0][0] if self.events else math.inf
            assert min(upcoming, wait) < math.inf, "nothing will ever happen again"
            assert self.now - self.began < 1e4, "it does not end"
            self.now = max(self.now, min(upcoming, self.now + wait))
            while self.events and self.events[0][0] <= self.now:
                _, _, what, arguments = heapq.heappop(self.events)
                what(*arguments)
        self.outcome.seconds = self.now - self.began
        return self.outcome

    def rest(self, seconds: float, *, then: int) -> None:
        """Do nothing for a while, and have so many more requests to send then."""
        self.now += seconds
        self.requests += then

    @property
    def is_waiting(self) -> bool:
        return self.done + self.in_hand < self.requests and (self.tasks is None or self.in_hand < self.tasks)

    def start_what_may_go(self) -> None:
        while self.is_waiting and (token := take(self.ledger, self.now)) is not None:
            self.outcome.sent += 1
            self.in_hand += 1
            is_cancelled = self.rng.random() < self.network.cancelled
            self.at(self.now + self.draw(self.network.connect), self.give_back if is_cancelled else self.send, token)

    def draw(self, between: Range) -> float:
        return self.rng.uniform(*between)

    def give_back(self, token: Token) -> None:
        self.ledger.give_back(token)
        self.in_hand -= 1

    def send(self, token: Token) -> None:
        if self.sees_sending:
            self.ledger.sent(token, self.now)
        every, late = self.network.late
        late = late if every and (token.number - 1) % every == 0 else 0.0
        self.at(self.now + self.draw(self.network.there) + late, self.arrive, token)

    def arrive(self, token: Token) -> None:
        youngest, oldest = self.habits.cached_ages
        is_kept = self.kept is not None and youngest <= self.now - self.kept[0] < oldest
        if self.kept and is_kept and self.rng.random() < self.habits.cached:
            self.outcome.uncounted += 1
            self.at(self.now + self.draw(self.network.back), self.receive, token, self.kept[1], False, False)
            return
        counted = self.server.count(self.now)
        if counted.is_refused:
            self.outcome.refused_at.append(self.now - self.began)
        answered = self.now + (0.0 if counted.is_refused else self.draw(self.network.work))
        is_failure = not counted.is_refused and self.rng.random() < self.habits.fails
        if is_failure:
            self.outcome.uncounted += 1
            self.at(answered, self.take_back, counted)
        received = answered + self.draw(self.network.back)
        headers = headers_of(counted, self.now if self.habits.stamps_count else answered)
        is_old = self.kept is None or self.now - self.kept[0] >= oldest
        if self.habits.cached and is_old and not (counted.is_refused or is_failure):
            self.kept = (answered, replace(headers, is_cached=self.habits.says_age))
        if self.rng.random() < self.network.lost:
            self.at(received, self.lose, token)
        else:
            self.at(received, self.receive, token, headers, counted.is_refused, is_failure)

    def take_back(self, counted: Counted) -> None:
        """Count a failed request no more, if its window is still open."""
        assert isinstance(self.server, FixedWindow)
        if self.server.ends_at == counted.ends_at:
            self.server.hits -= 1

    def lose(self, token: Token) -> None:
        self.ledger.lose(token, self.now)
        self.in_hand -= 1

    def receive(self, token: Token, headers: LimitHeaders, is_refusal: bool, is_failure: bool) -> None:  # noqa: FBT001
        self.answers += 1
        self.ledger.settle(
            token,
            self.now,
            self.tamper(self.answers, headers),
            is_refusal=is_refusal,
            is_failure=is_failure,
            jitter=self.rng.uniform(0, 0.1),
        )
        self.in_hand -= 1
        self.done += not is_refusal
        if not is_refusal:
            self.outcome.passed_at.append(self.now - self.began)

    def intrude(self) -> None:
        if self.server.count(self.now).is_refused:
            self.outcome.foreign_refused_at.append(self.now - self.began)

    def change_limit(self, limit: int) -> None:
        self.server.limit = limit


def run(
    ledger: Ledger,
    server: Server,
    *,
    requests: int,
    rng: random.Random,
    network: Network = Network(),  # noqa: B008 - frozen
    tasks: int | None = None,
    foreign: Sequence[float] = (),
    limits: Sequence[tuple[float, int]] = (),
    tamper: Callable[[int, LimitHeaders], LimitHeaders] = lambda _, headers: headers,
    sees_sending: bool = True,
    habits: Habits = Habits(),  # noqa: B008 - frozen
) -> Outcome:
    """Send so many requests as fast as the ledger lets ``tasks`` of them at once; the refused ones go again.

    ``foreign`` are the moments of somebody else's requests, ``limits`` the server's changes of its limit, both since
    the start. ``tamper`` is given each answer's number and headers.
    """
    simulation = Simulation(
        ledger,
        server,
        requests=requests,
        rng=rng,
        network=network,
        tasks=tasks,
        tamper=tamper,
        sees_sending=sees_sending,
        habits=habits,
    )
    for when in foreign:
        simulation.at(simulation.began + when, simulation.intrude)
    for when, limit in limits:
        simulation.at(simulation.began + when, simulation.change_limit, limit)
    return simulation.run()


def floor(requests: int, limit: int, window: float) -> float:
    """Give the fastest that a limit allows, but for the answers' time."""
    return (math.ceil(requests / limit) - 1) * window
