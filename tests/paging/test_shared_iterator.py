"""One iterator, many tasks: each row goes to one of them, and none is lost when some of them end early."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import TYPE_CHECKING, Any, cast

import pytest

from periskope_async import ClosedError, PaginationError
from periskope_async.paging.page import Page
from tests.paging.sources import ListSource, RefusedError, at_rest, order_of, pager_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from periskope_async.paging.pager import Pager

pytestmark = [pytest.mark.looptime, pytest.mark.usefixtures("nothing_left_over")]

SIZE = 95


def pages_of(pager: Pager[int]) -> AsyncIterator[Any]:
    return pager.pages()


BY_ROWS_OR_PAGES = pytest.mark.parametrize("begin", [aiter, pages_of], ids=["rows", "pages"])


def rows_of(item: Any) -> list[int]:
    """Give the rows of what an iterator gave: a page's, or the one."""
    return list(cast("Page[int]", item).items) if isinstance(item, Page) else [item]


class Workers:
    """Tasks that share an iterator, and what each of them was given."""

    def __init__(self, items: AsyncIterator[Any], *, seconds_a_item: float = 0.0) -> None:
        self.items = items
        self.seconds_a_item = seconds_a_item
        self.given: list[list[int]] = []

    @property
    def rows(self) -> list[int]:
        return [row for rows in self.given for row in rows]

    async def work(self) -> None:
        given: list[int] = []
        self.given.append(given)
        async for item in self.items:
            given += rows_of(item)
            await asyncio.sleep(self.seconds_a_item)

    async def run(self, workers: int) -> list[BaseException | None]:
        """Have so many of them work to the end; give what each ended with."""
        return await asyncio.gather(*(self.work() for _ in range(workers)), return_exceptions=True)


@BY_ROWS_OR_PAGES
@pytest.mark.parametrize("latency", [0.0, 1.0])
@pytest.mark.parametrize("prefetch", [1, 4, None])
@pytest.mark.parametrize("workers", [2, 5, 30])
async def test_each_row_goes_to_one_of_them(
    begin: Callable[[Pager[int]], AsyncIterator[Any]], workers: int, prefetch: int | None, latency: float
) -> None:
    source = ListSource(at_rest(SIZE), latency=latency)
    pager = pager_of(source, prefetch=prefetch)
    sharing = Workers(begin(pager))
    assert await sharing.run(workers) == [None] * workers
    assert sorted(sharing.rows) == sorted(order_of(source.moving))
    assert sum(map(bool, sharing.given)) > 1
    assert pager.report.complete is True
    # As many requests as a single task takes.
    alone = ListSource(at_rest(SIZE))
    await pager_of(alone, prefetch=1).collect()
    assert len(source.asked) == len(alone.asked)


async def test_a_single_task_takes_a_buffered_row_at_once() -> None:
    rows = aiter(pager_of(ListSource(at_rest(SIZE))))
    await anext(rows)
    with pytest.raises(StopIteration):
        # Nothing is awaited on the way: the coroutine ends with its first step.
        next(anext(rows).__await__())


async def test_tasks_of_a_group_end_together() -> None:
    source = ListSource(at_rest(SIZE), latency=0.5)
    sharing = Workers(aiter(pager_of(source)), seconds_a_item=0.1)
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(sharing.work())
    assert sorted(sharing.rows) == sorted(order_of(source.moving))


@BY_ROWS_OR_PAGES
@pytest.mark.parametrize("seed", range(20))
async def test_tasks_that_are_cancelled_take_no_row_with_them(
    begin: Callable[[Pager[int]], AsyncIterator[Any]], seed: int
) -> None:
    rng = random.Random(seed)
    source = ListSource(at_rest(SIZE), latency=0.5)
    sharing = Workers(begin(pager_of(source, prefetch=rng.choice([1, 4]))), seconds_a_item=0.01)
    tasks = [asyncio.create_task(sharing.work()) for _ in range(8)]
    for task in tasks[:6]:
        await asyncio.sleep(rng.uniform(0, 0.6))
        task.cancel()
    await asyncio.wait(tasks)
    assert [task.exception() for task in tasks[6:]] == [None, None]
    assert sorted(sharing.rows) == sorted(order_of(source.moving))


@pytest.mark.parametrize("leave", ["break", "raise"])
async def test_a_task_that_leaves_stops_nobody(leave: str) -> None:
    source = ListSource(at_rest(SIZE), latency=0.5)
    sharing = Workers(aiter(pager_of(source)))
    taken: list[int] = []

    async def leaving() -> None:
        async for row in sharing.items:
            taken.append(row)
            if leave == "raise":
                raise RefusedError
            break

    ended, *_ = await asyncio.gather(leaving(), sharing.run(4), return_exceptions=True)
    assert isinstance(ended, RefusedError if leave == "raise" else type(None))
    assert len(taken) == 1
    assert sorted(taken + sharing.rows) == sorted(order_of(source.moving))


@BY_ROWS_OR_PAGES
@pytest.mark.parametrize("prefetch", [1, 4])
async def test_an_error_goes_to_each_task_that_waits(
    begin: Callable[[Pager[int]], AsyncIterator[Any]], prefetch: int
) -> None:
    source = ListSource(at_rest(SIZE), latency=0.5, errors={3: RefusedError("once")})
    sharing = Workers(begin(pager_of(source, prefetch=prefetch)))
    ended = await sharing.run(5)
    assert [str(error) for error in ended] == ["once"] * 5
    # Nobody sent the request again meanwhile, and whoever comes later has the page tried again.
    assert len(source.asked) <= 2 + prefetch
    assert await sharing.run(5) == [None] * 5
    assert sorted(sharing.rows) == sorted(order_of(source.moving))


async def test_a_walk_that_cannot_go_on_ends_each_of_them() -> None:
    moving = at_rest(SIZE, ignores_offset=True)
    sharing = Workers(aiter(pager_of(ListSource(moving, latency=0.5))))
    assert {type(error) for error in await sharing.run(5)} == {PaginationError}


async def test_an_error_keeps_no_iterator_alive() -> None:
    source = ListSource(at_rest(SIZE), latency=lambda number: 0.1 if number < 3 else 3600.0, errors={2: RefusedError()})
    sharing = Workers(aiter(pager_of(source, prefetch=4)))
    await sharing.run(3)
    gc.disable()
    try:
        # The pages that are out go with the last reference, without a turn of the garbage collector.
        rows = sharing.items
        waiting = asyncio.ensure_future(anext(rows))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.wait((waiting,))
        del rows, sharing, waiting
        await asyncio.sleep(0.01)
        assert source.out == 0
    finally:
        gc.enable()


@BY_ROWS_OR_PAGES
async def test_closing_tells_each_task_that_waits(begin: Callable[[Pager[int]], AsyncIterator[Any]]) -> None:
    source = ListSource(at_rest(SIZE), latency=lambda number: 1.0 if number == 1 else 3600.0)
    sharing = Workers(begin(pager_of(source, prefetch=4)))
    working = asyncio.create_task(sharing.run(5))
    await asyncio.sleep(2.0)
    await sharing.items.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - what an async generator has, and contextlib.aclosing asks for
    assert source.out == 0
    assert {type(error) for error in await working} == {ClosedError}


@pytest.mark.parametrize("beside", ["collect", "first", "count", "another"])
async def test_another_walk_of_the_pager_stops_nobody(beside: str) -> None:
    source = ListSource(at_rest(SIZE), latency=0.5)
    pager = pager_of(source)
    sharing = Workers(aiter(pager), seconds_a_item=0.1)
    working = asyncio.create_task(sharing.run(3))
    await asyncio.sleep(1.0)
    if beside == "another":
        assert await anext(aiter(pager)) == order_of(source.moving)[0]
    else:
        given = await getattr(pager, beside)()
        assert given == {"collect": order_of(source.moving), "first": order_of(source.moving)[0], "count": SIZE}[beside]
    assert await working == [None] * 3
    assert sorted(sharing.rows) == sorted(order_of(source.moving))


@BY_ROWS_OR_PAGES
@pytest.mark.parametrize("cut", [0, 7, 10, 33, 90])
async def test_a_token_goes_on_behind_what_they_were_given(
    begin: Callable[[Pager[int]], AsyncIterator[Any]], cut: int
) -> None:
    source = ListSource(at_rest(SIZE), latency=0.5)
    pager = pager_of(source)
    items = begin(pager)
    given: list[int] = []

    async def work() -> None:
        async for item in items:
            given.extend(rows_of(item))
            if len(given) >= cut:
                break
            await asyncio.sleep(0)

    if cut:
        await asyncio.gather(*(work() for _ in range(4)))
    rest = await pager_of(source, resume=pager.token).collect()
    assert given + rest == order_of(source.moving)
