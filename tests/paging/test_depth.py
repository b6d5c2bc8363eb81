"""How many pages are worth having out, by the limit, the latency and whoever reads the rows."""

from __future__ import annotations

import copy

import pytest

from periskope_async.paging.depth import Depth


def depth_for(*, latency: float, work: float, size: int = 1_000, pages: int = 20) -> Depth:
    """Have read pages that take ``latency`` to come and ``work`` seconds to read and to use."""
    depth, now = Depth(), 0.0
    for _ in range(pages):
        depth.came_back(now, are_all_here=False)
        depth.was_answered(latency, size=size)
        depth.was_read(work / 2)
        depth.went_out(now)
        now += work / 2
    return depth


@pytest.mark.parametrize(
    ("latency", "work", "per_second", "pages"),
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
    latency: float, work: float, per_second: float, pages: int
) -> None:
    assert depth_for(latency=latency, work=work).pages(requests_per_second=per_second, requests_at_once=1) == pages


@pytest.mark.parametrize(
    ("latency", "work", "per_second", "at_once", "pages"),
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
def test_a_burst_is_used_at_once(latency: float, work: float, per_second: float, at_once: int, pages: int) -> None:
    depth = depth_for(latency=latency, work=work)
    assert depth.pages(requests_per_second=per_second, requests_at_once=at_once) == pages


def test_a_burst_waits_until_the_caller_is_known() -> None:
    depth = Depth()
    depth.came_back(0.0, are_all_here=False)
    depth.was_answered(1.0, size=1_000)
    depth.was_read(0.001)
    depth.went_out(1.0)
    assert depth.pages(requests_per_second=4.0, requests_at_once=40) == 5
    quick, slow = copy.copy(depth), copy.copy(depth)
    quick.came_back(1.001, are_all_here=False)
    assert quick.pages(requests_per_second=4.0, requests_at_once=40) == 40
    slow.came_back(11.0, are_all_here=False)
    assert slow.pages(requests_per_second=4.0, requests_at_once=40) == 3


def test_nothing_is_known_before_the_first_answer() -> None:
    assert Depth().pages(requests_per_second=10.0, requests_at_once=1) == 1


def test_what_waits_stays_far_from_the_memorys_end() -> None:
    assert depth_for(latency=10.0, work=0.0, size=32 << 20).pages(requests_per_second=100.0, requests_at_once=1) == 2
    assert depth_for(latency=10.0, work=0.0, size=1).pages(requests_per_second=1e6, requests_at_once=1) == 256


def test_a_latency_that_pages_make_for_each_other_is_not_believed() -> None:
    depth = depth_for(latency=0.001, work=0.005)
    for _ in range(10):
        depth.was_answered(0.5, size=1_000)
    assert depth.pages(requests_per_second=1e6, requests_at_once=1) == 3


def test_of_large_pages_there_are_more_once_one_is_waited_for_and_fewer_once_all_have_come() -> None:
    depth = depth_for(latency=0.1, work=0.01, size=4 << 20)
    found = [depth.pages(requests_per_second=1e6, requests_at_once=1)]
    for what in ("", "waited for", "", "waited for", "waited for", "waited for", "", "all here", "all here", ""):
        depth.came_back(0.0, are_all_here=what == "all here")
        if what == "waited for":
            depth.was_waited_for(1.0, busy=0.1)
        found.append(depth.pages(requests_per_second=1e6, requests_at_once=1))
    # At the most what memory allows.
    assert found == [2, 2, 4, 4, 8, 16, 16, 16, 15, 14, 14]
    for _ in range(12):
        depth.came_back(0.0, are_all_here=True)
        depth.pages(requests_per_second=1e6, requests_at_once=1)
    assert depth.pages(requests_per_second=1e6, requests_at_once=1) == 2


@pytest.mark.parametrize(("busy", "pages"), [(0.0, 4), (0.49, 4), (0.51, 2), (1.0, 2)])
def test_of_large_pages_there_are_no_more_if_the_thread_was_busy_taking_them_in(busy: float, pages: int) -> None:
    depth = depth_for(latency=0.1, work=0.01, size=4 << 20)
    depth.was_waited_for(1.0, busy=busy)
    assert depth.pages(requests_per_second=1e6, requests_at_once=1) == pages


def test_small_pages_that_have_come_cost_nothing() -> None:
    depth = depth_for(latency=0.1, work=0.01)
    for _ in range(10):
        depth.came_back(0.0, are_all_here=True)
    assert depth.pages(requests_per_second=1e6, requests_at_once=1) == 23
