"""How long a bucket could be, by the resets of its answers."""

from __future__ import annotations

import math
import random

import pytest
from msgspec.structs import replace

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.resets import ResetWatch
from tests.limits.servers import FixedWindow, Server, Throttler, TokenBucket, headers_of
from tests.limits.simulation import Habits, Network, Outcome, Simulation, floor, run


def told(used: int, *, reset: float = 1_002.0, date: float = 1_000.0, rounded_by: float = 2.0) -> LimitHeaders:
    return LimitHeaders(
        limit=100, remaining=100 - used, resets_in=reset - date, server_time=date, rounded_by=rounded_by
    )


BURST = [told(used) for used in range(1, 77)]


@pytest.mark.parametrize(
    ("answers", "longest"),
    [
        (BURST, 100 / 75),
        (BURST[::-1], 100 / 75),
        ([*BURST, told(77), told(100)], 100 / 75),
        # Date goes on, and the reset stands.
        ([*BURST[:-1], told(90, date=1_001.0)], 100 / 75),
        # Too few of them, or the same ones again from a cache.
        (BURST[:-1], math.inf),
        (BURST[:40] * 3, math.inf),
        # A bucket that has been full once is refilled under one reset.
        ([told(96), told(8)], math.inf),
        # Another reset, or another limit.
        ([*BURST[:-1], told(76, reset=1_003.0)], math.inf),
        ([*BURST[:-1], replace(told(76), limit=50)], math.inf),
        # A reset that has passed is told as the present.
        ([told(used, reset=1_000.0) for used in range(100)], math.inf),
        # Seconds left are rounded by a clock of their own.
        ([told(used, rounded_by=1.0) for used in range(100)], 3 * 100 / 75),
        ([told(used, rounded_by=1.0, reset=1_002.0 + used % 2) for used in range(100)], 3 * 100 / 75),
        ([told(used, rounded_by=1.0, reset=1_002.0 + used % 4) for used in range(100)], math.inf),
        ([LimitHeaders(limit=100, remaining=99 - used) for used in range(100)], math.inf),
    ],
)
def test_the_longest_bucket_that_would_tell_the_same(answers: list[LimitHeaders], longest: float) -> None:
    watch = ResetWatch()
    firsts = [watch.observe(answer, 100 - (answer.remaining or 0)) for answer in answers]
    assert watch.longest_bucket == longest
    assert firsts.count(True) == (longest < math.inf)


@pytest.mark.parametrize("window", [1.4, 2.0, 5.0, 60.0])
def test_no_bucket_is_bounded_below_its_length(window: float) -> None:
    rng, watch = random.Random(1), ResetWatch()
    bucket, now = TokenBucket(100, window), 1_000.0 + rng.random()
    for _ in range(100):
        counted = bucket.count(now)
        watch.observe(headers_of(counted, now), counted.used)
        now += rng.random() / 1_000
    assert watch.longest_bucket >= window


def first_alone(server: Server, *, then: int, seed: int, network: Network, habits: Habits) -> Outcome:
    """Send one request, and so many more behind its answer, as a walk does."""
    walk = Simulation(Ledger(), server, requests=1, rng=random.Random(seed), network=network, tasks=None, habits=habits)
    walk.run()
    walk.rest(0.0, then=then)
    return walk.run()


@pytest.mark.parametrize(("limit", "window"), [(50, 2.0), (100, 2.0), (50, 3.0)])
@pytest.mark.parametrize("work", [(1.0, 1.0), (2.0, 3.0)])
@pytest.mark.parametrize("stamps_count", [True, False])
def test_a_bucket_is_not_taken_for_a_shorter_one(
    limit: int, window: float, work: tuple[float, float], *, stamps_count: bool
) -> None:
    network, habits = Network(work=work), Habits(stamps_count=stamps_count)
    for seed in range(6):
        bucket = TokenBucket(limit, window)
        outcome = first_alone(bucket, then=6 * limit, seed=seed, network=network, habits=habits)
        assert outcome.refused_at == []


def test_a_slow_walk_loses_no_window_where_resets_tell() -> None:
    """The burst behind the first answer shows that no bucket was refilled meanwhile."""
    network, habits = Network(work=(1.0, 1.0)), Habits(stamps_count=True)
    for seed in range(15):
        outcome = first_alone(FixedWindow(100, 1.0), then=221, seed=seed, network=network, habits=habits)
        assert outcome.refused_at == []
        assert outcome.seconds <= 1.1 * (floor(221, 100, 1.0) + 2.0)


def test_a_question_does_not_wait_for_the_answer_to_another() -> None:
    network, habits = Network(work=(0.7, 1.3)), Habits(stamps_count=True)
    for seed in range(30):
        outcome = run(
            Ledger(),
            FixedWindow(23, 2.0),
            requests=116,
            rng=random.Random(seed),
            network=network,
            habits=habits,
            tasks=30,
        )
        assert outcome.refused_at == []
        assert outcome.seconds <= 1.06 * (floor(116, 23, 2.0) + 1.0)


@pytest.mark.parametrize(("limit", "window"), [(100, 60.0), (50, 10.0), (20, 5.0)])
@pytest.mark.parametrize("tasks", [1, 20])
@pytest.mark.parametrize("work", [(0.004, 0.006), (0.05, 0.1)])
def test_a_log_with_a_reset_of_its_own_is_used_up(
    limit: int, window: float, tasks: int, work: tuple[float, float]
) -> None:
    """It never seems new again: its length is proven when the oldest request is forgotten at the end told."""
    for seed in range(4):
        ledger = Ledger()
        outcome = run(
            ledger,
            Throttler(limit, window),
            requests=6 * limit + 1,
            rng=random.Random(seed),
            network=Network(work=work),
            tasks=tasks,
            habits=Habits(stamps_count=True),
            tamper=lambda _, headers: replace(headers, rounded_by=1.0),
        )
        assert outcome.refused_at == []
        assert ledger.is_window_sure
        assert outcome.seconds <= 1.05 * max(floor(6 * limit + 1, limit, window), 6 * limit * 0.08 / tasks)
