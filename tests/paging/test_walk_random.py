"""Random walks over lists that move in random ways: many more, and less various, than hypothesis makes of them.

The nightly profile runs 400,000 (``HYPOTHESIS_PROFILE=nightly``).
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import settings

from periskope_async.errors import PaginationError
from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import Counts, Move, MovingList, Reading, SortBy, StrangeMove

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNKS = 10

ALL_MOVES: list[Move | StrangeMove] = list(get_args(Move))
KINDS_OF_MOVES: list[list[Move | StrangeMove]] = [
    ALL_MOVES,
    ["insert", "hop", "remove"],
    ["insert old", "hop", "remove"],
    ["insert silent", "hop", "remove"],
    ["wake", "hop", "remove"],
    ["hop", "remove"],
    ["hop"],
    ["wake"],
    ["wake", "remove", "insert"],
    ["hop", "wake", "insert old"],
    ["hop", "hop", "hop", "insert old", "remove"],
]
# Wrong counts prove most where they are wrong, and are the rarer.
KINDS_OF_COUNTS: list[Counts] = [*get_args(Counts), "total", "total", "total"]

STRANGE_MOVES: list[list[Move | StrangeMove]] = [
    [*ALL_MOVES, *get_args(StrangeMove)],
    ["late", "remove", "insert"],
    ["sink", "remove", "wake"],
    ["hop", "remove", "return", "return"],
    ["remove", "return"],
    ["hop", "late", "sink", "remove"],
    ["remove"],
]


def walk_at_random(seed: int) -> None:
    """Read a list whose rows move as the API's are thought to do, by a server that gives as many rows each time."""
    rng = random.Random(seed)
    size = rng.randrange(71) if rng.random() < 0.8 else rng.randrange(100, 300)
    page_size, depth = rng.randrange(1, 21), rng.choice([1, 1, 2, 3, 5, 16])
    moving = MovingList(
        rng=rng,
        size=size,
        sort_by=rng.choice(get_args(SortBy)),
        is_descending=rng.random() < 0.6,
        ties=rng.choice([0, 0.2, 0.8, 1.0]),
        shuffles=rng.random() < 0.15,
        max_limit=rng.choice([10_000, 10_000, 7]),
        counts=rng.choice(KINDS_OF_COUNTS),
        tells_from=rng.random() < 0.5,
        has_whole_seconds=rng.random() < 0.5,
        tells_changes=rng.random() < 0.8,
        tells_date=rng.random() < 0.9,
    )
    if page_size == 1 and moving.counts == "page":
        # Nothing tells a page of one row that counts itself from a list of one row.
        return
    walk = Walk(page_size=page_size, order=Order(is_newest_first=moving.is_descending))
    read_at_random(walk, moving, KINDS_OF_MOVES, depth=depth)


def walk_strangely(seed: int) -> None:
    """Read a list whose rows may move anywhere, and come back, by a server that may give fewer rows from now on."""
    rng = random.Random(seed)
    size = rng.choice([rng.randrange(1, 20), rng.randrange(71), rng.randrange(60, 200)])
    page_size, depth = rng.choice([rng.randrange(1, 8), rng.randrange(2, 21), 20, 30, 40]), rng.choice([1, 1, 2, 5, 16])
    # A server may give fewer rows from now on, and fewer still: limits fall, and do not rise.
    falls = rng.choice([0, 0, 1, 2])
    falls_at = sorted(rng.sample(range(1, 12), falls))
    limits = dict(zip(falls_at, sorted(rng.sample(range(1, 31), falls), reverse=True), strict=True))
    moving = MovingList(
        rng=rng,
        size=size,
        sort_by=rng.choice(get_args(SortBy)),
        is_descending=rng.random() < 0.6,
        ties=rng.choice([0, 0, 0.2, 0.8, 1.0]),
        max_limit=10_000 if limits else rng.choice([10_000, 10_000, 19, 7]),
        # A list that is counted too low ends at its count, as far as anybody can tell, where a limit falls there.
        counts=rng.choice(["total", "total", "page", "none", "too many", "none" if limits else "too few"]),
        has_whole_seconds=rng.random() < 0.5,
        tells_changes=rng.random() < 0.85,
        tells_date=rng.random() < 0.9,
        limits=limits,
    )
    walk = Walk(page_size=page_size, order=Order(is_newest_first=moving.is_descending))
    read_at_random(walk, moving, STRANGE_MOVES, depth=depth)


def read_at_random(
    walk: Walk, moving: MovingList, kinds_of_moves: list[list[Move | StrangeMove]], *, depth: int
) -> None:
    """Move the list in bursts, in any place or near its head, while pages are cut in any order."""
    rng = moving.rng
    kinds, likelihood = rng.choice(kinds_of_moves), rng.choice([0.05, 0.2, 0.5, 0.9])
    reading = Reading(walk, moving, depth=depth, most_requests=3_000)
    is_near, burst, left = rng.random() < 0.5, rng.choice([1, 2, 3, 4]), rng.randrange(1, 60)
    while not walk.is_over:
        reading.ask()
        while not reading.is_next_there:
            entry = rng.choice(reading.uncut)
            if left > 0 and rng.random() < likelihood:
                for _ in range(burst):
                    left -= 1
                    moving.move(rng.choice(kinds), place=rng.randrange(6) if is_near else None)
            reading.cut(entry)
        reading.place()
    reading.check()


@pytest.mark.parametrize("walk", [walk_at_random, walk_strangely])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_random_walk_claims_what_is_not_so(chunk: int, walk: Callable[[int], None]) -> None:
    for number in range(settings().max_examples):
        seed = chunk * 1_000_000 + number
        # A list that gives the same page again may be taken for a server that ignores the offset.
        with contextlib.suppress(PaginationError):
            try:
                walk(seed)
            except AssertionError as error:
                raise AssertionError(f"{walk.__name__}({seed}): {error}") from error


def test_a_walk_that_has_met_many_rows_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("periskope_async.paging.walk.MANY_KEYS", 10)
    for walk in (walk_at_random, walk_strangely):
        test_no_random_walk_claims_what_is_not_so(0, walk)


# In both the count is too low, and the walk, which gives up before the end, has met as many rows as that by then.
@pytest.mark.parametrize("seed", [400007473, 400084424])
def test_what_was_found_once_is_not_claimed_again(seed: int) -> None:
    walk_at_random(seed)
