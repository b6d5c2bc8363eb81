"""A list at rest costs no more requests, and is not said to move, whatever the Date headers are worth."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from periskope_async.limits.headers import LimitHeaders
from periskope_async.paging.walk import Walk
from periskope_async.wire.order import Order
from tests.paging.moving_list import MovingList, Reading
from tests.paging.sources import ListSource, order_of, pager_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async.paging.page import Ask, Page
    from periskope_async.paging.report import WalkReport
    from tests.paging.moving_list import SortBy

BEGAN = 1_000_000.0
HOUR = 3_600.0

# Given the number of the request and what the time is, what the answer's Date says.
DATES: dict[str, Callable[[int, float], float | None]] = {
    "right": lambda _, now: now,
    "none": lambda _number, _now: None,
    "none at first": lambda number, now: None if number == 1 else now,
    "only at first": lambda number, now: now if number == 1 else None,
    "on each other answer": lambda number, now: now if number % 2 else None,
    "on each other answer, not the first": lambda number, now: None if number % 2 else now,
    "stands still": lambda _number, _now: BEGAN,
    "stood still for a day": lambda _number, _now: BEGAN - 24 * HOUR,
    "an hour ahead": lambda _, now: now + HOUR,
    "an hour behind": lambda _, now: now - HOUR,
    "goes backwards": lambda number, _: BEGAN - number,
    "begins in 1970": lambda _number, _now: 0.0,
}

# Given a row's key, its sort time: long ago, or minutes before the walk.
TIMES: dict[str, Callable[[int], float | None]] = {
    "all alike": lambda _: 0.0,
    "all alike, minutes ago": lambda _: BEGAN - 300.0,
    "most alike": lambda key: 0.0 if key % 10 else 1_000.0 + key,
    "most alike, minutes ago": lambda key: BEGAN - 300.0 + (0 if key % 10 else key / 1e4),
    "all different": lambda key: 1_000.0 + key,
    "all within a second, minutes ago": lambda key: BEGAN - 300.0 + key / 1e5,
    "none": lambda _: None,
    "every other none": lambda key: None if key % 2 else 0.0,
}


class DatedList(MovingList, kw_only=True):
    """A list whose answers say what they like of the time."""

    date_of: Callable[[int, float], float | None]

    def page(self, ask: Ask) -> Page[int]:
        answer = super().page(ask)
        date = self.date_of(self.requests, float(int(self.clock)))
        return replace(answer, meta=replace(answer.meta, rate_limit=LimitHeaders(server_time=date)))


def dated(size: int, *, date: str, times: str, sort_by: SortBy = "created", is_descending: bool = True) -> DatedList:
    moving = DatedList(
        rng=random.Random(1),
        size=size,
        ties=0.0,
        sort_by=sort_by,
        is_descending=is_descending,
        date_of=DATES[date],
    )
    for row in moving.rows:
        time = TIMES[times](row.key)
        # Every row has a time of its creation.
        row.created, row.messaged = time or 0.0, time
        row.updated = time or 0.0
    return moving


def read(moving: DatedList, *, page_size: int) -> tuple[int, WalkReport]:
    """Read a list that rests, in order; give how many requests that took, and the report."""
    order = Order(is_newest_first=moving.is_descending)
    reading = Reading(Walk(page_size=page_size, order=order), moving, depth=4)
    reading.finish()
    assert reading.delivered == order_of(moving)
    return moving.requests, reading.walk.report


@pytest.mark.parametrize("is_descending", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("sort_by", ["created", "messaged"])
@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("date", DATES)
def test_a_list_at_rest_is_never_said_to_move(date: str, times: str, sort_by: SortBy, *, is_descending: bool) -> None:
    moving = dated(2_100, date=date, times=times, sort_by=sort_by, is_descending=is_descending)
    requests, report = read(moving, page_size=100)
    # Pages overlap by three rows; and at the end there is a peek behind it, and a look or two at the head.
    assert requests <= 1 + -(-2_000 // 97) + 3
    assert report.complete is not False
    assert not any(word in report.why for word in ("moves", "changing", "fast", "missing", "fewer were")), report.why
    if date in {"right", "only at first"} and "minutes" not in times:
        assert report.complete is True


@pytest.mark.parametrize("page_size", [100, 1_000, 2_000])
@pytest.mark.parametrize("date", ["none", "on each other answer, not the first", "begins in 1970"])
def test_a_long_list_of_one_sort_time_costs_one_look(date: str, page_size: int) -> None:
    moving = dated(10 * page_size, date=date, times="all alike")
    requests, report = read(moving, page_size=page_size)
    beside, _ = read(dated(10 * page_size, date="right", times="all alike"), page_size=page_size)
    # A list that one answer holds is read once more, to be sure of it.
    assert requests <= beside + (moving.size < 2_000)
    assert report.complete is True if moving.size < 2_000 else "Date" in report.why


@pytest.mark.looptime
async def test_rows_that_woke_are_caught_up_without_a_date() -> None:
    moving = dated(400, date="none", times="all different", sort_by="messaged")

    def wake(number: int) -> None:
        # From the far end of the list, where the walk has not been.
        if number == 4:
            for key in range(150):
                moving.move("wake", place=key)

    source = ListSource(moving, before_page=wake)
    pager = pager_of(source, page_size=50, prefetch=1)
    rows = await pager.collect()
    assert sorted(rows) == list(range(400))
    assert pager.report.complete is not False
