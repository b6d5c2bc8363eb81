"""How many pages are worth having out, by the limit, the latency and whoever reads the rows."""

from __future__ import annotations

import copy

import pytest

from periskope_async.paging.pace import Pace


def paced(*, latency: float, work: float, size: int = 1_000, pages: int = 20) -> Pace:
    """Have read pages that take ``latency`` to come and ``work`` seconds to read and to use."""
    pace, now = Pace(), 0.0
    for _ in range(pages):
        pace.came_back(now, are_all_here=False)
        pace.was_answered(latency, size=size)
        pace.was_read(work / 2)
        pace.went_out(now)
        now += work / 2
    return pace


@pytest.mark.parametrize(
    ("latency", "work", "per_second", "depth"),
    [
        # What the limit lets pass during one answer, and a spare.
        (1.0, 0.0, 100.0, 101),
        (0.02, 0.0, 10.0, 2),
        (1.0, 0.001, 10.0, 11),
        # Nobody can read as fast as a server without a limit answers: pages would only wait for each other.
        (0.001, 0.005, 1e6, 3),
        (0.1, 0.01, 1e6, 23),
        # A caller that takes its time needs one page at hand, and one under way.
        (0.5, 10.0, 100.0, 3),
    ],
)
def test_as_many_as_the_limit_allows_and_the_reader_can_take(
    latency: float, work: float, per_second: float, depth: int
) -> None:
    assert paced(latency=latency, work=work).depth(requests_per_second=per_second, requests_at_once=1) == depth


@pytest.mark.parametrize(
    ("latency", "work", "per_second", "at_once", "depth"),
    [
        # The larger of the two.
        (1.0, 0.001, 11.5, 23, 23),
        (1.0, 0.001, 100.0, 23, 101),
        # Not more than memory allows, or than the caller can take.
        (1.0, 0.0, 10.0, 1_000, 256),
        (0.5, 10.0, 10.0, 40, 3),
        (0.1, 0.01, 10.0, 40, 23),
    ],
)
def test_a_burst_is_used_at_once(latency: float, work: float, per_second: float, at_once: int, depth: int) -> None:
    pace = paced(latency=latency, work=work)
    assert pace.depth(requests_per_second=per_second, requests_at_once=at_once) == depth


def test_a_burst_waits_until_the_caller_is_known() -> None:
    pace = Pace()
    pace.came_back(0.0, are_all_here=False)
    pace.was_answered(1.0, size=1_000)
    pace.was_read(0.001)
    pace.went_out(1.0)
    assert pace.depth(requests_per_second=4.0, requests_at_once=40) == 5
    quick, slow = copy.copy(pace), copy.copy(pace)
    quick.came_back(1.001, are_all_here=False)
    assert quick.depth(requests_per_second=4.0, requests_at_once=40) == 40
    slow.came_back(11.0, are_all_here=False)
    assert slow.depth(requests_per_second=4.0, requests_at_once=40) == 3


def test_nothing_is_known_before_the_first_answer() -> None:
    assert Pace().depth(requests_per_second=10.0, requests_at_once=1) == 1


def test_what_waits_stays_far_from_the_memorys_end() -> None:
    assert paced(latency=10.0, work=0.0, size=32 << 20).depth(requests_per_second=100.0, requests_at_once=1) == 2
    assert paced(latency=10.0, work=0.0, size=1).depth(requests_per_second=1e6, requests_at_once=1) == 256


def test_a_latency_that_pages_make_for_each_other_is_not_believed() -> None:
    pace = paced(latency=0.001, work=0.005)
    for _ in range(10):
        pace.was_answered(0.5, size=1_000)
    assert pace.depth(requests_per_second=1e6, requests_at_once=1) == 3


def test_of_large_pages_there_are_more_once_one_is_waited_for_and_fewer_once_all_have_come() -> None:
    pace = paced(latency=0.1, work=0.01, size=4 << 20)
    depths = [pace.depth(requests_per_second=1e6, requests_at_once=1)]
    for what in ("", "waited for", "", "waited for", "waited for", "waited for", "", "all here", "all here", ""):
        pace.came_back(0.0, are_all_here=what == "all here")
        if what == "waited for":
            pace.was_waited_for(1.0, busy=0.1)
        depths.append(pace.depth(requests_per_second=1e6, requests_at_once=1))
    # At the most what memory allows.
    assert depths == [2, 2, 4, 4, 8, 16, 16, 16, 15, 14, 14]
    for _ in range(12):
        pace.came_back(0.0, are_all_here=True)
        pace.depth(requests_per_second=1e6, requests_at_once=1)
    assert pace.depth(requests_per_second=1e6, requests_at_once=1) == 2


@pytest.mark.parametrize(("busy", "depth"), [(0.0, 4), (0.49, 4), (0.51, 2), (1.0, 2)])
def test_of_large_pages_there_are_no_more_if_the_thread_was_busy_taking_them_in(busy: float, depth: int) -> None:
    pace = paced(latency=0.1, work=0.01, size=4 << 20)
    pace.was_waited_for(1.0, busy=busy)
    assert pace.depth(requests_per_second=1e6, requests_at_once=1) == depth


def test_small_pages_that_have_come_cost_nothing() -> None:
    pace = paced(latency=0.1, work=0.01)
    for _ in range(10):
        pace.came_back(0.0, are_all_here=True)
    assert pace.depth(requests_per_second=1e6, requests_at_once=1) == 23
