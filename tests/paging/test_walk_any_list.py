"""Lists that lack what the chats have: an opposite order, a sort time, or rows that say when they were changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

import pytest

from periskope_async.paging.page import Phase
from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import Move, MovingList, Reading, SortBy

if TYPE_CHECKING:
    from periskope_async.paging.page import Ask

BARE = Order(is_reversible=False, has_sort_time=False, says_updated_at=False)
LACKS = {
    "order": Order(is_reversible=False),
    "time": Order(has_sort_time=False),
    "updated_at": Order(says_updated_at=False),
    "all": BARE,
}


def read(
    lacks: str,
    *,
    seed: int = 0,
    moves: tuple[Move, ...] = (),
    size: int = 250,
    ties: float = 0.8,
    sort_by: SortBy = "created",
    shuffles: bool = False,
) -> tuple[Reading, list[Ask]]:
    """Walk over a list that moves at random, and check the walk; give what it asked for, too."""
    order = LACKS[lacks]
    moving = MovingList(
        rng=random.Random(seed),
        size=size,
        sort_by=sort_by,
        ties=1.0 if not order.has_sort_time else ties,
        shuffles=shuffles,
        tells_changes=order.says_updated_at,
    )
    reading = Reading(Walk(page_size=20, order=order), moving, depth=2, most_requests=500)
    asks: list[Ask] = []
    while not reading.walk.is_over:
        reading.ask()
        while not reading.is_next_there:
            cell = moving.rng.choice(reading.uncut)
            asks.append(cell[0])
            if moves and moving.rng.random() < 0.5:
                moving.move(moving.rng.choice(moves))
            reading.cut(cell)
        reading.place()
    reading.check()
    return reading, asks


@pytest.mark.parametrize("lacks", LACKS)
@pytest.mark.parametrize("size", [0, 1, 20, 250])
def test_a_list_at_rest_is_read_whole_and_known_to_be(lacks: str, size: int) -> None:
    reading, asks = read(lacks, size=size)
    report = reading.walk.report
    assert sorted(reading.delivered) == list(range(size))
    assert report.complete is True, report.why
    # 14 pages that overlap.
    assert len(asks) <= 14 + 1


@pytest.mark.parametrize("lacks", ["order", "all"])
def test_a_list_without_an_opposite_order_is_read_again_in_its_own(lacks: str) -> None:
    reading, asks = read(lacks, shuffles=True)
    assert sorted(reading.delivered) == list(range(250))
    assert reading.walk.report.passes > 1
    assert not any(ask.is_reversed for ask in asks if ask.phase is Phase.AGAIN)


@pytest.mark.parametrize("lacks", ["time", "all"])
@pytest.mark.parametrize("seed", range(20))
def test_a_list_without_a_sort_time_has_no_head_to_look_at(lacks: str, seed: int) -> None:
    _, asks = read(lacks, seed=seed, moves=("insert", "remove"))
    assert not any(ask.phase is Phase.HEAD for ask in asks)


@pytest.mark.parametrize("lacks", ["updated_at", "all"])
def test_where_rows_do_not_say_when_they_came_a_list_that_grew_is_not_known_to_be_whole(lacks: str) -> None:
    reading, _ = read(lacks, moves=("insert old",))
    report = reading.walk.report
    assert report.count_at_end != report.count_at_start
    assert report.complete is not True or report.why == "one answer held the whole list"


@pytest.mark.parametrize("lacks", LACKS)
@pytest.mark.parametrize("sort_by", get_args(SortBy))
@pytest.mark.parametrize("kinds", [("insert", "remove"), ("insert old", "remove"), ("wake",), ("hop", "remove")])
def test_no_walk_over_a_list_that_moves_claims_too_much_or_doubles_a_row(
    lacks: str, sort_by: SortBy, kinds: tuple[Move, ...]
) -> None:
    for seed in range(20):
        read(lacks, seed=seed, moves=kinds, sort_by=sort_by)
