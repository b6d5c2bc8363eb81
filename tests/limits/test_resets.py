"""How long a bucket could be, by the resets of its answers."""

from __future__ import annotations

import math
import random

import pytest

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.resets import ResetWatch
from tests.limits.servers import FixedWindow, TokenBucket, headers_of
from tests.limits.simulation import Habits, Network, Simulation, floor, run


def told(used: int, *, reset: float = 1_002.0, date: float = 1_000.0, rounded_by: float = 2.0) -> LimitHeaders:
    return LimitHeaders(
        limit=100, remaining=100 - used, resets_in=reset - date, server_time=date, rounded_by=rounded_by
    )


@pytest.mark.parametrize(
    ("answers", "longest"),
    [
        ([told(1), told(76)], 100 / 75),
        ([told(100), told(1)], 100 / 99),
        # Date goes on, and the reset stands.
        ([told(1), told(90, date=1_001.0)], 100 / 89),
        # Too few of them.
        ([told(1), told(75)], math.inf),
        ([told(40)], math.inf),
        # Another reset.
        ([told(1), told(60), told(76, reset=1_003.0), told(99, reset=1_003.0)], math.inf),
        # Seconds left are rounded by a clock of their own.
        ([told(1, rounded_by=1.0), told(99, rounded_by=1.0)], math.inf),
        ([LimitHeaders(limit=100, remaining=99), LimitHeaders(limit=100, remaining=1)], math.inf),
    ],
)
def test_the_longest_bucket_that_would_tell_the_same(answers: list[LimitHeaders], longest: float) -> None:
    watch = ResetWatch()
    firsts = [watch.observe(answer, answer.limit - answer.remaining) for answer in answers]  # type: ignore[operator]
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


def test_a_slow_walk_loses_no_window_where_resets_tell() -> None:
    """The first page goes alone. The burst behind its answer shows that no bucket was refilled meanwhile."""
    network, habits = Network(work=(1.0, 1.0)), Habits(stamps_count=True)
    for seed in range(15):
        walk = Simulation(
            Ledger(),
            FixedWindow(100, 1.0),
            requests=1,
            rng=random.Random(seed),
            network=network,
            tasks=None,
            habits=habits,
        )
        walk.run()
        walk.rest(0.0, then=221)
        outcome = walk.run()
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
