"""The walk against a list that is changed between pages: nothing lost, nothing doubled, or the report says so."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from periskope_async.errors import PaginationError
from periskope_async.paging.ask import Answered, Ask
from periskope_async.paging.walk import Walk

if TYPE_CHECKING:
    from periskope_async.paging.ask import Consistency

EXAMPLES = max(1000, settings.default.max_examples) if settings.default else 1000


@dataclass
class MovingList:
    """A list of numbered rows, newest first, that answers pages as the server does."""

    rows: list[int]
    rng: random.Random
    max_limit: int = 10_000
    counts: str = "total"
    shuffles: bool = False
    requests: int = 0
    next_row: int = 1_000_000
    gone: set[int] = field(default_factory=set[int])
    clock: float = 1_000_000.0
    times: dict[int, float] = field(default_factory=dict[int, float])

    def page(self, ask: Ask) -> Answered:
        self.requests += 1
        self.clock += 5.0
        rows = self.rows
        if self.shuffles:
            rows = sorted(rows, key=lambda _: self.rng.random())
        if ask.is_reversed:
            rows = rows[::-1]
        keys = rows[ask.offset : ask.offset + min(ask.limit, self.max_limit)]
        return Answered(
            keys=keys,
            count={"total": len(self.rows), "page": len(keys), "none": None}[self.counts],
            first_index=ask.offset + 1 if keys else 0,
            time_of=lambda index: self.times.get(keys[index], -float(keys[index])),
            date=float(int(self.clock)),
        )

    def wake(self) -> None:
        if self.rows:
            row = self.rows.pop(self.rng.randrange(len(self.rows)))
            self.rows.insert(0, row)
            self.times[row] = self.clock

    def insert(self) -> None:
        self.next_row += 1
        self.rows.insert(0, self.next_row)
        self.times[self.next_row] = self.clock

    def remove(self) -> None:
        if self.rows:
            self.gone.add(self.rows.pop(self.rng.randrange(len(self.rows))))


def run(walk: Walk, moving: MovingList, *, depth: int, moves: list[str], per_page: int = 1) -> list[int]:
    """Drive a walk; after each answer the list moves as ``moves`` says, in turn."""
    out: list[tuple[Ask, Answered]] = []
    delivered: list[int] = []
    turn = 0
    steps = 0
    while not walk.is_over:
        steps += 1
        assert steps < 5_000, "the walk does not end"
        while (ask := walk.next_ask(depth)) is not None:
            out.append((ask, moving.page(ask)))
            for _ in range(per_page):
                if turn < len(moves):
                    getattr(moving, moves[turn])()
                    turn += 1
        assert out, "the walk is not over and asks for nothing"
        ask, answer = out.pop(0)
        delivered += [answer.keys[index] for index in walk.place(ask, answer)]
        if walk.must_restart:
            out.clear()
            walk.drop_asked()
    return delivered


@pytest.mark.parametrize("size", [0, 1, 4, 5, 9, 10, 11, 95, 99, 100, 101, 1000])
@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("counts", ["total", "page", "none"])
@pytest.mark.parametrize(
    ("consistency", "max_limit"),
    # Only the exact walk can tell a server that clamps the limit and counts the page from a list that ends.
    [("exact", 10_000), ("exact", 7), ("dedupe", 10_000), ("none", 10_000)],
)
def test_a_list_at_rest_is_read_once_and_in_order(
    size: int, depth: int, counts: str, max_limit: int, consistency: Consistency
) -> None:
    moving = MovingList(list(range(size)), random.Random(1), max_limit=max_limit, counts=counts)
    walk = Walk(page_size=10, consistency=consistency)
    assert run(walk, moving, depth=depth, moves=[]) == list(range(size))
    assert walk.report.rows_placed == size
    assert walk.report.complete is (True if consistency == "exact" else None)


@given(
    size=st.integers(0, 60),
    page_size=st.integers(1, 20),
    depth=st.integers(1, 6),
    moves=st.lists(st.sampled_from(["wake", "insert", "remove"]), max_size=60),
    per_page=st.integers(1, 4),
    seed=st.integers(0, 1000),
    counts=st.sampled_from(["total", "total", "page", "none"]),
)
@settings(max_examples=EXAMPLES)
def test_what_was_there_all_along_is_delivered_exactly_once_or_the_report_says_so(
    size: int, page_size: int, depth: int, moves: list[str], per_page: int, seed: int, counts: str
) -> None:
    moving = MovingList(list(range(size)), random.Random(seed), counts=counts)
    walk = Walk(page_size=page_size)
    try:
        delivered = run(walk, moving, depth=depth, moves=moves, per_page=per_page)
    except PaginationError:
        return
    assert len(delivered) == len(set(delivered))
    stayed = set(range(size)) - moving.gone
    missing = stayed - set(delivered)
    if walk.report.complete is True:
        assert not missing
