"""Processes that share what headers do not tell: a rate learned from refusals, and room for other programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit
from periskope_async.limits.remote import RemoteBudget
from tests.limits.servers import Counted, FixedWindow, LeakyBucket, Server
from tests.shared.processes import Cluster, cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.shared.stores import Store

ENDLESS = 10**9


def mute(store: Store, server: Server, processes: int, *, waiting: int) -> Cluster:
    run = cluster(store, 10, processes, waiting=waiting // processes, server=server)
    run.is_mute = True
    return run


def told(run: Cluster, *names: str) -> list[float | None]:
    """Read what Redis knows."""
    return [float(value) if value else None for value in run.redis.hmget(run._keys[1], *names)]


def spread(store: Store, server: Server, far: Sequence[float]) -> Cluster:
    """Make processes with different ways to Redis, which all have enough to do."""
    run = cluster(store, 10, 0, waiting=0, server=server)
    for seconds in far:
        run.add(far=seconds).waiting = 5000
    return run


class Gateway(FixedWindow):
    """A server behind a gateway that refuses one request, without headers."""

    def __init__(self, run: Cluster, at: float) -> None:
        super().__init__(run.server.limit, 1.0)
        self._run, self._at = run, at

    def count(self, now: float) -> Counted:
        self._run.is_mute = now >= self._at
        if not self._run.is_mute:
            return super().count(now)
        self._at = math.inf
        return Counted(True, 0, 0, now, 0.0)


def is_shared_fairly(run: Cluster) -> bool:
    counts = [len(process.answered) for process in run.processes]
    return max(counts) <= 1.5 * min(counts)


def send_evenly(run: Cluster, rate: float) -> list[float]:
    """Be another program with the same key. Give the moments of its refusals."""
    refused: list[float] = []

    def send() -> None:
        if run.server.count(run.now).is_refused:
            refused.append(run.now)
        run.at(run.now + 1 / rate, send)

    run.at(0.05, send)
    return refused


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
    assert run.answered[-1] < max(2 * 99 * window / limit, 12.0) + window
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
    assert told(run, "pace", "pace_refused", "next") == [None, None, None]


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
    refused = send_evenly(run, rate)
    run.run(60.0)
    late = [moment for moment in refused if moment > 5.0]
    assert len(late) <= 0.1 * rate * 55
    ours = [moment for process in run.processes for moment in process.refused if moment > 5.0]
    assert len(ours) <= 0.02 * len(run.answered) + 1
    assert len([moment for moment in run.answered if 10 < moment < 30]) >= 0.75 * (10 - rate) * 20


EIGHT = [number * 0.003 for number in range(8)]


@pytest.mark.parametrize("far", [(0.0, 0.01), (0.0, 0.01, 0.002), (0.0, 0.02, 0.04), EIGHT])
@pytest.mark.parametrize("rate", [3, 10, 50])
def test_a_pace_is_shared_fairly(store: Store, rate: int, far: Sequence[float]) -> None:
    """The process nearest to Redis does not take all."""
    run = spread(store, LeakyBucket(rate, early=0), far)
    run.is_mute = True
    run.run(60.0)
    assert is_shared_fairly(run)
    assert len(run.answered) >= (0.75 if rate < 50 else 0.4) * rate * 60


@pytest.mark.parametrize("far", [(0.0, 0.002), (0.0, 0.01), (0.0, 0.01, 0.02), EIGHT])
@pytest.mark.parametrize(("limit", "rate"), [(3, 1), (10, 2), (10, 5), (50, 5), (50, 20)])
def test_what_others_leave_is_shared_fairly(store: Store, limit: int, rate: int, far: Sequence[float]) -> None:
    run = spread(store, FixedWindow(limit, 1.0), far)
    send_evenly(run, rate)
    run.run(30.0)
    assert is_shared_fairly(run)
    assert len(run.answered) >= 0.6 * (limit - rate) * 30


def test_a_refusal_is_followed_by_no_more(store: Store) -> None:
    """The tokens that others hold by then are not given twice."""
    run = spread(store, LeakyBucket(50, early=0), (0.0, 0.01, 0.02))
    run.is_mute = True
    run.run(60.0)
    refused = sorted(moment for process in run.processes for moment in process.refused)
    assert len([moment for moment in refused if moment < refused[0] + 1.0]) <= 2


def test_nothing_goes_at_once_behind_the_probe(store: Store) -> None:
    run = mute(store, LeakyBucket(25, early=0), 2, waiting=20)
    run.run(10.0)
    probe, second, *_ = run.answered
    assert second - probe > 0.09


def test_a_pace_grows_again_where_answers_have_headers(store: Store) -> None:
    """It was begun by a refusal without them."""
    run = cluster(store, 50, 2, waiting=5000)
    run.server = Gateway(run, at=5.0)
    run.run(7.0)
    (before,) = told(run, "pace")
    run.run(17.0)
    (after,) = told(run, "pace")
    assert before
    assert after
    assert after > before + 2


def test_the_first_headers_begin_no_pace(store: Store) -> None:
    """An answer without headers is told together with them."""
    run = cluster(store, 100, 1, waiting=1, answer=(5.0, 5.0))
    run.run(0.5)
    (process,) = run.processes
    process.budget.news.passed = 1
    process.budget.news.limit = (run.now + process.ahead, 100)
    run._tell(process)
    run.run(1.0)
    assert told(run, "limit", "pace") == [100, None]


@pytest.mark.parametrize("processes", [1, 20])
@pytest.mark.parametrize("pace", [1, 5])
def test_a_bare_refusal_closes_until_the_next_token(pace: int, processes: int) -> None:
    budget = RemoteBudget()
    now = 1_700_000_000_000_000
    reply = [now, 10, 1_000_000, 0, 0, processes, 0, 100_000, 1, pace * 1000, 10, 10, now]
    budget.take_reply(reply, asked_at=0.0, told_at=0.001)
    (ticket,) = budget.take_up_to(1, 0.01)
    budget.sent(ticket, 0.01)
    budget.settle(ticket, 0.02, LimitHeaders(), is_refusal=True)
    assert budget.closed_for(0.02) == pytest.approx(1 / pace)


def test_moments_of_a_clock_set_back_stop_nothing(store: Store) -> None:
    """An older version of the script has set back those that it knows."""
    run = mute(store, LeakyBucket(10, early=0), 2, waiting=4000)

    def leave_ahead() -> None:
        run.server = LeakyBucket(3, early=0)
        later = int((1_700_000_000 + run.now + 3600) * 1e6)
        run.redis.hset(run._keys[1], mapping={"next": later, "pace_at": later})

    run.at(10.0, leave_ahead)
    run.run(70.0)
    assert len([moment for moment in run.answered if moment > 12.0]) >= 0.75 * 3 * 58
    assert run.refusals <= 20
