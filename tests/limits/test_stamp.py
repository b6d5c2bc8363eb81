"""Whether ``Date`` is the time of the counting, told from the answers."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, strategies as st

from periskope_async.limits.stamp import DateStamp


def feed(stamp: DateStamp, rng: random.Random, answers: int, *, work: float, ahead: float, at_count: bool) -> None:
    """Have a server stamp so many answers, whose clock is so many seconds ahead of ours."""
    now = 1_000.0
    for _ in range(answers):
        now += rng.uniform(0.05, 1.5)
        counted = now + rng.uniform(0.0, 0.01)
        answered = counted + rng.uniform(0.7, 1.3) * work
        received = answered + rng.uniform(0.0, 0.01)
        date = math.floor((counted if at_count else answered) + ahead)
        stamp.observe(date, sent_at=now, counted_by=now + 0.02, received_at=received, slack=0.02)


@given(seed=st.integers(0, 999), ahead=st.floats(-1e4, 1e4), work=st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0]))
def test_a_stamp_of_the_answer_is_never_taken_for_one_of_the_count(seed: int, ahead: float, work: float) -> None:
    stamp = DateStamp()
    feed(stamp, random.Random(seed), 60, work=work, ahead=ahead, at_count=False)
    assert not stamp.is_of_count


@pytest.mark.parametrize("ahead", [0.0, 0.4, 30.0, -30.0, 1e9])
def test_slow_answers_show_a_stamp_of_the_count(ahead: float) -> None:
    for seed in range(10):
        stamp = DateStamp()
        feed(stamp, random.Random(seed), 40, work=1.0, ahead=ahead, at_count=True)
        assert stamp.is_of_count


def test_quick_answers_leave_it_open() -> None:
    """The two moments are one, then."""
    stamp = DateStamp()
    feed(stamp, random.Random(1), 200, work=0.0, ahead=3.0, at_count=True)
    assert not stamp.is_of_count


def test_a_clock_that_is_set_begins_anew() -> None:
    """Bounds of two clocks contradict each other for both kinds of stamp."""
    rng, stamp = random.Random(1), DateStamp()
    feed(stamp, rng, 40, work=1.0, ahead=0.0, at_count=True)
    assert stamp.is_of_count
    feed(stamp, rng, 1, work=1.0, ahead=100.0, at_count=True)
    assert not stamp.is_of_count
    stamp = DateStamp()
    feed(stamp, rng, 40, work=1.0, ahead=100.0, at_count=True)
    assert stamp.is_of_count
