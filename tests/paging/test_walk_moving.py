"""What was there all along is delivered exactly once, or the report says that it is not known, and why."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import event, given, settings, strategies as st

from periskope_async.errors import PaginationError
from periskope_async.paging.page import Phase
from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import Counts, Move, MovingList, Reading, SortBy, drive

if TYPE_CHECKING:
    from periskope_async.paging.page import Ask, Consistency

EXAMPLES = max(1000, settings.default.max_examples) if settings.default else 1000

moves = st.lists(st.sampled_from(get_args(Move)), max_size=60)


@given(
    size=st.integers(0, 70),
    page_size=st.integers(1, 20),
    depth=st.integers(1, 16),
    sort_by=st.sampled_from(get_args(SortBy)),
    is_descending=st.booleans(),
    ties=st.sampled_from([0.0, 0.2, 0.8]),
    shuffles=st.booleans(),
    max_limit=st.sampled_from([10_000, 10_000, 7]),
    counts=st.sampled_from(get_args(Counts)),
    tells_from=st.booleans(),
    has_whole_seconds=st.booleans(),
    tells_changes=st.booleans(),
    tells_date=st.booleans(),
    ignores_offset=st.sampled_from([False, False, False, False, True]),
    moves=moves,
    seed=st.integers(0, 1_000),
)
@settings(max_examples=EXAMPLES)
def test_every_row_exactly_once_or_the_report_says_so(
    *,
    size: int,
    page_size: int,
    depth: int,
    sort_by: SortBy,
    is_descending: bool,
    ties: float,
    shuffles: bool,
    max_limit: int,
    counts: Counts,
    tells_from: bool,
    has_whole_seconds: bool,
    tells_changes: bool,
    tells_date: bool,
    ignores_offset: bool,
    moves: list[Move],
    seed: int,
) -> None:
    moving = MovingList(
        rng=random.Random(seed),
        size=size,
        sort_by=sort_by,
        is_descending=is_descending,
        ties=ties,
        shuffles=shuffles,
        max_limit=max_limit,
        counts=counts,
        tells_from=tells_from,
        has_whole_seconds=has_whole_seconds,
        tells_changes=tells_changes,
        tells_date=tells_date,
        ignores_offset=ignores_offset,
    )
    walk = Walk(page_size=page_size, order=Order(is_newest_first=is_descending))
    try:
        delivered = drive(walk, moving, depth=depth, moves=moves)
    except PaginationError:
        # A list that sinks by a page a request looks like it, where no answer vouches for the offset.
        assert ignores_offset or (page_size < 10 and not tells_from)
        event("the server ignores the offset, or so it seems")
        return
    event(f"complete is {walk.report.complete}")
    assert len(delivered) == len(set(delivered)) == walk.report.rows_placed
    missing = set(range(size)) - moving.gone - set(delivered)
    if walk.report.complete is True:
        assert not missing, walk.report.why
    assert walk.report.why
    assert walk.report.pages == moving.requests or depth > 1


@given(
    size=st.integers(0, 70),
    page_size=st.integers(2, 20),
    depth=st.integers(1, 16),
    sort_by=st.sampled_from(get_args(SortBy)),
    is_descending=st.booleans(),
    counts=st.sampled_from(["total", "none"]),
    max_limit=st.sampled_from([10_000, 7]),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=200)
def test_a_list_at_rest_is_complete_and_in_order(
    *,
    size: int,
    page_size: int,
    depth: int,
    sort_by: SortBy,
    is_descending: bool,
    counts: Counts,
    max_limit: int,
    seed: int,
) -> None:
    moving = MovingList(
        rng=random.Random(seed),
        size=size,
        sort_by=sort_by,
        is_descending=is_descending,
        counts=counts,
        max_limit=max_limit,
    )
    walk = Walk(page_size=page_size, order=Order(is_newest_first=is_descending))
    delivered = drive(walk, moving, depth=depth, moves=[])
    assert delivered == [row.key for row in moving.order(is_descending=is_descending)]
    # It takes a count to tell a list at rest from one whose rows jump about.
    assert walk.report.complete is True or counts == "none"
    report = walk.report
    assert (report.duplicates, report.inserted, report.removed, report.caught_up, report.steps_back) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("kind", ["wake", "insert", "remove"])
@pytest.mark.parametrize("sort_by", get_args(SortBy))
@pytest.mark.parametrize("is_descending", [True, False])
def test_what_moves_in_an_orderly_way_leaves_no_doubt(kind: Move, sort_by: SortBy, *, is_descending: bool) -> None:
    for seed in range(20):
        moving = MovingList(rng=random.Random(seed), size=400, sort_by=sort_by, is_descending=is_descending, ties=0.0)
        walk = Walk(page_size=40, order=Order(is_newest_first=is_descending))
        # Oldest first, what wakes up jumps ahead: only one page after another leaves no doubt.
        delivered = drive(walk, moving, depth=3 if is_descending else 1, moves=[kind] * 15)
        assert set(range(400)) - moving.gone <= set(delivered)
        assert walk.report.complete is True, walk.report.why


def test_oldest_first_a_known_row_that_woke_up_joins_no_page() -> None:
    # The last row of the first page wakes up and goes to the end, another leaves: the second page is that row alone.
    moving = MovingList(rng=random.Random(66), size=4, sort_by="messaged", is_descending=False, ties=0.0, counts="none")
    walk = Walk(page_size=3, order=Order(is_newest_first=False))
    delivered = drive(walk, moving, depth=16, moves=["remove", "wake", "remove", "remove"])
    assert set(range(4)) - moving.gone <= set(delivered) or walk.report.complete is not True


Found = tuple[int, SortBy, bool, float, bool, int, Counts, int, int, str]


@pytest.mark.parametrize(
    "found",
    [
        # A first page that a clamp cut short, and a count that lies, look like a list of one page.
        (6, "messaged", True, 0.2, False, 10_000, "too few", 3, 16, "wwwwwwwrrwwrrr"),
        (8, "messaged", True, 0.8, False, 10_000, "too few", 5, 16, "wwwwiwiw"),
        # Pages cut in another order than asked for: a row that woke up joins none, neither as new nor as old.
        (30, "messaged", True, 0.8, False, 7, "too few", 9, 3, "iiwiwiiiwwwiiwiwwwwwwiww"),
        (7, "messaged", True, 0.8, False, 2, "page", 4, 8, "wiisw"),
        # The end of the list, told by a later answer, says nothing of what lay behind an earlier one.
        (5, "messaged", True, 0.2, False, 2, "none", 2, 8, "wwrwrwrwrrwrwr"),
        # One row of a tied group, and it is not the neighbour of the first new one.
        (7, "created", False, 0.8, True, 10_000, "page", 5, 16, ""),
        (24, "created", False, 0.8, True, 10_000, "none", 20, 1, ""),
        # Tied rows that change places in the moment in which one above them leaves.
        (45, "created", False, 0.2, True, 7, "too few", 16, 5, "rsssrrsssrsrrsrssrsssrsrrsrs"),
        (47, "created", True, 0.2, True, 7, "total", 17, 6, "srrsrssrrrssssssrrsssrssrs"),
        (26, "created", False, 0.8, True, 10_000, "total", 18, 4, "riisws"),
    ],
)
def test_walks_that_are_easily_taken_for_complete(found: Found) -> None:
    size, sort_by, is_descending, ties, shuffles, max_limit, counts, page_size, depth, letters = found
    names: dict[str, Move] = {"w": "wake", "i": "insert", "s": "insert silent", "r": "remove"}
    for seed in range(300):
        moving = MovingList(
            rng=random.Random(seed),
            size=size,
            sort_by=sort_by,
            is_descending=is_descending,
            ties=ties,
            shuffles=shuffles,
            max_limit=max_limit,
            counts=counts,
            tells_from=bool(seed % 2),
        )
        walk = Walk(page_size=page_size, order=Order(is_newest_first=is_descending))
        try:
            delivered = drive(walk, moving, depth=depth, moves=[names[letter] for letter in letters])
        except PaginationError:
            continue
        missing = set(range(size)) - moving.gone - set(delivered)
        assert not missing or walk.report.complete is not True, (seed, walk.report)


@pytest.mark.parametrize("sort_by", get_args(SortBy))
def test_ties_that_change_places_at_rest_are_found_by_the_count(sort_by: SortBy) -> None:
    complete = 0
    for seed in range(20):
        # Few enough ties that going over the list once more can find them all.
        moving = MovingList(rng=random.Random(seed), size=200, sort_by=sort_by, ties=0.1, shuffles=True)
        walk = Walk(page_size=40)
        delivered = drive(walk, moving, depth=3, moves=[])
        assert len(delivered) == len(set(delivered))
        if walk.report.complete:
            complete += 1
            assert set(delivered) == set(range(200))
        else:
            assert "rows fewer" in walk.report.why or "changed places" in walk.report.why
    assert complete >= 3


@pytest.mark.parametrize("ties", [0.0, 0.8])
def test_many_pages_out_over_a_list_that_shrinks_pass_nothing_by(ties: float) -> None:
    # The page that joins two others is cut long after the one behind it, which shows what has left since: among tied
    # rows that looks as if they changed places.
    for seed in range(10):
        moving = MovingList(rng=random.Random(seed), size=5_000, ties=ties)
        reading = Reading(Walk(page_size=50), moving, depth=100)
        while not reading.walk.is_over:
            reading.ask()
            while reading.uncut:
                for _ in range(3):
                    moving.move("remove")
                reading.cut(reading.uncut[0])
            reading.place()
        reading.check()
        assert set(range(5_000)) - moving.gone <= set(reading.delivered)
        assert reading.walk.report.steps_back
        assert reading.walk.report.complete is None


@pytest.mark.parametrize("is_silent", [False, True])
def test_who_comes_with_an_old_time_or_none_stands_in_for_nobody(*, is_silent: bool) -> None:
    for seed in range(100):
        moving = MovingList(
            rng=random.Random(seed),
            size=200,
            ties=0.0 if is_silent else 0.8,
            shuffles=True,
            sort_by="messaged" if is_silent else "created",
            max_limit=20,
        )
        for row in moving.rows[:160] if is_silent else ():
            row.messaged = 500_000.0
        reading = Reading(Walk(page_size=20), moving, depth=1)
        while not reading.walk.is_over:
            reading.ask()
            if moving.requests == 3:
                for _ in range(5):
                    moving.move("insert silent" if is_silent else "insert old")
            if moving.requests == 10:
                for key in reading.delivered[:5]:
                    place = next((place for place, row in enumerate(moving.rows) if row.key == key), None)
                    if place is not None:
                        moving.move("remove", place=place)
            while not reading.is_next_there:
                reading.cut(reading.uncut[0])
            reading.place()
        reading.check()


def one_is_passed_by_and_one_leaves(reading: Reading, *, rows_ago: int) -> None:
    """Put an unread row before all that it is tied to, and take one away that was read so many rows ago."""
    moving = reading.moving
    known = set(reading.delivered)
    next(row for row in moving.rows if row.created == 0.0 and row.key not in known).rank = -1e9
    moving.move("remove", place=[row.key for row in moving.rows].index(reading.delivered[-rows_ago]))


def test_one_tied_row_that_moves_while_another_leaves_is_not_taken_for_met() -> None:
    missed = 0
    for seed in range(100):
        # No answer holds them all: that would tell.
        moving = MovingList(rng=random.Random(seed), size=2_200, ties=0.9)
        reading = Reading(Walk(page_size=200), moving, depth=1)
        while not reading.walk.is_over:
            reading.ask()
            if moving.requests == 8:
                one_is_passed_by_and_one_leaves(reading, rows_ago=150)
            reading.cut(reading.uncut[0])
            reading.place()
        reading.check()
        missed += len(set(range(2_200)) - moving.gone - set(reading.delivered))
    assert missed


def test_a_row_that_woke_up_behind_the_known_ones_does_not_vouch_for_them() -> None:
    # The second page begins with two rows without a message and one that has just got one: these are of two keys, but
    # another row without a message may stand above them all the same.
    moving = MovingList(rng=random.Random(1), size=131, sort_by="messaged", ties=0.0)
    *silent, passed_by = moving.rows[:31]
    for rank, row in enumerate((*silent, passed_by)):
        row.messaged, row.rank = None, rank
    reading = Reading(Walk(page_size=30), moving, depth=1)
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == 1:
            moving.move("wake", place=moving.rows.index(silent[2]))
            moving.move("remove", place=moving.rows.index(silent[4]))
            passed_by.rank = -1.0
        reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    # It is met in the answer that is to tell.
    assert passed_by.key in reading.delivered
    assert reading.walk.report.passes == 2


def one_of_each_between_two_requests(seed: int, *, max_limit: int = 10_000) -> Reading:
    """Read a list in which a row comes, another leaves and ties change places, all before the same answer."""
    rng = random.Random(seed)
    size, page_size = rng.randrange(8, 40), rng.randrange(2, 6)
    moving = MovingList(rng=rng, size=size, sort_by="messaged", ties=0.8, max_limit=max_limit)
    reading = Reading(Walk(page_size=page_size), moving, depth=1)
    at = rng.randrange(1, 4)
    moves: list[Move] = ["insert", "hop", "hop", "remove"]
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == at:
            for kind in moves:
                moving.move(kind, place=rng.randrange(4))
        while not reading.is_next_there:
            reading.cut(reading.uncut[0])
        reading.place()
    return reading


# In the first two, nothing of it shows: every page joins the one before, and the count stays what it was.
@pytest.mark.parametrize("seed", [142, 263, *range(100)])
def test_who_comes_hides_nobody_who_is_passed_by_though_as_many_leave(seed: int) -> None:
    one_of_each_between_two_requests(seed, max_limit=6).check()
    # One answer that holds the whole list has them all.
    reading = one_of_each_between_two_requests(seed)
    reading.check()
    assert reading.walk.report.complete is True, reading.walk.report.why


def one_comes_one_leaves_and_one_is_passed_by(*, size: int) -> Reading:
    moving = MovingList(rng=random.Random(1), size=size, ties=0.9)
    reading = Reading(Walk(page_size=100), moving, depth=1)
    while not reading.walk.is_over:
        reading.ask()
        if moving.requests == 8:
            moving.move("insert old")
            one_is_passed_by_and_one_leaves(reading, rows_ago=50)
        reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert reading.walk.report.count_at_end == reading.walk.report.count_at_start == size
    return reading


def test_who_comes_may_stand_in_for_who_is_passed_by_where_the_list_is_read_once() -> None:
    reading = one_comes_one_leaves_and_one_is_passed_by(size=2_200)
    report = reading.walk.report
    # Nothing of it shows: pages join, the count stays what it was, and that many rows were met.
    assert report.rows_placed == 2_200
    assert (report.duplicates, report.inserted, report.removed, report.steps_back) == (0, 0, 0, 0)
    assert len(set(range(2_200)) - reading.moving.gone - set(reading.delivered)) == 1
    assert report.complete is None
    assert "may have come after the first answer" in report.why
    # 23 pages: what would tell for certain costs more than one request.
    assert (report.pages, report.passes) == (23, 1)


def test_where_one_answer_holds_all_it_is_asked_for_and_who_was_passed_by_is_met() -> None:
    reading = one_comes_one_leaves_and_one_is_passed_by(size=1_900)
    report = reading.walk.report
    # 20 pages, and the one that tells.
    assert (report.pages, report.passes) == (21, 2)
    assert report.rows_placed == 1_901
    assert set(range(1_900)) - reading.moving.gone <= set(reading.delivered)
    assert report.complete is True
    assert report.why == "one answer held the whole list"


@pytest.mark.parametrize("seed", [122, 544, 600, 704, 1370, 2216, 2458, 2525, *range(100)])
def test_pages_that_do_not_come_for_their_size_hide_no_row(seed: int) -> None:
    rng = random.Random(seed)
    page_size = rng.choice([4, 8, 10, 20])
    is_descending = rng.random() < 0.7
    moving = MovingList(
        rng=rng,
        size=200,
        sort_by=rng.choice(["created", "messaged"]),
        is_descending=is_descending,
        ties=rng.choice([0, 0.3]),
        max_limit=rng.choice([10_000, page_size - 1, page_size * 3 // 4]),
        counts=rng.choice(["total", "none", "page"]),
        tells_from=rng.random() < 0.5,
    )
    walk = Walk(page_size=page_size, order=Order(is_newest_first=is_descending))
    depth = rng.choice([1, 2, 4])
    choices: list[list[Move]] = [["remove"], ["wake"], ["remove", "wake"], ["remove", "insert"], ["wake", "insert"]]
    kinds = rng.choice(choices)
    moves, share = rng.choice([1, 2, 4]), rng.choice([0.5, 0.2])
    reading = Reading(walk, moving, depth=depth)
    while not walk.is_over:
        reading.ask()
        if reading.lose_page_above(page_size):
            continue
        while not reading.is_next_there:
            if rng.random() < share:
                for _ in range(moves):
                    moving.move(rng.choice(kinds))
            reading.cut(rng.choice(reading.uncut))
        reading.place()
    reading.check()


@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
@pytest.mark.parametrize("tells_from", [True, False])
@pytest.mark.parametrize("size", [2, 10, 25, 100])
@pytest.mark.parametrize("shuffles", [True, False])
def test_an_ignored_offset_is_an_error_and_never_endless(
    consistency: Consistency, size: int, *, tells_from: bool, shuffles: bool
) -> None:
    if shuffles and (size > 10 or consistency != "exact"):
        # Then each answer may hold other rows of the many, and nobody could tell.
        return
    moving = MovingList(
        rng=random.Random(1),
        size=size,
        ignores_offset=True,
        counts="none",
        tells_from=tells_from,
        shuffles=shuffles,
    )
    walk = Walk(page_size=10, consistency=consistency)
    if size < 10:
        # One answer held the whole list.
        assert set(drive(walk, moving, depth=1, moves=[], most_requests=50)) == set(range(size))
        assert walk.report.complete is None
        return
    with pytest.raises(PaginationError, match="ignore"):
        drive(walk, moving, depth=1, moves=[], most_requests=50)


@pytest.mark.parametrize("sort_by", get_args(SortBy))
@pytest.mark.parametrize("is_descending", [True, False])
def test_a_list_at_rest_costs_hardly_more_requests_than_a_plain_loop(sort_by: SortBy, *, is_descending: bool) -> None:
    moving = MovingList(rng=random.Random(1), size=10_000, sort_by=sort_by, is_descending=is_descending, ties=0.2)
    walk = Walk(page_size=100, order=Order(is_newest_first=is_descending))
    assert len(drive(walk, moving, depth=4, moves=[])) == 10_000
    assert walk.report.complete is True
    assert walk.report.pages <= 1.05 * 100


@pytest.mark.parametrize("seed", range(10))
def test_the_head_is_found_at_once_where_rows_without_a_time_wake_up(seed: int) -> None:
    # They stand before the head, so it moves up with each of them.
    moving = MovingList(rng=random.Random(seed), size=4_000, sort_by="messaged", ties=0.3)
    walk = Walk(page_size=400)
    looks: set[Ask] = set()
    reading = Reading(walk, moving, depth=1)
    while not walk.is_over:
        reading.ask()
        looks |= {ask for ask in walk.out if ask.phase is Phase.HEAD}
        while not reading.is_next_there:
            for _ in range(40):
                moving.move("wake")
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
    assert len(looks) <= 4
