"""Any order of events that a program and a network can bring about, against three kinds of server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import RateLimit
from tests.limits.servers import Counted, FixedWindow, SlidingLog, TokenBucket, headers_of
from tests.limits.simulation import take

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token


class Traffic(RuleBasedStateMachine):
    """Requests in every state at once: allowed, on their way, counted, answered, lost, never sent."""

    allowed = Bundle("allowed")
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.now = 5_000.0
        self.on_the_way: list[tuple[float, Token]] = []
        self.counted: dict[int, Counted] = {}
        self.refused = 0
        self.excused = 0
        self.sent_blindly = 0
        """Of the requests, those that were allowed before any answer had told: a probe gives way to the assumption."""

    @initialize(
        kind=st.sampled_from([FixedWindow, SlidingLog, TokenBucket]),
        limit=st.integers(1, 12),
        is_known=st.booleans(),
        phase=st.floats(0, 1),
        base=st.floats(0, 0.3),
    )
    def begin(
        self,
        *,
        kind: type[FixedWindow | SlidingLog | TokenBucket],
        limit: int,
        is_known: bool,
        phase: float,
        base: float,
    ) -> None:
        self.now += phase
        self.base = base
        self.server = kind(limit, 1.0)
        self.ledger = Ledger(assume=RateLimit(limit, 1.0) if is_known else None)

    @rule(target=allowed)
    def ask(self) -> Token | None:
        return take(self.ledger, self.now)

    @rule(target=allowed)
    def ask_when_it_says(self) -> Token | None:
        self.pass_time(self.ledger.wait_for(1, self.now))
        return take(self.ledger, self.now)

    @rule(target=sent, token=consumes(allowed), share=st.floats(0, 1), is_seen=st.booleans())
    def send(self, token: Token | None, share: float, *, is_seen: bool) -> Token | None:
        if token is not None:
            if is_seen:
                self.ledger.sent(token, self.now)
            # What delays all requests alike, and what varies by less than the ledger's margin.
            self.on_the_way.append((self.now + self.base + share * self.ledger.margin * 0.999, token))
        return token

    @rule(token=consumes(allowed))
    def never_send(self, token: Token | None) -> None:
        if token is not None:
            self.ledger.give_back(token)

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0, 1.1, 2.5]))
    def pass_time(self, seconds: float) -> None:
        until = self.now + max(0.0, seconds)
        for at, token in sorted(self.on_the_way, key=lambda entry: entry[0]):
            if at <= until:
                self.now = max(self.now, at)
                counted = self.counted[token.number] = self.server.count(at)
                self.refused += counted.is_refused
                is_blind = not self.ledger.is_known or token.number <= self.sent_blindly
                self.excused += counted.is_refused and is_blind
        self.on_the_way = [(at, token) for at, token in self.on_the_way if at > until]
        self.now = until

    @rule(token=consumes(sent), wait=st.floats(0, 1))
    def answer(self, token: Token | None, wait: float) -> None:
        if token is None:
            return
        while token.number not in self.counted:
            self.pass_time(0.1)
        answered_at = self.now
        self.pass_time(wait * 0.3)
        counted = self.counted[token.number]
        if not self.ledger.is_known:
            self.sent_blindly = self.ledger._tokens.taken
        self.ledger.settle(
            token, self.now, headers_of(counted, answered_at), is_refusal=counted.is_refused, jitter=0.01
        )

    @rule(token=consumes(sent))
    def lose(self, token: Token | None) -> None:
        if token is None:
            return
        while token.number not in self.counted:
            self.pass_time(0.1)
        self.ledger.lose(token, self.now)

    @rule()
    def somebody_else(self) -> None:
        if not self.server.count(self.now).is_refused:
            self.excused += 1

    @rule(limit=st.integers(1, 12))
    def change_the_limit(self, limit: int) -> None:
        if limit < self.server.limit:
            # All that was allowed under the old limit may meet the new one, window by window until it is told.
            self.excused += 2 * self.server.limit + len(self.on_the_way)
        self.server.limit = limit
        if isinstance(self.server, TokenBucket):
            self.server.tokens = min(self.server.tokens, limit)

    @invariant()
    def what_is_refused_is_excused(self) -> None:
        assert self.refused <= self.excused

    @invariant()
    def the_books_are_in_order(self) -> None:
        if hasattr(self, "ledger"):
            assert 0 <= self.ledger.remaining(self.now) <= self.ledger.limit
            assert math.isfinite(self.ledger.wait_for(1, self.now))
            assert self.ledger.wait_for(1, self.now) <= self.ledger.wait_for(30, self.now)


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(
    max_examples=max(200, (settings.default.max_examples if settings.default else 0) // 20),
    stateful_step_count=60,
    deadline=None,
)
