"""Where the list ends: a server that gives fewer rows from now on cuts pages short anywhere, and that is no end."""

from __future__ import annotations

import random
from itertools import combinations, product
from typing import TYPE_CHECKING, get_args

import pytest

from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import Counts, MovingList, Reading, SortBy, drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.paging.page import Consistency


@pytest.mark.parametrize(
    ("size", "page_size", "counts", "most", "limits"),
    [
        # It gave few rows before, and gives no more than pages share from just there on; no count tells.
        (300, 100, "none", 50, {2: 3}),
    ],
)
def test_fewer_rows_from_just_there_on_are_not_taken_for_the_end(
    size: int, page_size: int, counts: Counts, most: int, limits: dict[int, int]
) -> None:
    moving = MovingList(rng=random.Random(0), size=size, ties=0.0, counts=counts, max_limit=most, limits=limits)
    reading = Reading(Walk(page_size=page_size), moving, depth=1)
    reading.finish()
    reading.check()


@pytest.mark.parametrize("counts", ["total", "page", "none"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10])
def test_a_limit_that_drops_to_what_pages_share_is_not_taken_for_the_end(counts: Counts, limit: int) -> None:
    for at in range(2, 6):
        moving = MovingList(rng=random.Random(0), size=90, ties=0.0, counts=counts, limits={at: limit})
        walk = Walk(page_size=30)
        delivered = drive(walk, moving, depth=1, moves=[])
        assert set(delivered) == set(range(90)) or walk.report.complete is not True
        assert limit < 2 or set(delivered) == set(range(90))


def test_a_limit_that_drops_to_what_pages_share_where_rows_leave_is_not_taken_for_the_end() -> None:
    moving = MovingList(rng=random.Random(0), size=600, ties=0.0, counts="none")
    reading = Reading(Walk(page_size=100), moving, depth=1)
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests < 4:
            # The next page shares more rows than that with this one.
            for _ in range(12):
                moving.move("remove", place=len(moving.rows) - 1)
        else:
            moving.max_limit = 20
        while not reading.is_next_there:
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert set(range(600)) - moving.gone <= set(reading.delivered)


@pytest.mark.parametrize("counts", ["total", "page", "none"])
@pytest.mark.parametrize("consistency", ["exact", "dedupe"])
def test_a_server_that_gives_less_than_half_from_now_on_is_read_to_the_end(
    counts: Counts, consistency: Consistency
) -> None:
    moving = MovingList(rng=random.Random(0), size=3_000, counts=counts)
    reading = Reading(Walk(page_size=100, consistency=consistency), moving, depth=1)
    while not reading.walk.is_over:
        reading.ask()
        moving.max_limit = 100 if moving.requests < 3 else 45
        reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert len(reading.delivered) == 3_000


@pytest.mark.parametrize("counts", ["total", "page", "none"])
@pytest.mark.parametrize("inserts", range(10, 20))
def test_a_page_of_known_rows_that_is_shorter_than_those_before_is_no_end(counts: Counts, inserts: int) -> None:
    moving = MovingList(rng=random.Random(0), size=300, ties=0.0, counts=counts)
    reading = Reading(Walk(page_size=20), moving, depth=1)
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == 3:
            # It gives fewer rows from now on, just when as many came in above.
            moving.max_limit = 15
            for _ in range(inserts):
                moving.move("insert")
        while not reading.is_next_there:
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert set(range(300)) <= set(reading.delivered)


def falls(most: int) -> Iterator[dict[int, int]]:
    """Give every way for the limit to fall, once or twice, within the first requests."""
    for times in (1, 2):
        for when, to in product(combinations(range(1, 6), times), combinations(range(min(most, 9) - 1, 0, -1), times)):
            yield dict(zip(when, to, strict=True))


@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("offset", [0, 2])
@pytest.mark.parametrize("counts", ["total", "page", "none"])
@pytest.mark.parametrize("page_size", [3, 5, 10])
def test_however_the_limit_falls_no_walk_is_taken_for_complete_that_is_not(
    page_size: int, counts: Counts, offset: int, *, is_descending: bool
) -> None:
    # All that there is to try: a limit may fall to just what a wrong count leaves, or to what pages share.
    for size, most in product((2, 3, 5, 6, 8, 9, 11, 13), (10_000, 5)):
        for limits in falls(most):
            moving = MovingList(
                rng=random.Random(0),
                size=size,
                is_descending=is_descending,
                ties=0.0,
                counts=counts,
                max_limit=most,
                limits=limits,
            )
            walk = Walk(page_size=page_size, offset=offset, order=Order(is_newest_first=is_descending))
            delivered = drive(walk, moving, depth=1 + size % 2, moves=[], most_requests=200)
            behind = {row.key for row in moving.order(is_descending=is_descending)[offset:]}
            assert set(delivered) == behind or walk.report.complete is not True, (size, most, limits)


@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("size", range(1, 10))
def test_a_list_that_one_page_holds_takes_one_request_more_to_know_it(size: int, *, is_descending: bool) -> None:
    moving = MovingList(rng=random.Random(0), size=size, is_descending=is_descending)
    reading = Reading(Walk(page_size=10, order=Order(is_newest_first=is_descending)), moving, depth=1)
    reading.finish()
    report = reading.walk.report
    assert (report.complete, report.why, report.pages) == (True, "every row that was counted at first was met", 2)


def test_a_row_that_rises_above_the_end_of_the_first_page_is_met_though_that_was_as_long_as_its_count() -> None:
    moving = MovingList(rng=random.Random(0), size=10, sort_by="messaged", ties=0.0, max_limit=7, counts="page")
    moving.is_descending = False
    reading = Reading(Walk(page_size=10, order=Order(is_newest_first=False)), moving, depth=1, most_requests=20)
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == 1:
            moving.move("wake", place=[row.key for row in moving.rows].index(reading.delivered[0]))
        while not reading.is_next_there:
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert len(reading.delivered) == 10


def test_rows_that_come_behind_the_first_page_are_met_though_that_was_as_long_as_its_count() -> None:
    moving = MovingList(rng=random.Random(0), size=9, is_descending=False)
    reading = Reading(Walk(page_size=10, order=Order(is_newest_first=False)), moving, depth=1)
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == 1:
            moving.move("insert")
        reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert len(reading.delivered) == 10
    assert reading.walk.report.complete is True


@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize(("size", "requests"), [(7, 2), (95, 11)])
def test_a_server_that_counts_nothing_where_it_gives_nothing_is_not_misjudged(
    size: int, requests: int, *, is_descending: bool
) -> None:
    moving = MovingList(rng=random.Random(0), size=size, is_descending=is_descending, ties=0.0, counts_empty=False)
    walk = Walk(page_size=10, order=Order(is_newest_first=is_descending))
    assert len(drive(walk, moving, depth=1, moves=[])) == size
    report = walk.report
    assert (report.complete, report.count_at_end) == (True, size)
    assert report.pages == requests


def test_where_rows_leave_a_count_that_is_too_low_is_not_taken_for_that_of_a_list_of_one_page() -> None:
    # Nine rows of twelve, as many as are counted; then three are left out of sight, and three others leave.
    moving = MovingList(rng=random.Random(0), size=12, ties=0.0, counts="too few", max_limit=9, limits={3: 1})
    reading = Reading(Walk(page_size=10), moving, depth=1)
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == 1:
            for key in reading.delivered[:3]:
                moving.move("remove", place=[row.key for row in moving.rows].index(key))
        while not reading.is_next_there:
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()


@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("size", [1_000, 1_300])
@pytest.mark.parametrize("sort_by", get_args(SortBy))
def test_where_most_rows_have_no_time_two_pages_take_two_requests(
    size: int, sort_by: SortBy, *, is_descending: bool
) -> None:
    moving = MovingList(rng=random.Random(0), size=size, sort_by=sort_by, is_descending=is_descending, ties=0.9)
    walk = Walk(page_size=800, order=Order(is_newest_first=is_descending))
    assert len(drive(walk, moving, depth=1, moves=[])) == size
    assert walk.report.complete is True, walk.report.why
    assert walk.report.pages == 2
