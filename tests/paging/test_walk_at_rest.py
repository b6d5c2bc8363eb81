"""A list that stands still is read once and in order, whatever the server makes of count and limit."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

import pytest
from msgspec.structs import replace

from periskope_async.paging.page import Phase
from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import Counts, MovingList, Reading, drive

if TYPE_CHECKING:
    from periskope_async.paging.page import Consistency, Page


@pytest.mark.parametrize("size", [0, 1, 4, 5, 9, 10, 11, 95, 99, 100, 101, 1000])
@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("counts", ["total", "page", "none"])
@pytest.mark.parametrize(
    ("consistency", "max_limit"),
    # Only the exact walk can tell a server that clamps the limit and counts the page from a list that ends.
    [("exact", 10_000), ("exact", 7), ("dedupe", 10_000), ("none", 10_000)],
)
def test_every_row_once_and_in_order(
    size: int, depth: int, counts: Counts, max_limit: int, consistency: Consistency
) -> None:
    moving = MovingList(rng=random.Random(1), size=size, ties=0.0, max_limit=max_limit, counts=counts)
    walk = Walk(page_size=10, consistency=consistency)
    assert drive(walk, moving, depth=depth, moves=[]) == [row.key for row in moving.order(is_descending=True)]
    assert walk.report.rows_placed == size
    # An empty list needs no count. The count of a page of one row may be that of the list.
    is_told = counts == "total" or size == 0 or (counts == "page" and size == 1)
    assert walk.report.complete is (True if is_told and consistency == "exact" else None)


def test_tied_rows_join_pages_beyond_doubt_only_where_a_count_tells() -> None:
    cases: list[tuple[Counts, bool | None]] = [("total", True), ("none", None), ("page", None)]
    for counts, expected in cases:
        moving = MovingList(rng=random.Random(1), size=1000, ties=1.0, counts=counts)
        walk = Walk(page_size=40)
        assert len(drive(walk, moving, depth=1, moves=[])) == 1000
        assert walk.report.complete is expected, walk.report.why


def test_tied_rows_that_are_met_again_in_their_places_speak_for_the_others_while_rows_come() -> None:
    moving = MovingList(rng=random.Random(1), size=1000, ties=1.0)
    walk = Walk(page_size=40)
    delivered = drive(walk, moving, depth=1, moves=["insert"])
    assert set(range(1000)) <= set(delivered)
    assert walk.report.complete is True, walk.report.why


@pytest.mark.parametrize("offset", [1, 8, 10, 37, 95, 99, 150])
@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("counts", get_args(Counts))
@pytest.mark.parametrize("is_descending", [True, False])
def test_from_an_offset_on_no_row_before_it_is_given(
    offset: int, depth: int, counts: Counts, *, is_descending: bool
) -> None:
    moving = MovingList(rng=random.Random(1), size=95, ties=0.0, counts=counts, is_descending=is_descending)
    walk = Walk(page_size=10, offset=offset, order=Order(is_newest_first=is_descending))
    rows = [row.key for row in moving.order(is_descending=is_descending)]
    assert drive(walk, moving, depth=depth, moves=[]) == rows[offset:]
    assert walk.report.complete is None


@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
@pytest.mark.parametrize(("page_size", "offset"), [(1, 1), (10, 10), (100, 100)])
def test_from_an_offset_on_an_empty_last_page_is_the_end(page_size: int, offset: int, consistency: Consistency) -> None:
    moving = MovingList(rng=random.Random(1), size=300, ties=0.8)
    walk = Walk(page_size=page_size, offset=offset, consistency=consistency)
    rows = [row.key for row in moving.order(is_descending=True)]
    assert drive(walk, moving, depth=3, moves=[]) == rows[offset:]


def test_from_an_offset_on_rows_that_sink_from_above_stand_in_for_nobody() -> None:
    # Pages of one row, of which nothing is seen that moves: six come in above, and go again when the end was near.
    moving = MovingList(rng=random.Random(1), size=10, ties=0.0)
    reading = Reading(Walk(page_size=1, offset=5), moving, depth=1)
    there = {row.key for row in moving.order(is_descending=True)[5:]}
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == 1:
            for _ in range(6):
                moving.move("insert")
        if moving.requests == 8:
            for row in moving.order(is_descending=True)[:6]:
                moving.move("remove", place=moving.rows.index(row))
        reading.cut(reading.uncut[0])
        reading.place()
    assert there - moving.gone - set(reading.delivered)
    assert reading.walk.report.complete is not True


def test_from_an_offset_on_what_moves_leaves_a_doubt() -> None:
    for seed in range(300):
        moving = MovingList(rng=random.Random(seed), size=95, ties=0.0, sort_by="messaged")
        before = [row.key for row in moving.order(is_descending=True)]
        walk = Walk(page_size=10, offset=40)
        first = walk.next_ask(1)
        assert first is not None
        answer = moving.page(first)
        delivered = [answer.keys[index] for index in walk.place(first, answer)]
        delivered += drive(walk, moving, depth=1, moves=["wake", "remove"])
        missing = set(before[40:]) - moving.gone - set(delivered)
        assert not missing or walk.report.complete is not True


@pytest.mark.parametrize(("consistency", "most_a_page"), [("none", 0), ("dedupe", 25), ("exact", 25)])
def test_newest_first_hardly_a_row_is_asked_for_its_sort_time(consistency: Consistency, most_a_page: int) -> None:
    # Each one asked for has its part of the page decoded, though nobody wants it yet.
    moving = MovingList(rng=random.Random(1), size=5_000, ties=0.8)
    walk = Walk(page_size=500, consistency=consistency)
    most_asked = 0
    while (ask := walk.next_ask(1)) is not None:
        answer = moving.page(ask)
        asked: list[int] = []

        def time_of(index: int, answer: Page[int] = answer, asked: list[int] = asked) -> float | None:
            asked.append(index)
            return answer.sort_time(index)

        walk.place(ask, replace(answer, sort_time=time_of))
        if ask.phase is Phase.FIRST:
            most_asked = max(most_asked, len(asked))
    assert walk.is_over
    assert most_asked <= most_a_page
