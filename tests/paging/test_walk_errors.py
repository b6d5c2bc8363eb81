"""Cancels and errors of a walk, in virtual time: nothing is lost, and nothing left over."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import BodyError, ClosedError, ServerError, TimeoutError_
from tests.paging.sources import ListSource, RefusedError, at_rest, order_of, pager_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_left_over")]

SIZE = 95


async def next_of(rows: AsyncIterator[int]) -> int:
    return await anext(rows)


async def ticks(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def sixths(number: int) -> None:
    await asyncio.sleep(number / 6)


@pytest.mark.parametrize("prefetch", [1, 4, None])
@pytest.mark.parametrize(("latency", "pause"), [(0.0, ticks), (1.0, sixths)])
async def test_a_cancel_at_any_moment_loses_nothing_and_leaves_nothing(
    prefetch: int | None, latency: float, pause: Callable[[int], Any]
) -> None:
    moving = at_rest(38)
    for moment in range(200):
        source = ListSource(moving, latency=latency)
        rows = aiter(pager_of(source, prefetch=prefetch))
        taken: list[int] = []

        async def consume(rows: AsyncIterator[int] = rows, taken: list[int] = taken) -> None:
            async for row in rows:
                taken.append(row)  # noqa: PERF401 - what was taken must outlive a cancel

        consumer = asyncio.create_task(consume())
        await pause(moment)
        consumer.cancel()
        await asyncio.wait((consumer,))
        assert source.out == 0
        await consume()
        assert taken == order_of(moving), f"cancelled at moment {moment}"
        if not consumer.cancelled():
            break
    else:
        pytest.fail("the walk was never done before its cancel")
    assert moment > 10


async def test_a_cancel_while_others_have_their_turn_within_a_page_loses_nothing() -> None:
    source = ListSource(at_rest(80))
    rows = aiter(pager_of(source, page_size=40, prefetch=1, consistency="dedupe"))
    delivered: list[int] = []
    cancelled = 0
    while True:
        task = asyncio.create_task(next_of(rows))
        await asyncio.sleep(0)
        if len(delivered) % 40:
            # No page is on its way: if it waits at all, it is for others to have their turn.
            cancelled += task.cancel()
        try:
            delivered.append(await task)
        except asyncio.CancelledError:
            continue
        except StopAsyncIteration:
            break
    assert cancelled == 2
    assert delivered == order_of(source.moving)


async def test_a_cancel_while_pages_beyond_the_end_are_let_go_loses_nothing() -> None:
    # Without a count, pages are asked for beyond the end; its last rows are placed in the moment that shows it. Answers
    # come at quarters of a second, and what follows takes a few turns of the loop.
    moving = at_rest(38, counts="none")
    began = asyncio.get_running_loop().time()
    assert await pager_of(
        ListSource(moving, latency=lambda number: 1.0 + number / 4), prefetch=4, consistency="dedupe"
    ).collect()
    seconds = asyncio.get_running_loop().time() - began
    for quarter, turns in product(range(4, int(4 * seconds) + 1), range(0, 16, 2)):
        source = ListSource(moving, latency=lambda number: 1.0 + number / 4)
        rows = aiter(pager_of(source, prefetch=4, consistency="dedupe"))
        taken: list[int] = []

        async def consume(rows: AsyncIterator[int] = rows, taken: list[int] = taken) -> None:
            async for row in rows:
                taken.append(row)  # noqa: PERF401 - what was taken must outlive a cancel

        consumer = asyncio.create_task(consume())
        await asyncio.sleep(quarter / 4)
        await ticks(turns)
        consumer.cancel()
        await asyncio.wait((consumer,))
        await consume()
        assert taken == order_of(moving), f"cancelled at {quarter / 4} s and {turns} turns of the loop"


async def test_many_cancels_of_one_walk_lose_nothing() -> None:
    moving = at_rest(SIZE)
    source = ListSource(moving, latency=lambda number: 0.5 + number % 4)
    rows = aiter(pager_of(source, prefetch=3))
    taken: list[int] = []
    cancels, patience = 0, 0.2
    while True:
        try:
            async with asyncio.timeout(patience):
                taken.append(await anext(rows))
        except TimeoutError:
            # Too short for any answer; the next wait is long enough.
            cancels, patience = cancels + 1, 5.0
            assert cancels < 50
        except StopAsyncIteration:
            break
        else:
            patience = 0.2
    assert cancels > 5
    assert taken == order_of(moving)


@pytest.mark.parametrize("prefetch", [1, 5, None])
@pytest.mark.parametrize("failing", [{1}, {3}, {4, 5}, {2, 3, 4, 5, 6}])
async def test_an_error_comes_in_its_place_and_a_further_call_goes_on_there(
    prefetch: int | None, failing: set[int]
) -> None:
    moving = at_rest(SIZE)
    # The later a request, the sooner it fails: an error of a page further on must not come before the rows in front.
    source = ListSource(
        moving,
        latency=lambda number: 1.0 if number == 1 else 5.0 / number,
        errors={number: RefusedError(number) for number in failing},
    )
    pager = pager_of(source, prefetch=prefetch)
    rows = aiter(pager)
    taken: list[int] = []
    raised: list[int] = []
    numbers: list[int] = []
    while True:
        try:
            taken.append(await anext(rows))
        except RefusedError as error:
            # All rows of the pages in front of it have come, and none behind it.
            raised.append(len(taken))
            assert source.out == 0
            numbers.append(error.args[0])
        except StopAsyncIteration:
            break
    assert taken == order_of(moving)
    assert set(numbers) <= failing
    assert raised[0] == (0 if 1 in failing else 10 + 9 * (min(failing) - 2))
    assert 1 <= len(raised) <= len(failing)
    assert len(raised) == len(failing) or prefetch != 1
    assert pager.report.complete is True
    assert pager.report.rows_placed == SIZE


@pytest.mark.parametrize(
    "error",
    [TimeoutError_("silence", phase="read"), BodyError("cut off"), ServerError("bad gateway", status=502)],
)
@pytest.mark.parametrize("shuffles", [True, False])
async def test_pages_larger_than_the_caller_asked_for_are_done_without_where_they_do_not_come(
    error: Exception, *, shuffles: bool
) -> None:
    # In search of what changed places, or else of what woke up, the walk asks for more rows at once.
    moving = at_rest(400, ties=0.9 if shuffles else 0.0, shuffles=shuffles, sort_by="messaged")
    source = ListSource(
        moving, error_above=(20, error), before_page=lambda _: None if shuffles else moving.move("wake")
    )
    pager = pager_of(source, page_size=20, prefetch=1)
    rows = await pager.collect()
    assert len(rows) == len(set(rows)) == pager.report.rows_placed
    assert pager.report.complete is not False
    refused = [limit for _, limit in source.asked if limit > 20]
    assert 1 <= len(refused) <= 2
    assert len(rows) == 400


# In one of these turns of the loop the walk has given the page up, and is about to ask for less.
@pytest.mark.parametrize("turns", range(8))
async def test_a_walk_that_is_closed_while_it_gives_a_page_up_asks_for_nothing_more(turns: int) -> None:
    moving = at_rest(400, ties=0.9, shuffles=True, sort_by="messaged")
    is_asked = asyncio.Event()

    def before_page(_: int) -> None:
        if source.asked[-1][1] > 20:
            is_asked.set()

    source = ListSource(moving, error_above=(20, BodyError("cut off")), before_page=before_page)
    pager = pager_of(source, page_size=20, prefetch=1)
    walking = asyncio.create_task(pager.collect())
    await is_asked.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    asked = len(source.asked)
    await pager.close()
    await asyncio.wait((walking,))
    assert isinstance(walking.exception(), ClosedError)
    assert len(source.asked) == asked
    assert source.out == 0


async def test_a_page_of_the_callers_size_that_does_not_come_is_an_error() -> None:
    source = ListSource(at_rest(400), error_above=(19, TimeoutError_("silence", phase="read")))
    with pytest.raises(TimeoutError_):
        await pager_of(source, page_size=20).collect()
