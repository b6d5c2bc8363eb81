"""What was there during the whole walk comes exactly once, however requests, answers and moves of the list interleave.

Here the steps are drawn one by one: the list moves between two requests, while some are on their way, and while their
answers wait to be placed.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from periskope_async.errors import PaginationError
from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import Counts, Move, MovingList, Reading, SortBy

if TYPE_CHECKING:
    from unittest import TestCase

EXAMPLES = max(1000, settings.default.max_examples) if settings.default else 1000


class WalkMachine(RuleBasedStateMachine):
    reading: Reading
    is_lost = False
    """Whether the walk gave up on the offset."""

    @initialize(
        size=st.integers(0, 40),
        page_size=st.integers(1, 30),
        depth=st.integers(1, 16),
        sort_by=st.sampled_from(get_args(SortBy)),
        is_descending=st.booleans(),
        ties=st.sampled_from([0.0, 0.2, 0.8]),
        shuffles=st.booleans(),
        max_limit=st.sampled_from([10_000, 10_000, 7]),
        counts=st.sampled_from([*get_args(Counts), "total"]),
        tells_from=st.booleans(),
        has_whole_seconds=st.booleans(),
        tells_changes=st.booleans(),
        tells_date=st.booleans(),
        ignores_offset=st.sampled_from([False, False, False, False, True]),
        seed=st.integers(0, 1_000),
    )
    def begin(
        self,
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
        self.reading = Reading(walk, moving, depth=depth)
        # A list that sinks by a page a request looks like it, where no answer vouches for the offset.
        self.may_seem_to_ignore = ignores_offset or (min(page_size, max_limit) < 10 and not tells_from)

    @property
    def is_running(self) -> bool:
        return not (self.is_lost or self.reading.walk.is_over)

    @rule(kind=st.sampled_from(get_args(Move)), place=st.integers(0, 100))
    def move(self, *, kind: Move, place: int) -> None:
        self.reading.moving.move(kind, place=place)

    @precondition(lambda self: self.is_running)
    @rule()
    def ask(self) -> None:
        self.reading.ask()

    @precondition(lambda self: self.is_running and self.reading.uncut)
    @rule(which=st.integers(0, 15))
    def answer(self, *, which: int) -> None:
        uncut = self.reading.uncut
        self.reading.cut(uncut[which % len(uncut)])

    @precondition(lambda self: self.is_running and self.reading.is_next_there)
    @rule()
    def place(self) -> None:
        try:
            self.reading.place()
        except PaginationError:
            self.is_lost = True

    def teardown(self) -> None:
        if not hasattr(self, "reading"):
            return
        if self.is_running:
            try:
                self.reading.finish()
            except PaginationError:
                self.is_lost = True
        if self.is_lost:
            assert self.may_seem_to_ignore
        else:
            self.reading.check()


WalkMachine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=60)
TestWalk: type[TestCase] = WalkMachine.TestCase
