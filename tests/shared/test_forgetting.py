"""What stands in Redis may be lost or of the past, and its clock may be set: the scripts in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from periskope_async.limits.clock import RemoteClock
from tests.shared.processes import cluster

if TYPE_CHECKING:
    from tests.shared.stores import Store


def test_a_forgotten_budget_is_spent_for_one_window(store: Store) -> None:
    run = cluster(store, 10, 2, waiting=60)
    run.at(4.5, run.redis.flushall)
    run.run(60.0)
    assert (run.refusals, len(run.answered)) == (0, 120)
    assert run.answered[-1] < 1.05 * 11 + 2.5


def test_only_the_tokens_are_forgotten(store: Store) -> None:
    """Redis evicts keys one by one."""
    run = cluster(store, 10, 2, waiting=60)
    run.at(4.5, lambda: run.redis.delete(run._keys[0]))
    run.run(60.0)
    assert (run.refusals, len(run.answered)) == (0, 120)
    assert run.answered[-1] < 1.05 * 11 + 2.5


def test_tokens_that_were_all_given_back_are_not_forgotten(store: Store) -> None:
    run = cluster(store, 10, 1, waiting=1)
    run.run(3.0)
    (process,) = run.processes
    run.redis.zremrangebyscore(run._keys[0], "(0", "+inf")
    process.waiting = 10
    run.run(3.1)
    assert len(process.answered) == 11


@pytest.mark.parametrize("lag", [0.05, 0.5])
@pytest.mark.parametrize("ahead", [-0.3, 0.0, 0.3])
def test_a_replica_that_lags_takes_over(store: Store, lag: float, ahead: float) -> None:
    """Its data and its clock are another's."""
    run = cluster(store, 10, 3, waiting=40)

    def copy() -> None:
        put_back = run.copy()

        def take_over() -> None:
            put_back()
            run.redis_ahead = ahead

        run.at(4.55, take_over)

    run.at(4.55 - lag, copy)
    run.run(60.0)
    assert (run.refusals, len(run.answered)) == (0, 120)
    assert run.answered[-1] < 1.05 * 11 + 2.5


@pytest.mark.parametrize("step", [-3600.0, -0.5, 0.5, 3000.0])
def test_the_clock_of_redis_is_set(store: Store, step: float) -> None:
    run = cluster(store, 10, 3, waiting=40)
    run.at(4.55, lambda: setattr(run, "redis_ahead", step))
    run.run(60.0)
    assert (run.refusals, len(run.answered)) == (0, 120)
    assert run.answered[-1] < 1.05 * 11 + 2.5


def test_an_old_trip_tells_nothing_of_a_clock_that_drifts() -> None:
    """A process that calls once in ten minutes, with the quickest trip first; the other clock gains 0.1 ms a second."""
    clock, now = RemoteClock(), 0.0
    for call in range(30):
        now = call * 600.0
        trip = 0.001 if not call else 0.002
        theirs = (now + trip / 2) * 1.0001 * 1e6
        assert not clock.observe(asked_at=now, told=round(theirs), told_at=now + trip)
    assert clock.theirs(now) / 1e6 == pytest.approx(now * 1.0001, abs=0.002)


@pytest.mark.parametrize(("step", "trip", "is_seen"), [(0.2, 0.01, True), (-0.2, 0.01, True), (0.2, 0.4, False)])
def test_a_step_is_seen_unless_the_way_hides_it(step: float, trip: float, *, is_seen: bool) -> None:
    clock = RemoteClock()
    clock.observe(asked_at=0.0, told=0, told_at=0.001)
    told = round((1.0 + trip / 2 + step) * 1e6)
    assert clock.observe(asked_at=1.0, told=told, told_at=1.0 + trip) is is_seen
