"""Pages at once, in virtual time: as fast as limit and latency allow, in order, and at no more than the look-ahead."""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING

import pytest

from periskope_async import (
    ClosedError,
    RateLimit,
    RateLimiter,
)
from tests.limits.servers import FixedWindow
from tests.paging.sources import ListSource, RefusedError, at_rest, order_of, pager_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from periskope_async.paging.page import Consistency
    from periskope_async.paging.pager import Pager
    from tests.paging.moving_list import Counts

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_left_over")]

SIZE = 95


async def seconds_of(pager: Pager[int]) -> float:
    """Walk to the end, and give the seconds that it took."""
    began = asyncio.get_running_loop().time()
    await pager.collect()
    return asyncio.get_running_loop().time() - began


def pages_needed(rows: int, page: int, overlap: int) -> int:
    """How many pages hold so many rows."""
    return 1 + max(0, math.ceil((rows - page) / (page - overlap)))


# -- as fast as limit and latency allow ------------------------------------------------------------------------------


@pytest.mark.parametrize("is_limited", [True, False])
@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize(("consistency", "rows"), [("exact", 1_797), ("dedupe", 1_997)])
async def test_two_hundred_pages_take_hardly_longer_than_the_floor(
    consistency: Consistency, rows: int, *, is_descending: bool, is_limited: bool
) -> None:
    moving = at_rest(rows, is_descending=is_descending)
    limiter = RateLimiter(assume=RateLimit(100, 1.0), rng=random.Random(1)) if is_limited else None
    source = ListSource(moving, latency=1.0, per_second=100.0, limiter=limiter, server=FixedWindow(100, 1.0))
    pager = pager_of(source, consistency=consistency)
    seconds = await seconds_of(pager)
    # All that were counted were met, and none has moved: the head is not looked at.
    assert pager.report.pages == len(source.asked) == 200
    assert pager.report.rows_placed == rows
    assert source.refused == 0 or not is_limited
    # One answer tells that there are more; the others are let through in two more windows.
    floor = 1.0 + 1.0 + 1.0
    assert seconds <= 1.1 * floor


@pytest.mark.parametrize(("consistency", "rows"), [("exact", 10 + 9 * 199), ("dedupe", 2_000)])
async def test_a_full_last_page_costs_no_further_round_trip(consistency: Consistency, rows: int) -> None:
    source = ListSource(at_rest(rows, is_descending=False), latency=1.0, per_second=100.0)
    assert await seconds_of(pager_of(source, consistency=consistency)) <= 1.1 * 3.0
    assert len(source.asked) <= 201 + (consistency == "exact")


@pytest.mark.parametrize("counts", ["page", "none"])
async def test_without_a_usable_count_the_look_ahead_doubles_with_each_full_page(counts: Counts) -> None:
    source = ListSource(at_rest(1_797, counts=counts), latency=1.0, per_second=100.0)
    pager = pager_of(source)
    began = asyncio.get_running_loop().time()
    pages_by: dict[int, int] = {}
    async with pager:
        async for _ in pager.pages():
            second = round(asyncio.get_running_loop().time() - began)
            pages_by[second] = pages_by.get(second, 0) + 1
    # Two pages in, it goes on as with a count; what is asked for beyond the end is at most the look-ahead.
    assert [pages_by[second] for second in (1, 2, 3)] == [1, 1, 2]
    assert max(pages_by) <= 7
    assert source.most_out <= 101
    assert len(source.asked) <= 200 + 1 + 101
    assert pager.report.rows_placed == 1_797


@pytest.mark.parametrize(
    ("per_second", "latency", "depth"), [(10.0, 0.5, 6), (10.0, 0.02, 2), (1.0, 3.0, 4), (0.1, 1, 2)]
)
async def test_as_many_are_out_as_the_limit_lets_through_during_one_answer(
    per_second: float, latency: float, depth: int
) -> None:
    source = ListSource(at_rest(SIZE), latency=latency, per_second=per_second)
    await pager_of(source).collect()
    # By Little's law, and one more.
    assert source.most_out == depth


@pytest.mark.parametrize(("limit", "window"), [(10, 1.0), (23, 2.0), (34, 10.0)])
@pytest.mark.parametrize("spread", [0.0, 0.3])
async def test_a_windows_budget_is_used_at_once(limit: int, window: float, spread: float) -> None:
    latencies = random.Random(1)
    source = ListSource(
        at_rest(20 + 17 * 99),
        latency=lambda _: latencies.uniform(1.0 - spread, 1.0 + spread),
        per_second=limit / window,
        at_once=limit,
        limiter=RateLimiter(assume=RateLimit(limit, window), rng=random.Random(1)),
        server=FixedWindow(limit, window),
    )
    seconds = await seconds_of(pager_of(source, page_size=20))
    # Two answers are waited for alone: the first, and the last look.
    floor = (math.ceil(len(source.asked) / limit) - 1) * window + 1.0
    assert seconds <= 1.1 * (floor + 2.0)
    assert source.refused == 0


async def test_a_slow_reader_has_few_pages_in_memory() -> None:
    source = ListSource(at_rest(400), latency=0.3, per_second=4.0, at_once=40)
    most = 0
    async for _ in pager_of(source).pages():
        await asyncio.sleep(10.0)
        most = max(most, source.pages_in_memory)
    assert most <= 5


async def test_large_pages_are_read_a_few_at_a_time() -> None:
    source = ListSource(at_rest(SIZE), latency=1.0, at_once=40, body_bytes=16 * 1024 * 1024)
    await pager_of(source).collect()
    assert source.most_out == 4


@pytest.mark.parametrize("prefetch", [1, 2, 5])
async def test_no_more_pages_are_out_than_asked_for(prefetch: int) -> None:
    # The walk goes back twice: for a page that failed, and for rows that left.
    moving = at_rest(SIZE)

    def remove_six(number: int) -> None:
        if number == 9:
            del moving.rows[-6:]

    source = ListSource(moving, latency=1.0, errors={2: RefusedError()}, before_page=remove_six)
    pager = pager_of(source, prefetch=prefetch)
    rows = aiter(pager)
    with pytest.raises(RefusedError):
        [row async for row in rows]
    assert len([row async for row in rows]) == SIZE - 10
    assert pager.report.steps_back >= 1
    assert source.most_out == prefetch


# -- in order, and in bounded memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [2, 7, None])
@pytest.mark.parametrize("seed", range(2))
async def test_rows_are_in_order_whatever_the_order_of_the_answers(prefetch: int | None, seed: int) -> None:
    rng = random.Random(seed)
    moving = at_rest(SIZE)
    source = ListSource(moving, latency=lambda _: rng.uniform(0.1, 5.0))
    assert await pager_of(source, prefetch=prefetch).collect() == order_of(moving)
    assert source.arrived != sorted(source.arrived)


@pytest.mark.parametrize("prefetch", [1, 3, 8])
@pytest.mark.parametrize("work", [0.0, 0.4, 10.0])
async def test_at_most_the_pages_ahead_and_the_one_at_hand_are_in_memory(prefetch: int, work: float) -> None:
    source = ListSource(at_rest(SIZE), latency=1.0)
    most = 0
    async for row in pager_of(source, prefetch=prefetch):
        del row
        await asyncio.sleep(work / 10)
        most = max(most, source.pages_in_memory)
    assert most <= prefetch + 1
    # They would be there, if anything held them.
    assert most >= min(prefetch, 2)


async def test_a_slow_consumer_has_its_next_page_ready() -> None:
    source = ListSource(at_rest(SIZE), latency=1.0)
    began = asyncio.get_running_loop().time()
    pages = 0
    async for _ in pager_of(source, prefetch=3, consistency="dedupe").pages():
        pages += 1
        await asyncio.sleep(5.0)
    assert pages == 10
    assert len(source.asked) == 10
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0 + 10 * 5.0)


async def test_one_page_after_another_is_asked_for_only_when_it_is_wanted() -> None:
    source = ListSource(at_rest(SIZE), latency=1.0)
    pager = pager_of(source, prefetch=1)
    async with pager:
        pages = 0
        async for _ in pager.pages():
            pages += 1
            await asyncio.sleep(5.0)
            if pages < 11:
                assert len(source.asked) == pages


# -- no more pages than needed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("consistency", "overlap"), [("exact", 1), ("dedupe", 0), ("none", 0)])
@pytest.mark.parametrize("prefetch", [1, 4, None])
async def test_max_items_asks_for_no_page_and_no_row_too_many(
    consistency: Consistency, overlap: int, prefetch: int | None
) -> None:
    moving = at_rest(SIZE)
    for most in (*range(1, 31), 64, 65, SIZE - 1, SIZE):
        source = ListSource(moving, latency=1.0)
        pager = pager_of(source, consistency=consistency, prefetch=prefetch, max_items=most)
        assert await pager.collect() == order_of(moving)[:most]
        pages = pages_needed(most, 10, overlap)
        assert len(source.asked) == pages, f"max_items={most}"
        assert sum(limit for _, limit in source.asked) == most + overlap * (pages - 1), f"max_items={most}"
        assert pager.report.complete is (False if most < SIZE else None)


@pytest.mark.parametrize("prefetch", [1, 4])
async def test_max_items_asks_for_no_page_too_many_where_the_server_gives_less_than_asked_for(prefetch: int) -> None:
    moving = at_rest(SIZE, max_limit=7)
    for most in range(1, 31):
        source = ListSource(moving, latency=1.0)
        assert await pager_of(source, prefetch=prefetch, max_items=most).collect() == order_of(moving)[:most]
        assert len(source.asked) == pages_needed(most, 7, 1), f"max_items={most}"


@pytest.mark.parametrize("prefetch", [1, 4, None])
async def test_a_max_items_beyond_the_end_costs_what_the_whole_walk_costs(prefetch: int | None) -> None:
    asked: list[list[int]] = []
    for most in (None, SIZE + 1, 10_000):
        source = ListSource(at_rest(SIZE), latency=1.0)
        pager = pager_of(source, prefetch=prefetch, max_items=most)
        assert len(await pager.collect()) == SIZE
        assert pager.report.complete is True
        asked.append([offset for offset, _ in source.asked])
    assert asked[0] == asked[1] == asked[2]


@pytest.mark.parametrize("size", [0, 1, 10, 95])
@pytest.mark.parametrize("offset", [0, 5])
async def test_first_and_count_ask_for_one_row(size: int, offset: int) -> None:
    moving = at_rest(size)
    source = ListSource(moving, latency=1.0)
    pager = pager_of(source, offset=offset, prefetch=16)
    assert await pager.first() == next(iter(order_of(moving)[offset:]), None)
    assert source.asked == [(offset, 1)]
    assert await pager.count() == size
    assert source.asked == [(offset, 1)] * 2


async def test_max_items_of_0_asks_for_nothing() -> None:
    source = ListSource(at_rest(SIZE))
    assert await pager_of(source, max_items=0).collect() == []
    assert source.asked == []


# -- ending early ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [1, 6])
@pytest.mark.parametrize("rows", [1, 10, 30])
@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_break_costs_at_most_the_look_ahead(prefetch: int, rows: int, *, is_closed: bool) -> None:
    source = ListSource(at_rest(SIZE), latency=1.0)
    pager = pager_of(source, prefetch=prefetch)
    read = 0
    async for _ in pager:
        read += 1
        if read == rows:
            # The next pages are on their way.
            await asyncio.sleep(0.1)
            break
    if is_closed:
        await pager.close()
    else:
        # The iterator has gone with the loop; its requests see their cancel in the next turn.
        await asyncio.sleep(0)
    assert source.out == 0
    asked = len(source.asked)
    assert asked <= pages_needed(rows, 10, 1) + (prefetch if prefetch > 1 else 0)
    await asyncio.sleep(10.0)
    assert len(source.asked) == asked


async def end_by(how: str, pager: Pager[int], rows: AsyncIterator[int]) -> None:
    if how == "pager":
        await pager.close()
    else:
        await rows.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - what an async generator has, and contextlib.aclosing asks for


@pytest.mark.parametrize("how", ["pager", "iterator"])
@pytest.mark.parametrize("prefetch", [1, 4])
async def test_closing_ends_a_waiting_consumer_with_an_error_that_says_so(how: str, prefetch: int) -> None:
    source = ListSource(at_rest(SIZE), latency=lambda number: 1.0 if number == 1 else 3600.0)
    pager = pager_of(source, prefetch=prefetch)
    rows = aiter(pager)
    taken: list[int] = []

    async def consume() -> None:
        async for row in rows:
            taken.append(row)  # noqa: PERF401 - counted while it goes on

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(2.0)
    assert len(taken) == 10
    await end_by(how, pager, rows)
    assert source.out == 0
    await asyncio.wait((consumer,))
    # Nobody has cancelled the consumer.
    assert not consumer.cancelled()
    assert isinstance(consumer.exception(), ClosedError)
    with pytest.raises(ClosedError):
        await anext(rows)


async def test_closing_between_two_rows_ends_the_walk_and_a_new_one_may_begin() -> None:
    moving = at_rest(SIZE)
    source = ListSource(moving, latency=1.0)
    pager = pager_of(source, prefetch=4)
    rows = aiter(pager)
    taken = [await anext(rows) for _ in range(3)]
    await pager.close()
    assert source.out == 0
    # What had been handed to the iterator may still come.
    with pytest.raises(ClosedError):
        taken.extend([row async for row in rows])
    assert taken == order_of(moving)[: len(taken)]
    assert await pager.collect() == order_of(moving)


async def test_two_walks_of_one_pager_at_once_do_not_mix() -> None:
    moving = at_rest(SIZE)
    source = ListSource(moving, latency=lambda number: 0.3 + number % 3)
    pager = pager_of(source, prefetch=3)

    async def walk(pause: float) -> list[int]:
        rows: list[int] = []
        async for row in pager:
            rows.append(row)
            await asyncio.sleep(pause)
        return rows

    for rows in await asyncio.gather(walk(0.05), walk(0.0), walk(0.2)):
        assert rows == order_of(moving)
