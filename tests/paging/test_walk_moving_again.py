"""Lists that keep moving while they are read again: what was there is met, and the walk ends."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from periskope_async.paging.page import Phase
from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import Counts, Move, MovingList, Reading, SortBy, drive, drive_steadily


@pytest.mark.parametrize("counts", ["total", "too many"])
@pytest.mark.parametrize("sort_by", get_args(SortBy))
def test_rows_that_keep_coming_are_not_chased(sort_by: SortBy, counts: Counts) -> None:
    moving = MovingList(rng=random.Random(1), size=5_000, sort_by=sort_by, ties=0.2, counts=counts, max_limit=500)
    walk = Walk(page_size=25)
    # Where the server counts more rows than there are, the end is not believed for four times as many pages.
    most_requests = 300 if counts == "total" else 1_200
    drive_steadily(walk, moving, depth=1, before_each=["insert"], most_requests=most_requests)
    assert walk.report.complete is not False


@pytest.mark.parametrize("kind", ["wake", "remove", "insert old"])
def test_what_moves_while_the_list_is_read_again(kind: Move) -> None:
    # Ties that change places during the first pass have rows missing at its end, so the list is read again, and what
    # moves meanwhile counts for that reading too.
    moving = MovingList(rng=random.Random(1), size=6_000, ties=0.9, shuffles=True, tells_changes=False, max_limit=2_000)
    reading = Reading(Walk(page_size=100), moving, depth=1, most_requests=200)
    while not reading.walk.is_over:
        reading.ask()
        moving.shuffles = reading.walk.report.passes == 1
        while not reading.is_next_there:
            moving.move(kind)
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    report = reading.walk.report
    assert report.passes >= 2
    # A row that leaves before it is met again may have been one that was there, and so may one that came before that.
    # And one that does not say when it came may have been away when that reading began.
    assert report.complete is None, report.why


def read_again_while_a_known_row(*, comes_back: bool, shuffles_again: bool) -> Reading:
    moving = MovingList(rng=random.Random(0), size=100, ties=1.0, max_limit=20)
    rows = {row.key: row for row in moving.rows}
    reading = Reading(Walk(page_size=20), moving, depth=1)
    main = again = 0
    while not reading.walk.is_over:
        reading.ask()
        phase = reading.uncut[0][0].phase
        main, again = main + (phase is Phase.FIRST), again + (phase is Phase.AGAIN)
        if phase is Phase.FIRST and main == 3:
            # Two that are unread change places to where was read.
            rows[70].rank, rows[71].rank = 25.4, 25.5
        elif phase is Phase.FIRST and main == 4:
            moving.move("remove", place=moving.rows.index(rows[5]))
        elif phase is Phase.AGAIN and again == 3 and shuffles_again:
            # One of them escapes that reading too, and one that it has met leaves.
            rows[71].rank = 95.5
            moving.move("remove", place=moving.rows.index(rows[90]))
            if comes_back:
                moving.left = [rows[5]]
                moving.move("return")
        reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    return reading


def test_who_left_and_comes_back_stands_in_for_nobody_while_the_list_is_read_again() -> None:
    reading = read_again_while_a_known_row(comes_back=True, shuffles_again=True)
    assert 71 not in reading.delivered
    assert reading.walk.report.complete is None
    reading = read_again_while_a_known_row(comes_back=False, shuffles_again=False)
    assert reading.walk.report.passes == 2
    assert reading.walk.report.complete is True, reading.walk.report.why


def test_rows_that_wake_up_before_they_are_met_do_not_end_the_search_for_those_that_change_places() -> None:
    # Such a row may have come since, so that the count at first tells no more. Ties that change places during the first
    # pass have the list read again, in two pages of 2,000.
    moving = MovingList(rng=random.Random(0), size=3_000, ties=0.2, shuffles=True, max_limit=2_000)
    reading = Reading(Walk(page_size=100), moving, depth=1, most_requests=200)
    while not reading.walk.is_over:
        reading.ask()
        moving.shuffles = reading.walk.report.passes == 1
        if moving.requests == 5:
            unread = next(row for row in moving.rows if row.created > 0.0 and row.key not in set(reading.delivered))
            moving.move("wake", place=moving.rows.index(unread))
        while not reading.is_next_there:
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert set(range(3_000)) == set(reading.delivered)
    assert reading.walk.report.complete is None
    assert "1 of the rows may have come" in reading.walk.report.why


@pytest.mark.parametrize("is_descending", [True, False])
def test_a_row_that_moves_to_where_was_read_and_not_to_the_head_is_not_taken_for_met(*, is_descending: bool) -> None:
    # More rows than one answer holds, which would tell.
    moving = MovingList(rng=random.Random(0), size=2_050, ties=0.0, sort_by="messaged", is_descending=is_descending)
    for row in moving.rows:
        row.messaged = 999_000.0 - 10 * row.key
    order = moving.order(is_descending=is_descending)
    walk = Walk(page_size=100, order=Order(is_newest_first=is_descending))
    reading = Reading(walk, moving, depth=1)
    while not walk.is_over:
        reading.ask()
        if moving.requests == 2:
            # A message that was sent long ago comes now, or the latest one is deleted; and a row that was met leaves.
            order[300].messaged, order[300].updated = (order[150].messaged or 0.0) + 5.0, moving.clock
            moving.move("remove", place=moving.rows.index(order[20]))
        while not reading.is_next_there:
            reading.cut(reading.uncut[0])
        reading.place()
    assert order[300].key not in reading.delivered
    assert walk.report.complete is None
    assert "the count fell from 2050 to 2049" in walk.report.why


@pytest.mark.parametrize("changes", ["not told", "told", "since", "no date"])
def test_rows_that_do_not_say_when_they_were_changed_may_have_come_since(changes: str) -> None:
    moving = MovingList(rng=random.Random(1), size=2_200, ties=0.9, tells_changes=changes != "not told")
    moving.tells_date = changes != "no date"
    if changes == "since":
        moving.rows[-1].updated = 1e12
    walk = Walk(page_size=200)
    assert len(drive(walk, moving, depth=4, moves=[])) == 2_200
    assert walk.report.complete is (True if changes == "told" else None), walk.report.why
    assert walk.report.passes == 1


@pytest.mark.parametrize("tells_changes", [True, False])
def test_where_tied_rows_join_pages_one_answer_that_holds_all_of_them_tells(*, tells_changes: bool) -> None:
    moving = MovingList(rng=random.Random(1), size=400, ties=0.9, tells_changes=tells_changes)
    walk = Walk(page_size=100)
    assert len(drive(walk, moving, depth=1, moves=[])) == 400
    assert walk.report.complete is True, walk.report.why
    assert walk.report.passes == (1 if tells_changes else 2)
    # Five pages that overlap, and the one that tells.
    assert moving.requests == (5 if tells_changes else 6)


@pytest.mark.parametrize("max_items", [400, 401])
def test_further_passes_ask_for_whole_pages_however_few_rows_are_wanted(max_items: int) -> None:
    for max_limit in (2_000, 100):
        moving = MovingList(rng=random.Random(1), size=400, ties=0.8, shuffles=True, max_limit=max_limit)
        walk = Walk(page_size=100, max_items=max_items)
        assert len(drive(walk, moving, depth=4, moves=[])) == 400
        assert moving.requests <= 30 if max_limit == 2_000 else 120


@pytest.mark.parametrize(("size", "ties", "most_requests"), [(2_000, 0.8, 22 + 12), (6_000, 0.8, 66 + 90)])
def test_ties_that_change_places_at_each_request_are_all_met_at_last(
    size: int, ties: float, most_requests: int
) -> None:
    for seed in range(3):
        moving = MovingList(rng=random.Random(seed), size=size, ties=ties, shuffles=True, max_limit=2_000)
        walk = Walk(page_size=100)
        delivered = drive(walk, moving, depth=4, moves=[])
        assert len(delivered) == len(set(delivered)) == size
        assert walk.report.complete is True
        assert walk.report.passes > 1
        assert moving.requests <= most_requests


def test_rows_that_the_server_only_counts_are_looked_for_once() -> None:
    moving = MovingList(rng=random.Random(1), size=2_000, ties=0.0, counts="too many", max_limit=2_000)
    walk = Walk(page_size=100)
    assert len(drive(walk, moving, depth=4, moves=[])) == 2_000
    assert (walk.report.complete, walk.report.passes) == (False, 2)
    assert "3 rows fewer" in walk.report.why
    # The pages and the look at the head, one pass in the largest pages, and after each of them three short ones, with
    # what is out behind them: a server that gives fewer rows from now on would look the same.
    assert moving.requests <= 22 + 10


def test_tied_rows_that_the_server_only_counts_do_not_cost_passes_without_end() -> None:
    moving = MovingList(rng=random.Random(1), size=10_000, ties=0.8, shuffles=True, counts="too many", max_limit=2_000)
    walk = Walk(page_size=100)
    assert len(drive(walk, moving, depth=4, moves=[])) == 10_000
    assert walk.report.complete is False
    assert walk.report.passes <= 24


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_wake_up_in_the_same_second_are_not_taken_for_ties_that_change_places(seed: int) -> None:
    # Those without a message stand first: by the time that the newest message is read, many rows have woken up.
    moving = MovingList(rng=random.Random(seed), size=400, sort_by="messaged", ties=0.6, has_whole_seconds=True)
    walk = Walk(page_size=20)
    drive_steadily(walk, moving, depth=1, before_each=["wake"] * 3, most_requests=60)
    assert walk.report.complete is True, walk.report.why
    # One answer that holds all rows tells that none was passed by where tied ones join pages; more there is not to do.
    assert walk.report.passes == 2


@pytest.mark.parametrize("counts", get_args(Counts))
@pytest.mark.parametrize("sort_by", get_args(SortBy))
@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("kind", ["insert", "insert silent", "insert old", "wake"])
def test_a_list_that_moves_before_each_request_is_not_read_for_ever(
    kind: Move, counts: Counts, sort_by: SortBy, *, is_descending: bool
) -> None:
    moving = MovingList(
        rng=random.Random(0), size=230, sort_by=sort_by, is_descending=is_descending, ties=0.3, counts=counts
    )
    walk = Walk(page_size=20, order=Order(is_newest_first=is_descending))
    drive_steadily(walk, moving, depth=4, before_each=[kind], most_requests=150)


@pytest.mark.parametrize("counts", ["page", "none"])
@pytest.mark.parametrize("page_size", [10, 100])
@pytest.mark.parametrize("inserts", [0.7, 0.8, 1.0, 1.2])
def test_a_list_that_gains_a_page_before_each_request_is_not_read_for_ever(
    counts: Counts, page_size: int, inserts: float
) -> None:
    moving = MovingList(rng=random.Random(0), size=230, counts=counts)
    walk = Walk(page_size=page_size)
    before_each: list[Move] = ["insert"] * int(inserts * page_size)
    drive_steadily(walk, moving, depth=2, before_each=before_each, most_requests=600)
    assert walk.report.complete is not True


# Seeds of which the first ones once gave a walk that claimed to be complete with a row missing.
