"""The budget's proof of safety, against a server model that shares no code with it."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from periskope_async.errors import ConfigError
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.jitter import JitterEstimate
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import RateLimit
from tests.limits.simulation import take

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token


class FixedWindow:
    """A window opened by the first request after the last one ended, as express-rate-limit has it."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.ends = -math.inf
        self.hits = 0
        self.refusals = 0

    def count(self, now: float) -> LimitHeaders:
        if now >= self.ends:
            self.ends, self.hits = now + self.window, 0
        self.hits += 1
        self.refusals += self.hits > self.limit
        date = math.floor(now)
        return LimitHeaders(
            limit=self.limit,
            remaining=max(0, self.limit - self.hits),
            resets_in=float(math.ceil(self.ends) - date),
        )


class SlidingLog:
    """At most so many requests in any stretch of one window."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.log: list[float] = []
        self.refusals = 0

    def count(self, now: float) -> LimitHeaders:
        self.log = [at for at in self.log if at > now - self.window]
        self.refusals += len(self.log) >= self.limit
        self.log.append(now)
        return LimitHeaders(
            limit=self.limit, remaining=max(0, self.limit - len(self.log)), resets_in=self.window, rounded_by=1.0
        )


def simulate(
    server: FixedWindow | SlidingLog, ledger: Ledger, *, requests: int, rng: random.Random, latency: float
) -> float:
    """Send as fast as the ledger allows, with random ways there and back; give the seconds that it took."""
    now = 1_000.25
    began = now
    heap: list[tuple[float, int, Token, LimitHeaders | None]] = []
    sent = arrived = 0
    number = 0
    while arrived < requests:
        while sent < requests and (token := take(ledger, now)) is not None:
            sent += 1
            number += 1
            heap.append((now + rng.uniform(0, latency), number, token, None))
        if heap:
            heap.sort(key=lambda entry: entry[:2])
        next_event = heap[0][0] if heap else math.inf
        next_free = now + ledger.wait_for(1, now) if sent < requests else math.inf
        now = max(now + 1e-9, min(next_event, next_free))
        while heap and heap[0][0] <= now:
            at, _, token, headers = heap.pop(0)
            if headers is None:
                number += 1
                heap.append((at + rng.uniform(0, latency), number, token, server.count(at)))
                heap.sort(key=lambda entry: entry[:2])
            else:
                ledger.settle(token, now, headers)
                arrived += 1
    return now - began


@given(
    limit=st.integers(1, 40),
    window=st.sampled_from([1.0, 2.0, 3.0, 10.0]),
    latency=st.sampled_from([0.001, 0.05, 0.4]),
    kind=st.sampled_from([FixedWindow, SlidingLog]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150)
def test_no_server_of_either_kind_ever_refuses(
    limit: int, window: float, latency: float, kind: type[FixedWindow | SlidingLog], seed: int
) -> None:
    server = kind(limit, window)
    ledger = Ledger(assume=RateLimit(limit, window))
    simulate(server, ledger, requests=3 * limit + 2, rng=random.Random(seed), latency=latency)
    assert server.refusals == 0


def test_the_ceiling_is_reached_but_for_the_way_there_and_back() -> None:
    server = FixedWindow(10, 1.0)
    seconds = simulate(server, Ledger(assume=RateLimit(10, 1.0)), requests=100, rng=random.Random(1), latency=0.005)
    assert 9.0 <= seconds <= 9.0 * 1.03


def test_one_probe_goes_before_the_limit_is_known() -> None:
    ledger = Ledger()
    probe = take(ledger, 0.0)
    assert probe is not None
    assert take(ledger, 0.0) is None
    ledger.settle(probe, 0.1, LimitHeaders(limit=4, remaining=3, resets_in=2.0))
    assert [take(ledger, 0.1) is not None for _ in range(4)] == [True, True, True, False]


def test_an_answer_without_headers_begins_an_even_pace() -> None:
    """Ten a second, one by one: a server that names no limit may be a leaky bucket, which lets no burst pass."""
    ledger = Ledger()
    probe = take(ledger, 0.0)
    assert probe is not None
    ledger.sent(probe, 0.0)
    ledger.settle(probe, 0.05, LimitHeaders())
    assert (ledger.is_known, ledger.is_paced, ledger.requests_per_second) == (True, True, 10.0)
    assert take(ledger, 0.05) is None
    assert ledger.wait_for(1, 0.05) == pytest.approx(0.05)
    second = take(ledger, 0.1)
    assert second is not None
    ledger.sent(second, 0.1)
    assert take(ledger, 0.15) is None
    assert ledger.wait_for(1, 0.15) == pytest.approx(0.05)
    assert take(ledger, 0.21) is not None


def test_a_refusal_closes_the_budget_for_the_longer_of_both_waits() -> None:
    ledger = Ledger(assume=RateLimit(10, 1.0))
    token = take(ledger, 0.0)
    assert token is not None
    ledger.settle(token, 0.1, LimitHeaders(retry_after=3.0, resets_in=2.0), is_refusal=True, jitter=0.05)
    assert ledger.closed_for(0.1) == pytest.approx(3.05)
    assert take(ledger, 3.0) is None
    assert take(ledger, 3.2) is not None
    assert ledger.refusals == 1


def test_a_later_shorter_refusal_opens_nothing() -> None:
    ledger = Ledger(assume=RateLimit(10, 1.0))
    first, second = take(ledger, 0.0), take(ledger, 0.0)
    assert first is not None
    assert second is not None
    ledger.settle(first, 0.1, LimitHeaders(retry_after=30.0), is_refusal=True)
    ledger.settle(second, 0.2, LimitHeaders(retry_after=1.0), is_refusal=True)
    assert ledger.closed_for(0.2) == pytest.approx(29.9)


def test_what_others_spent_is_not_ours_to_spend() -> None:
    ledger = Ledger(assume=RateLimit(10, 1.0))
    token = take(ledger, 0.0)
    assert token is not None
    ledger.settle(token, 0.1, LimitHeaders(limit=10, remaining=4, resets_in=1.0))
    assert ledger._free(0.1) == 4
    # Ours go evenly then.
    assert ledger.remaining(0.1) == 1
    # They are expected to come again, less so with each window, and half of what they did once.
    assert 4 <= ledger._free(1.2) < 10
    assert ledger._free(40.0) == 10


def test_an_older_answer_that_comes_late_raises_nothing() -> None:
    ledger = Ledger(assume=RateLimit(10, 1.0))
    first, second = take(ledger, 0.0), take(ledger, 0.0)
    assert first is not None
    assert second is not None
    ledger.settle(second, 0.2, LimitHeaders(limit=10, remaining=2, resets_in=1.0))
    assert ledger._free(0.2) == 2
    ledger.settle(first, 0.3, LimitHeaders(limit=10, remaining=9, resets_in=1.0))
    assert ledger._free(0.3) == 2


def test_a_token_of_a_request_that_was_never_sent_comes_back_at_once() -> None:
    ledger = Ledger(assume=RateLimit(1, 1.0))
    token = take(ledger, 0.0)
    assert token is not None
    ledger.give_back(token)
    assert ledger.remaining(0.0) == 1


def test_a_lost_request_counts_until_it_was_lost() -> None:
    ledger = Ledger(assume=RateLimit(1, 1.0))
    token = take(ledger, 0.0)
    assert token is not None
    ledger.lose(token, 5.0)
    assert take(ledger, 5.9) is None
    assert take(ledger, 6.0) is not None


def test_a_reserve_leaves_its_share() -> None:
    ledger = Ledger(assume=RateLimit(10, 1.0), reserve=0.2)
    assert sum(take(ledger, 0.0) is not None for _ in range(20)) == 8


def test_the_wait_of_the_nth_in_line() -> None:
    ledger = Ledger(assume=RateLimit(2, 1.0))
    for now in (0.0, 0.25):
        token = take(ledger, now)
        assert token is not None
        ledger.settle(token, now, LimitHeaders())
    waits = [ledger.wait_for(place, 0.5) for place in (1, 2, 3, 4, 5)]
    assert waits == pytest.approx([0.5, 0.75, 1.5, 1.75, 2.5])


@pytest.mark.parametrize("reserve", [1.0, -0.1])
def test_a_reserve_of_everything_is_refused(reserve: float) -> None:
    with pytest.raises(ConfigError, match="reserve"):
        Ledger(reserve=reserve)


@pytest.mark.parametrize(("limit", "window"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_a_limit_that_nothing_could_pass_is_refused(limit: int, window: float) -> None:
    with pytest.raises(ConfigError):
        RateLimit(limit, window)


def test_the_first_burst_is_given_time_to_be_taken_up_until_answers_tell() -> None:
    jitter = JitterEstimate()
    # A probe that took a second says nothing of how a hundred requests on new connections are taken up.
    jitter.observe_answer(1.0, 1.0, burst=10)
    assert jitter.margin(1.0, burst=100) == pytest.approx(0.085)
    assert jitter.margin(1.0, burst=50) == pytest.approx(0.05)
    assert jitter.margin(1.0, burst=10) == pytest.approx(0.02)
    for _ in range(20):
        jitter.observe_answer(1.0, 1.0, burst=10)
    assert jitter.margin(1.0, burst=100) == pytest.approx(0.02)
