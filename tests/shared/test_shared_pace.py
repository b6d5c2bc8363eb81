"""Processes that share what headers do not tell: a rate learned from refusals, and room for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from periskope_async.limits.rate import RateLimit
from tests.limits.servers import FixedWindow, LeakyBucket, Server
from tests.shared.processes import Cluster, cluster

if TYPE_CHECKING:
    from tests.shared.stores import Store

ENDLESS = 10**9


def mute(store: Store, server: Server, processes: int, *, waiting: int) -> Cluster:
    run = cluster(store, 10, processes, waiting=waiting // processes, server=server)
    run.is_mute = True
    return run


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("rate", [3, 10, 25])
def test_the_rate_of_a_leaky_bucket_is_found(store: Store, rate: int, processes: int) -> None:
    """It refuses the second of two requests that come together, and says nothing of itself."""
    run = mute(store, LeakyBucket(rate, early=0), processes, waiting=99)
    run.run(200.0)
    assert len(run.answered) == 99
    assert run.answered[-1] < max(2 * 99 / rate, 12.0)
    assert run.refusals <= 30


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize(("limit", "window"), [(5, 2.0), (30, 5.0), (10, 1.0)])
def test_the_rate_of_a_window_is_found(store: Store, limit: int, window: float, processes: int) -> None:
    run = mute(store, FixedWindow(limit, window), processes, waiting=99)
    run.run(200.0)
    assert len(run.answered) == 99
    assert run.answered[-1] < max(2 * 99 * window / limit, 12.0)
    assert run.refusals <= 30


@pytest.mark.parametrize("processes", [1, 3])
def test_no_limit_at_all_is_found_too(store: Store, processes: int) -> None:
    run = mute(store, FixedWindow(ENDLESS, 1.0), processes, waiting=600)
    run.run(22.0)
    assert (run.refusals, len(run.answered)) == (0, 600)
    first = len([moment for moment in run.answered if moment < 1.0])
    assert first <= 13, "nobody asks for more at first"


def test_a_rate_that_is_not_used_does_not_grow(store: Store) -> None:
    run = mute(store, LeakyBucket(20, early=0), 1, waiting=0)
    (process,) = run.processes
    for second in range(60):
        run.at(second, lambda: setattr(process, "waiting", process.waiting + 1))
        run.at(second + 0.001, lambda: run._look(process))
    run.at(60.0, lambda: setattr(process, "waiting", 30))
    run.at(60.001, lambda: run._look(process))
    run.run(90.0)
    assert run.refusals == 0
    assert len(run.answered) == 90


def test_headers_that_come_at_last_end_the_pace(store: Store) -> None:
    run = mute(store, FixedWindow(50, 1.0), 2, waiting=600)
    run.at(2.0, lambda: setattr(run, "is_mute", False))
    run.run(30.0)
    assert len(run.answered) == 600
    assert run.answered[-1] < 2.0 + 600 / 50 + 2.0
    assert run.refusals == 0


def test_a_second_limit_without_headers_is_found(store: Store) -> None:
    """One that tells of itself lets 100 pass; another before it 10 a second, evenly."""
    run = cluster(store, 100, 2, waiting=50, server=LeakyBucket(10, early=0))
    for process in run.processes:
        process.budget = type(process.budget)(assume=RateLimit(100, 1.0))
    run.is_mute = True
    run.run(100.0)
    assert len(run.answered) == 100
    assert run.answered[-1] < 25.0
    assert run.refusals <= 99 + 20, "the first burst, and what finds the rate"


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("rate", [2, 5])
def test_another_program_is_not_crowded_out(store: Store, rate: int, processes: int) -> None:
    """It sends evenly, with the same key, and looks at no headers."""
    run = cluster(store, 10, processes, waiting=200)
    refused: list[float] = []

    def send() -> None:
        if run.server.count(run.now).is_refused:
            refused.append(run.now)
        run.at(run.now + 1 / rate, send)

    run.at(0.05, send)
    run.run(60.0)
    late = [moment for moment in refused if moment > 5.0]
    assert len(late) <= 0.1 * rate * 55
    ours = [moment for process in run.processes for moment in process.refused if moment > 5.0]
    assert len(ours) <= 0.02 * len(run.answered) + 1
    assert len([moment for moment in run.answered if 10 < moment < 30]) >= 0.75 * (10 - rate) * 20
