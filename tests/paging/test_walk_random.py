"""Random walks over lists that move in random ways: many more, and less various, than hypothesis makes of them.

The nightly profile runs 200,000 (``HYPOTHESIS_PROFILE=nightly``).
"""

from __future__ import annotations

import contextlib
import random
from typing import get_args

import pytest
from hypothesis import settings

from periskope_async.errors import PaginationError
from periskope_async.paging.walk import Walk
from tests.paging.moving_list import Counts, Move, MovingList, Reading, SortBy

CHUNKS = 10

ALL_MOVES: list[Move] = list(get_args(Move))
KINDS_OF_MOVES: list[list[Move]] = [
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


def walk_at_random(seed: int) -> None:
    """Read a list that is moved in bursts, in any place or near its head, while pages are cut in any order."""
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
    walk = Walk(page_size=page_size, is_newest_first=moving.is_descending)
    kinds, likelihood = rng.choice(KINDS_OF_MOVES), rng.choice([0.05, 0.2, 0.5, 0.9])
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


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_random_walk_claims_what_is_not_so(chunk: int) -> None:
    for number in range(settings().max_examples):
        seed = chunk * 1_000_000 + number
        # A list that gives the same page again may be taken for a server that ignores the offset.
        with contextlib.suppress(PaginationError):
            try:
                walk_at_random(seed)
            except AssertionError as error:
                raise AssertionError(f"walk_at_random({seed}): {error}") from error


# In both the count is too low, and the walk, which gives up before the end, has met as many rows as that by then.
@pytest.mark.parametrize("seed", [400007473, 400084424])
def test_what_was_found_once_is_not_claimed_again(seed: int) -> None:
    walk_at_random(seed)
