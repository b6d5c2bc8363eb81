"""A run of many requests in virtual time: a ledger on this side, a server on the other, and a network between them."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

import msgspec

from tests.limits.servers import Counted, Server, headers_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.ledger import Ledger
    from periskope_async.limits.tokens import Token

Range = tuple[float, float]


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Ranges of seconds, drawn evenly, and shares of requests that something happens to."""

    connect: Range = (0.0, 0.0)
    there: Range = (0.0005, 0.002)
    work: Range = (0.0, 0.001)
    back: Range = (0.0005, 0.002)
    lost: float = 0.0
    cancelled: float = 0.0


class Outcome(msgspec.Struct):
    """What came of a run."""

    seconds: float = 0.0
    """From the first sending to the last answer."""
    refused_at: list[float] = []
    """When, since the first sending, our requests were refused."""
    foreign_refused: int = 0
    sent: int = 0

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
        tamper: Callable[[int, LimitHeaders], LimitHeaders],
        sees_sending: bool,
    ) -> None:
        self.ledger, self.server, self.rng, self.network = ledger, server, rng, network
        self.requests, self.tasks = requests, tasks
        self.tamper, self.sees_sending = tamper, sees_sending
        self.began = self.now = 1_000_000.0 + rng.random()
        self.outcome = Outcome(refused_at=[])
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.scheduled = self.answers = self.in_hand = self.done = 0

    def at(self, when: float, what: Callable[..., None], *arguments: Any) -> None:
        self.scheduled += 1
        heapq.heappush(self.events, (when, self.scheduled, what, arguments))

    def run(self) -> Outcome:
        while self.done < self.requests:
            self.start_what_may_go()
            # A timer is late rather than early, by what an event loop takes to come round.
            wait = max(self.ledger.wait_for(1, self.now), 0.0) + 0.0005 if self.is_waiting else math.inf
            upcoming = self.events[0][0] if self.events else math.inf
            assert min(upcoming, wait) < math.inf, "nothing will ever happen again"
            assert self.now - self.began < 1e6, "it does not end"
            self.now = max(self.now, min(upcoming, self.now + wait))
            while self.events and self.events[0][0] <= self.now:
                _, _, what, arguments = heapq.heappop(self.events)
                what(*arguments)
        self.outcome.seconds = self.now - self.began
        return self.outcome

    @property
    def is_waiting(self) -> bool:
        return self.done + self.in_hand < self.requests and (self.tasks is None or self.in_hand < self.tasks)

    def start_what_may_go(self) -> None:
        while self.is_waiting and (token := self.ledger.take(self.now)) is not None:
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
        self.at(self.now + self.draw(self.network.there), self.arrive, token)

    def arrive(self, token: Token) -> None:
        counted = self.server.count(self.now)
        if counted.is_refused:
            self.outcome.refused_at.append(self.now - self.began)
        answered = self.now + (0.0 if counted.is_refused else self.draw(self.network.work))
        received = answered + self.draw(self.network.back)
        if self.rng.random() < self.network.lost:
            self.at(received, self.lose, token)
        else:
            self.at(received, self.receive, token, counted, headers_of(counted, answered))

    def lose(self, token: Token) -> None:
        self.ledger.lose(token, self.now)
        self.in_hand -= 1

    def receive(self, token: Token, counted: Counted, headers: LimitHeaders) -> None:
        self.answers += 1
        self.ledger.settle(
            token,
            self.now,
            self.tamper(self.answers, headers),
            is_refusal=counted.is_refused,
            jitter=self.rng.uniform(0, 0.1),
        )
        self.in_hand -= 1
        self.done += not counted.is_refused

    def intrude(self) -> None:
        self.outcome.foreign_refused += self.server.count(self.now).is_refused

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
    )
    for when in foreign:
        simulation.at(simulation.began + when, simulation.intrude)
    for when, limit in limits:
        simulation.at(simulation.began + when, simulation.change_limit, limit)
    return simulation.run()


def floor(requests: int, limit: int, window: float) -> float:
    """Give the fastest that a limit allows, but for the answers' time."""
    return (math.ceil(requests / limit) - 1) * window
