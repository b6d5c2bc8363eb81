"""The rate that is found by being refused."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, strategies as st

from periskope_async.limits.pace import Pace, Spread


def drive(pace: Pace, ceiling: float, seconds: float, *, now: float = 0.0) -> tuple[float, int]:
    """Send as the pace allows to a server that refuses what comes faster than its ceiling."""
    until, refusals, passed_at = now + seconds, 0, -math.inf
    while (now := max(now, pace.next_at())) < until:
        pace.sent(now)
        if now - passed_at < 1 / ceiling - 1e-9:
            refusals += 1
            pace.refused(now, now)
        else:
            passed_at = now
            pace.passed(now)
    return now, refusals


def test_it_is_off_until_it_is_called_for() -> None:
    pace = Pace()
    assert not pace.is_on
    assert pace.next_at() == -math.inf
    pace.start(4.0, sent_at=-math.inf)
    assert (pace.is_on, pace.rate, pace.next_at()) == (True, 4.0, -math.inf)
    pace.sent(10.0)
    assert pace.next_at() == 10.25
    pace.stop()
    assert not pace.is_on


def test_it_grows_by_an_eighth_a_second() -> None:
    """With each answer, so that it is the same share at any rate."""
    for rate in (10.0, 100.0):
        pace = Pace()
        pace.start(rate, sent_at=-math.inf)
        drive(pace, math.inf, 10.0)
        assert pace.rate == pytest.approx(rate * math.exp(1.2), rel=0.05)


def test_it_does_not_grow_where_it_is_not_used() -> None:
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf)
    for now in range(50):
        pace.sent(float(now))
        pace.passed(float(now))
    assert pace.rate == 10.0


def test_refusals_of_one_moment_slow_it_down_once() -> None:
    """Those sent before the decrease tell nothing of the rate after it."""
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf)
    for sent_at in (1.0, 1.1, 1.2):
        pace.refused(sent_at, 1.5)
    assert pace.rate == pytest.approx(8.5)
    pace.refused(1.6, 1.7)
    assert pace.rate == pytest.approx(8.5 * 0.85)


@pytest.mark.parametrize("ceiling", [0.25, 0.5, 1.0])
def test_a_guess_far_above_the_ceiling_comes_down_in_few_refusals(ceiling: float) -> None:
    """A call has six tries."""
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf, is_guess=True)
    _, refusals = drive(pace, ceiling, 60.0)
    assert refusals <= 9
    assert pace.rate >= 0.5 * ceiling


def test_a_rate_found_by_requests_comes_down_gently() -> None:
    """A window refuses all requests until its end."""
    guess, found = Pace(), Pace()
    guess.start(10.0, sent_at=-math.inf, is_guess=True)
    found.start(10.0, sent_at=-math.inf)
    for pace in (guess, found):
        for number in range(3):
            pace.sent(float(number))
            pace.refused(float(number), float(number))
    assert found.rate == pytest.approx(10 * 0.85**3)
    assert guess.rate == pytest.approx(10 * 0.85 * 0.4**2)


def test_ten_answers_prove_a_guess() -> None:
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf, is_guess=True)
    for _ in range(10):
        pace.passed(0.0)
    for number in (1.0, 2.0):
        pace.refused(number, number)
    assert pace.rate == pytest.approx(10 * 0.85**2)


def test_a_guess_does_not_come_down_steeply_to_a_slow_rate() -> None:
    """It would outlast an outage by far."""
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf, is_guess=True)
    for number in range(9):
        pace.refused(float(number), float(number))
    assert pace.rate >= 0.1


def test_a_refused_rate_that_passes_was_no_limit() -> None:
    """A server that was down is asked as before within two minutes."""
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf)
    for number in range(12):
        pace.refused(float(number), float(number))
    drive(pace, math.inf, 120.0, now=12.0)
    assert pace.rate >= 10.0


@pytest.mark.parametrize("ceiling", [2.0, 7.0, 10.0, 55.0])
def test_it_settles_close_below_the_ceiling(ceiling: float) -> None:
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf)
    now, _ = drive(pace, ceiling, 120.0)
    rates: list[float] = []
    refusals = 0
    for _ in range(20):
        now, more = drive(pace, ceiling, 5.0, now=now)
        refusals += more
        rates.append(pace.rate)
    assert all(0.7 * ceiling <= rate <= 1.05 * ceiling for rate in rates)
    assert refusals <= 0.02 * 100 * ceiling


def test_it_asks_less_and_less_often_while_nothing_passes() -> None:
    pace = Pace()
    holds: list[float] = []
    pace.start(10.0, sent_at=-math.inf)
    for number in range(2000):
        pace.refused(float(number), float(number))
        holds.append(pace.hold)
    assert holds[:8] == [pytest.approx(1 / 8.5), 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert holds[-1] == 30.0
    pace.sent(2000.0)
    assert pace.next_at() == 2030.0
    pace.passed(2000.0)
    assert pace.hold < 1.0


def test_a_request_sent_before_the_refusal_ends_no_row() -> None:
    """Its answer was only slower."""
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf)
    for number in (1.0, 2.0, 3.0):
        pace.refused(number, number)
    pace.passed(2.9)
    assert pace.hold == 2.0
    pace.passed(3.1)
    assert pace.hold < 1.0


@pytest.mark.parametrize("before", [[], [-1000.0]])
@pytest.mark.parametrize(("limit", "window"), [(100, 60.0), (20, 5.0), (300, 30.0)])
def test_a_window_tells_its_rate(limit: int, window: float, before: list[float]) -> None:
    """It ends between the last refusal and the next pass. A pause before it does not count."""
    pace = Pace()
    pace.start(50.0, sent_at=-math.inf)
    for at in [*before, *(number / 50 for number in range(limit))]:
        pace.sent(at)
        pace.passed(at)
    for at in (limit / 50, window - 0.5):
        pace.sent(at)
        pace.refused(at, at)
    pace.passed(window + 0.5)
    assert pace.rate == pytest.approx(limit / window, rel=0.01)


def test_few_passes_tell_no_rate() -> None:
    """The first request of a program may find a window used up."""
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf)
    for number in range(10):
        pace.refused(float(number), float(number))
    pace.passed(60.0)
    assert pace.rate == pytest.approx(10 * 0.85**4)


@pytest.mark.parametrize("order", [1, -1])
def test_answers_tell_the_same_rate_in_any_order(order: int) -> None:
    pace = Pace()
    pace.start(10.0, sent_at=-math.inf)
    for number in range(20)[::order]:
        pace.passed(number / 10)
    for sent_at in (2.0, 3.0, 5.0):
        pace.refused(sent_at, sent_at + 0.1)
    pace.passed(9.0)
    # 20 in the seven seconds to the middle of the latest refusal and the pass.
    assert pace.rate == pytest.approx(20 / 7)


def test_a_wait_that_is_told_is_not_doubled() -> None:
    pace = Pace()
    pace.start(10.0, sent_at=0.0)
    for number in range(6):
        pace.refused(float(number), number + 0.1, is_wait_told=True)
    assert pace.hold == 1 / pace.rate
    pace.refused(7.0, 7.1)
    assert pace.hold == 30.0


@given(st.lists(st.sampled_from(["sent", "passed", "refused"]), max_size=300), st.floats(0, 1e3), st.integers(0, 99))
def test_the_rate_stays_within_reason(events: list[str], rate: float, seed: int) -> None:
    """Never below one a minute, whatever comes, and never more than an answer adds."""
    rng, pace, now = random.Random(seed), Pace(), 0.0
    pace.start(rate, sent_at=-math.inf)
    for event in events:
        now += rng.expovariate(5)
        before = pace.rate
        if event == "sent":
            pace.sent(now)
        elif event == "passed":
            pace.passed(now - rng.random())
        else:
            pace.refused(now - rng.random(), now)
        assert 1 / 60 <= pace.rate <= before + 0.12
        assert 1 / pace.rate <= pace.hold <= max(30.0, 1 / pace.rate)
        assert pace.is_on


@pytest.mark.parametrize(("limit", "together"), [(1, 1), (7, 1), (10, 1), (11, 2), (100, 10)])
def test_a_part_of_a_window_goes_together(limit: int, together: int) -> None:
    spread = Spread()
    assert spread.free(0.0, limit) == together
    for left in reversed(range(together)):
        spread.take(1, 0.0, limit, 2.0)
        assert spread.free(0.0, limit) == left
    assert spread.due_at == pytest.approx(2.0 * (together / limit - 0.03))
    assert spread.free(spread.due_at, limit) == together


def test_late_timers_do_not_add_up() -> None:
    spread = Spread()
    for _ in range(20):
        spread.take(1, max(0.0, spread.due_at) + 0.002, 10, 1.0)
    assert spread.due_at == pytest.approx(2.0 - 0.03 + 0.002)


def test_a_pause_is_hardly_made_up_for() -> None:
    spread = Spread()
    spread.take(1, 0.0, 10, 1.0)
    spread.take(1, 5.0, 10, 1.0)
    assert spread.due_at == pytest.approx(5.07)
    assert spread.free(5.0, 10) == 0
