"""A list that stands still is read once and in order, whatever the server makes of count and limit."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from periskope_async.paging.walk import Walk
from tests.paging.moving_list import MovingList, drive

if TYPE_CHECKING:
    from periskope_async.paging.ask import Consistency
    from tests.paging.moving_list import Counts


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
    assert walk.report.complete is (True if consistency == "exact" else None)
