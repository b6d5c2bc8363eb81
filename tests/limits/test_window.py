"""The window's length, told from headers that round it."""

from __future__ import annotations

import math
import random

import pytest

from periskope_async.limits.window import WindowEstimate


def first_request_difference(window: float, at: float) -> float:
    """Give what a server with a window of so many seconds shows on its first request: reset up, Date down."""
    return math.ceil(at + window) - math.floor(at)


def test_the_recorded_difference_of_two_leaves_one_second() -> None:
    estimate = WindowEstimate(1.0)
    estimate.observe_first(2.0, elapsed=0.05)
    assert estimate.seconds == 1.0


@pytest.mark.parametrize("window", [1, 2, 3, 10, 60, 3600])
def test_whole_windows_are_found_from_a_few_first_requests(window: int) -> None:
    rng = random.Random(window)
    estimate = WindowEstimate(1.0)
    for _ in range(5):
        estimate.observe_first(first_request_difference(window, 1e9 + rng.random() * 1e6), elapsed=0.05)
    assert estimate.seconds == window


def test_a_single_odd_reset_changes_nothing() -> None:
    estimate = WindowEstimate(1.0)
    estimate.observe_first(2.0, elapsed=0.05)
    estimate.observe_first(3602.0, elapsed=0.05)
    assert estimate.seconds == 1.0


def test_a_window_that_really_changed_is_believed_after_three_first_requests() -> None:
    estimate = WindowEstimate(1.0)
    estimate.observe_first(2.0, elapsed=0.05)
    for _ in range(3):
        estimate.observe_first(11.0, elapsed=0.05)
    assert estimate.seconds == 10.0


def test_a_slow_answer_bounds_from_below_only() -> None:
    """Its Date may be a second late, so the difference looks too small."""
    estimate = WindowEstimate(3.0)
    estimate.observe_first(2.0, elapsed=1.5)
    assert estimate.seconds == 3.0


def test_half_a_second_is_kept_on_the_safe_side() -> None:
    estimate = WindowEstimate(10.0)
    estimate.observe_first(1.0, elapsed=0.01)
    assert 0.5 <= estimate.seconds <= 1.0
