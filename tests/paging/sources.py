"""A source of pages over a slow network, in the loop's (virtual) time, that counts what is asked of it."""

from __future__ import annotations

import asyncio
import random
import weakref
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from periskope_async.decoding.late_rows import LateRows, Parts
from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.rate import RateLimit
from periskope_async.paging.page import Ask, Page, Phase, UnreadPage
from periskope_async.paging.pager import Pager, WalkOptions
from periskope_async.paging.resume import read_token
from periskope_async.wire.order import Order
from tests.paging.moving_list import MovingList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from periskope_async.call import Costs
    from periskope_async.meta import ResponseMeta
    from tests.limits.servers import Server

PHONE = "919971844008@c.us"

PART_ROWS = 2
"""Rows of a page that are decoded together, where they are wanted one by one."""


class Rows(list[int]):
    """A page's rows; a plain list cannot be watched by a weak reference."""


class RefusedError(Exception):
    """What a scripted request fails with."""


class ListSource:
    """Pages of a :class:`MovingList`: each is cut half-way through its request's ``latency``.

    ``errors`` are raised by the requests of those numbers, counted from 1 in the order of sending, and ``error_above``
    by those that ask for more than so many rows. ``before_page`` is
    called with the request's number right before its page is cut, and may move the list. With a ``limiter`` each
    request waits for it, and is counted by a ``server``.
    """

    def __init__(
        self,
        moving: MovingList,
        *,
        latency: float | Callable[[int], float] = 0.0,
        per_second: float = 100.0,
        at_once: int = 1,
        body_bytes: int = 1_000,
        errors: dict[int, Exception] | None = None,
        error_above: tuple[int, Exception] | None = None,
        before_page: Callable[[int], object] = lambda _: None,
        limiter: RateLimiter | None = None,
        server: Server | None = None,
    ) -> None:
        self.moving = moving
        self.latency = latency
        self.at_once = at_once
        self.per_second, self.body_bytes = per_second, body_bytes
        self.errors = errors or {}
        self.error_above = error_above
        self.before_page = before_page
        self.limiter = limiter or RateLimiter(assume=RateLimit(1_000_000, 1.0))
        self.server = server
        self.asked: list[tuple[int, int]] = []
        """Offset and limit of each request, in the order of sending."""
        self.reversed = 0
        self.out = self.most_out = self.cancelled = self.refused = 0
        self.arrived: list[tuple[int, int]] = []
        """Offset and rows of each answer, in the order of arrival."""
        self._pages: list[weakref.ref[Rows]] = []

    @property
    def pages_in_memory(self) -> int:
        """Answered pages whose rows somebody still holds."""
        return sum(page() is not None for page in self._pages)

    def requests_per_second(self) -> float:
        return self.per_second

    def requests_at_once(self) -> int:
        return self.at_once

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool, costs: Costs) -> UnreadPage[int]:
        self.asked.append((offset, limit))
        self.reversed += is_reversed
        costs.requests += 1
        number = len(self.asked)
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        try:
            return await self._answer(number, Ask(Phase.FIRST, offset, limit, is_reversed=is_reversed))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.out -= 1

    async def _answer(self, number: int, ask: Ask) -> UnreadPage[int]:
        seconds = self.latency(number) if callable(self.latency) else self.latency
        permit = await self.limiter.acquire(is_bulk=True)
        try:
            permit.sent()
            if self.server is not None:
                self.refused += self.server.count(asyncio.get_running_loop().time()).is_refused
            await asyncio.sleep(seconds / 2)
            self.before_page(number)
            if self.error_above is not None and ask.limit > self.error_above[0]:
                raise self.error_above[1]
            answer = None if number in self.errors else self.moving.page(ask)
            await asyncio.sleep(seconds / 2)
            permit.answered(LimitHeaders(), status=200)
        finally:
            permit.lost()
        if answer is None:
            raise self.errors[number]
        meta = replace(answer.meta, seconds=seconds, body_bytes=self.body_bytes)

        # What holds a page, read or unread, holds these.
        rows = Rows(answer.keys)
        starts = range(0, len(rows), PART_ROWS)
        parts = [msgspec.json.encode(rows[start : start + PART_ROWS]) for start in starts]
        ends = [min(start + PART_ROWS, len(rows)) for start in starts]

        async def read() -> Page[int]:
            return _read(rows, rows, answer, meta)

        async def look_through() -> Page[int]:
            return _read(rows, LateRows(Parts(parts, ends, msgspec.json.decode)), answer, meta)

        self._pages.append(weakref.ref(rows))
        self.arrived.append((ask.offset, len(rows)))

        return UnreadPage(read, look_through)


def _read(rows: Rows, given: Sequence[int], answer: Page[int], meta: ResponseMeta) -> Page[int]:
    def sort_time(index: int) -> float | None:
        # Holds the rows, as the client's own does.
        return answer.sort_time(index) if index < len(rows) else None

    def identity(index: int) -> tuple[str | None, ...]:
        return f"{rows[index]}@g.us", PHONE

    return replace(
        answer,
        items=given,
        keys=[hash((f"{key}@g.us", PHONE)) for key in rows],
        identity=identity,
        meta=meta,
        sort_time=sort_time,
    )


def pager_of(source: ListSource, **options: Any) -> Pager[int]:
    """Make a pager over a source; what is not told is as for a walk of the client's in pages of 10."""
    settings: dict[str, Any] = {
        "page_size": 10,
        "offset": 0,
        "max_items": None,
        "prefetch": None,
        "consistency": "exact",
        "order": Order(is_newest_first=source.moving.is_descending),
        "fingerprint": "0123456789ab",
        "resume": None,
        **options,
    }
    if settings["resume"] is not None:
        settings["resume"] = read_token(settings["resume"], query=settings["fingerprint"])
    return Pager(source, WalkOptions(**settings))


def order_of(moving: MovingList) -> list[int]:
    """Give the keys of the rows that are there, in the list's order."""
    return [row.key for row in moving.order(is_descending=moving.is_descending)]


def at_rest(size: int, **settings: Any) -> MovingList:
    """Make a list in which no two rows have the same time; the newest is far older than any walk."""
    settings.setdefault("ties", 0.0)
    return MovingList(rng=random.Random(1), size=size, **settings)
