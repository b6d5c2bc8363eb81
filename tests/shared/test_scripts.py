"""The scripts: what they give, to whom, and that a server never counts more than it allows."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from periskope_async.limits.rate import RateLimit
from tests.limits.servers import FixedWindow, SlidingLog
from tests.shared.processes import Cluster, Process, cluster

if TYPE_CHECKING:
    from tests.limits.servers import Counted
    from tests.shared.stores import Store

FAR = (0.02, 0.03)
SLOW = (0.4, 0.5)


@pytest.mark.parametrize(("limit", "windows"), [(10, 12), (100, 6)])
@pytest.mark.parametrize("processes", [1, 2, 4, 8])
def test_processes_reach_the_limit(any_store: Store, limit: int, windows: int, processes: int) -> None:
    run = cluster(any_store, limit, processes, waiting=limit * windows // processes)
    run.run(60.0)
    assert run.refusals == 0
    assert len(run.answered) == limit * windows // processes * processes
    assert run.answered[-1] < 1.05 * (windows - 1)
    assert run.trips < 6 * len(run.answered), "one trip serves many"


@pytest.mark.parametrize(
    "ways",
    [{"to_redis": FAR}, {"answer": SLOW}, {"answer": SLOW, "to_redis": FAR}, {"to_server": (0.01, 0.02)}],
    ids=["far Redis", "slow answers", "both", "far server"],
)
def test_latency_costs_no_share_of_the_limit(store: Store, ways: dict[str, Any]) -> None:
    run = cluster(store, 100, 4, waiting=300, **ways)
    run.run(60.0)
    assert run.refusals == 0
    assert len(run.answered) == 1200
    assert len([moment for moment in run.answered if 2.0 < moment <= 10.0]) > 0.95 * 800


def test_any_kind_of_window_is_kept(store: Store) -> None:
    run = cluster(store, 20, 4, waiting=50, server=SlidingLog(20, 1.0))
    run.run(60.0)
    assert (run.refusals, len(run.answered)) == (0, 200)
    assert run.answered[-1] < 1.05 * 9


def test_a_longer_window_is_learnt(store: Store) -> None:
    run = cluster(store, 10, 4, waiting=15, server=FixedWindow(10, 3.0))
    run.run(60.0)
    assert (run.refusals, len(run.answered)) == (0, 60)
    assert run.answered[-1] < 1.05 * 15


class OddOnce(FixedWindow):
    """One answer after three seconds, at some place in its window, tells an end a minute away."""

    def __init__(self, limit: int, *, place: int) -> None:
        super().__init__(limit, 1.0)
        self.place: int | None = place

    def count(self, now: float) -> Counted:
        counted = super().count(now)
        if now < 3.0 or self.hits != self.place:
            return counted
        self.place = None
        return replace(counted, ends_at=now + 60)


@pytest.mark.parametrize("place", [1, 5, 10])
@pytest.mark.parametrize("processes", [1, 4])
def test_one_odd_answer_holds_nobody_up(store: Store, processes: int, place: int) -> None:
    run = cluster(store, 10, processes, waiting=120 // processes, server=OddOnce(10, place=place))
    run.run(60.0)
    assert (run.refusals, len(run.answered)) == (0, 120)
    assert run.answered[-1] < 1.05 * 11


@pytest.mark.parametrize(("limit", "window"), [(2, 5.0), (10, 5.0), (10, 30.0)])
def test_a_window_that_grows_is_learnt_in_time(store: Store, limit: int, window: float) -> None:
    run = cluster(store, limit, 4, waiting=100)
    run.at(4.5, lambda: setattr(run.server, "window", window))
    run.run(100.0)
    assert run.refusals == 0
    assert len(run.answered) > 0.9 * limit * (4.5 + 95.5 // window)


def test_nobody_starves(store: Store) -> None:
    """Each of 8 gets its share of a minute, also while one of them has far more to do."""
    run = cluster(store, 10, 8, waiting=1000)
    run.processes[0].waiting = 100_000
    run.run(60.0)
    shares = [len(process.answered) for process in run.processes]
    assert min(shares) >= 0.8 * sum(shares) / 8
    assert sum(shares) > 0.95 * 600
    assert run.refusals == 0


def test_what_one_does_not_need_others_get(store: Store) -> None:
    run = cluster(store, 100, 4, waiting=1)
    run.processes[0].waiting = 500
    run.run(30.0)
    assert len(run.answered) == 503
    assert run.answered[-1] < 1.08 * 5


def test_a_late_process_sends_no_probe(store: Store) -> None:
    run = cluster(store, 100, 1, waiting=1)
    run.run(2.0)
    late = run.add()
    late.waiting = 50
    run.run(4.0)
    assert len(late.answered) == 50
    assert late.answered[-1] - late.answered[0] < 0.1


def test_a_late_process_gets_its_share(store: Store) -> None:
    """It comes while two others use all of the limit, and one of them stops later."""
    run = cluster(store, 20, 2, waiting=1000)
    run.run(5.05)
    late = run.add(ahead=77.0)
    late.waiting = 1000
    run.run(15.0)
    # Of ten windows it has missed one at most: what was given ahead.
    assert len([moment for moment in late.answered if moment < 15.0]) >= 0.9 * 9 * 20 / 3
    first, second, _ = run.processes
    first.waiting = 0
    run.run(27.0)
    in_ten = [len([moment for moment in of.answered if 17.0 < moment <= 27.0]) for of in (second, late)]
    assert sum(in_ten) > 0.95 * 200
    assert min(in_ten) >= 0.8 * 100
    assert run.refusals == 0


def test_a_dead_process_takes_its_tokens_with_it_for_a_window(store: Store) -> None:
    run = cluster(store, 10, 2, waiting=200)
    run.at(3.05, run.processes[0].die)
    run.run(30.0)
    survivor = [moment for moment in run.processes[1].answered if moment > 6.0]
    # The lease and a window later all is the survivor's.
    assert len([moment for moment in survivor if moment < 12.0]) >= 58
    assert run.refusals == 0


def test_a_changed_limit_is_learnt_by_all(store: Store) -> None:
    run = cluster(store, 10, 4, waiting=100)
    run.at(3.5, lambda: setattr(run.server, "limit", 40))
    run.run(9.0)
    assert len([moment for moment in run.answered if 6.0 < moment < 8.0]) > 70
    assert run.refusals == 0
    run.at(9.5, lambda: setattr(run.server, "limit", 10))
    run.run(60.0)
    assert len(run.answered) == 400
    assert run.refusals <= 10, "what was on its way when the limit fell"


def test_foreign_use_lowers_the_budget_of_all(store: Store) -> None:
    run = cluster(store, 10, 4, waiting=100)

    def spend() -> None:
        for _ in range(4):
            run.server.count(run.now)
        run.at(run.now + 1.02, spend)

    run.at(0.3, spend)
    run.run(40.0)
    steady = [moment for process in run.processes for moment in process.refused if moment > 5.0]
    assert len(steady) <= 8
    assert len([moment for moment in run.answered if 10 < moment < 30]) > 80


def test_a_refusal_closes_the_budget_for_all(store: Store) -> None:
    run = cluster(store, 10, 4, waiting=30)
    # Somebody else has spent all of the window.
    for _ in range(10):
        run.server.count(0.0)
    run.run(30.0)
    assert run.refusals == 1, "the probe"
    assert len(run.answered) == 120


def test_a_reservation_may_be_made_twice(store: Store) -> None:
    run = Cluster(store.admin(), FixedWindow(10, 1.0), random.Random(1))
    process = run.add(assume=RateLimit(10, 1.0))
    replies: list[list[int]] = []
    for _ in range(2):
        question = process.budget.question(4, reserve=0.0)
        run._script(process, run._reserve, [process.name, *question], replies.append)
        run.run(run.now + 1e-3)
    assert replies[0][12:] == replies[1][12:]
    assert len(replies[0][12:]) == 4
    assert run.redis.zcard(run._keys[0]) == 4 + len(["mark"])


def test_what_is_free_is_told(store: Store) -> None:
    run = cluster(store, 10, 2, waiting=1)
    one, two = run.processes
    assert one.budget.remaining(0.0) == 1, "the probe"

    def remaining(process: Process) -> int:
        return process.budget.remaining(run.now + process.ahead)

    run.run(3.0)
    run.at(5.0, lambda: setattr(one, "waiting", 3))
    run.at(5.0, lambda: run._look(one))
    run.at(5.1, lambda: setattr(two, "waiting", 4))
    run.at(5.1, lambda: run._look(two))
    run.at(5.2, lambda: None)
    run.run(5.3)
    assert (remaining(one), remaining(two)) == (7, 3)
    # The others may use it, or not.
    run.at(6.2, lambda: None)
    run.run(6.3)
    assert (remaining(one), remaining(two)) == (10, 10)


def test_what_the_caller_assumes_needs_no_probe(store: Store) -> None:
    rng = random.Random(5)
    run = Cluster(store.admin(), FixedWindow(20, 1.0), rng)
    run.add(assume=RateLimit(20, 1.0)).waiting = 20
    run.run(0.9)
    assert len(run.answered) == 20


def test_all_keys_expire_and_lie_together(store: Store) -> None:
    run = cluster(store, 10, 2, waiting=15)
    run.run(0.5)
    keys = run.redis.keys("test:*")
    assert len(keys) == 4
    assert all(0 < run.redis.pttl(key) <= 3_600_000 for key in keys)
    assert len({key[: key.index("}")] for key in keys}) == 1


@pytest.mark.parametrize("seed", range(6))
def test_no_mix_of_ways_is_refused(store: Store, seed: int) -> None:
    """Processes come and die, with answers slow and quick, and trips that differ."""
    rng = random.Random(seed)
    limit = rng.choice([10, 20, 30])
    answer = rng.choice([(0.001, 0.01), (0.05, 0.3), (0.5, 1.5)])
    server = FixedWindow(limit, 1.0) if rng.random() < 0.5 else SlidingLog(limit, 1.0)
    run = Cluster(store.admin(), server, rng, answer=answer, to_redis=rng.choice([(0.0001, 0.001), FAR]))
    for _ in range(rng.randrange(1, 7)):
        process = run.add(ahead=rng.uniform(-1e4, 1e4))
        process.waiting = rng.randrange(1, 8 * limit)
        if rng.random() < 0.3:
            run.at(rng.uniform(0, 8), process.die)
    run.run(25.0)
    assert run.refusals == 0
    assert len(run.answered) > 0
