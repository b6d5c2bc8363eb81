"""The window's length, told from headers that round it."""

from __future__ import annotations

import math
import random

import pytest

from periskope_async.limits.window import WindowEstimate


def difference_shown(window: float, counted: float, answered: float) -> float:
    """Give what the server shows on a window's first request: reset rounded up, Date rounded down."""
    return math.ceil(counted + window) - math.floor(answered)


def learnt(window: float, answers: int, elapsed: float, seed: int = 1) -> WindowEstimate:
    rng = random.Random(seed)
    estimate = WindowEstimate(1.0)
    for _ in range(answers):
        counted = 1e9 + rng.random() * 1e6
        estimate.observe(difference_shown(window, counted, counted + elapsed), is_first=True, elapsed=elapsed)
    return estimate


def test_the_recorded_difference_of_two_means_one_second() -> None:
    estimate = WindowEstimate(1.0)
    estimate.observe(2.0, is_first=True, elapsed=0.005)
    assert estimate.seconds == 1.0
    assert estimate.is_sure


@pytest.mark.parametrize("window", [1, 2, 3, 10, 60, 3600])
@pytest.mark.parametrize("elapsed", [0.001, 0.05, 0.5, 0.9])
def test_whole_windows_are_found_and_never_too_short_for_long(window: int, elapsed: float) -> None:
    for seed in range(20):
        assert learnt(window, 60, elapsed, seed).seconds == window


@pytest.mark.parametrize("window", [1.0, 2.0, 3.0, 37.0])
def test_two_prompt_answers_are_enough(window: float) -> None:
    estimate = learnt(window, 2, 0.003)
    assert estimate.seconds == window
    assert estimate.is_sure


@pytest.mark.parametrize("window", [1.5, 2.25, 7.75])
def test_what_lies_between_two_seconds_is_taken_for_the_longer(window: float) -> None:
    assert learnt(window, 60, 0.003).seconds == math.ceil(window)


def test_a_single_odd_reset_changes_nothing() -> None:
    estimate = WindowEstimate(1.0)
    estimate.observe(2.0, is_first=True, elapsed=0.005)
    estimate.observe(3602.0, is_first=True, elapsed=0.005)
    estimate.observe(2.0, is_first=True, elapsed=0.005)
    assert estimate.seconds == 1.0


def test_a_window_that_really_changed_is_believed_after_three_first_requests() -> None:
    estimate = WindowEstimate(1.0)
    estimate.observe(2.0, is_first=True, elapsed=0.005)
    for _ in range(3):
        estimate.observe(11.0, is_first=True, elapsed=0.005)
    assert estimate.seconds == 10.0


def test_a_slow_answer_whose_date_is_late_does_not_shorten_the_window() -> None:
    estimate = WindowEstimate(3.0)
    estimate.observe(2.0, is_first=True, elapsed=1.5)
    assert estimate.seconds == 3.0
    assert not estimate.is_sure


def test_any_answer_bounds_from_below() -> None:
    estimate = WindowEstimate(1.0)
    estimate.observe(9.0, is_first=False, elapsed=0.005)
    assert estimate.seconds > 7.0


def test_resets_rounded_down_do_not_shorten_the_assumption() -> None:
    estimate = WindowEstimate(1.0)
    for _ in range(10):
        estimate.observe(1.0, is_first=True, elapsed=0.005)
    assert estimate.seconds == 1.0


def test_seconds_left_have_one_end_rounded_only() -> None:
    estimate = WindowEstimate(1.0)
    for _ in range(3):
        estimate.observe(60.0, is_first=True, rounded_by=1.0, elapsed=0.005)
    assert estimate.seconds == 60.0
