"""What reading a page costs, list by list, beside a bare msgspec loop that reads the same structs and nothing else.

CPU of a page's decoding and of a loop over its rows, in one process, in turn. Rows are those of the sandbox. Pages have
500 rows, 1,000, the default, and 2,000, the most. The largest are read in slices, so that none holds the event loop:
those of ``list_…()``, ``pages()`` and ``collect()`` are. ``python -m benchmarks compare`` measures walks row by row.
"""

from __future__ import annotations

import asyncio
import gc
import platform
import statistics
import time
from types import GenericAlias
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async import PeriskopeClient, RateLimit, RateLimiter
from periskope_async.client.lists import LISTS
from periskope_async.decoding.page import reader_of
from periskope_async.meta import ResponseMeta
from periskope_async.models.part import read_custom
from periskope_async.sandbox import SIZES, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from periskope_async.wire.listing import Listing

__all__ = ["MOST_OF_BARE", "run"]

MOST_OF_BARE = 1.1
_ROWS = 500
_META = ResponseMeta(status=200)
_NO_LIMIT = 1_000_000


def run(*, is_smoke: bool) -> None:
    """Print a line for each list and size of page."""
    rounds = 1 if is_smoke else 41
    rows = asyncio.run(_rows_of_each(100 if is_smoke else 3 * _ROWS))
    print(
        f"{rounds} rounds, Python {platform.python_version()}, msgspec {msgspec.__version__} "
        f"(to reach: at most {MOST_OF_BARE} of a bare loop)"
    )
    for count in (_ROWS, 2 * _ROWS, 4 * _ROWS):
        print(f"pages of {count:,} rows")
        for name, listing in LISTS.items():
            _compare(name, listing, _body(listing, rows[name], count), rounds)


async def _rows_of_each(rows: int) -> dict[str, list[bytes]]:
    """Give some rows of each list as the server writes them, without those that are against the documents."""
    limiter = RateLimiter(assume=RateLimit(_NO_LIMIT, 1.0))
    sizes = dict.fromkeys(SIZES, rows)
    async with (
        Sandbox(chats=rows, limit=_NO_LIMIT, sizes=sizes, oddities=False) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone="918527184400", limiter=limiter) as client,
    ):
        found = {name: await _some(getattr(client, f"iter_{name}")) for name in LISTS if name != "occurrences"}
        planned = [msgspec.json.decode(row)["scheduled_id"] for row in found["scheduled_messages"][:100]]
        found["occurrences"] = [row for one in planned for row in await _some(client.iter_occurrences, one)]
    return found


async def _some(walk: Callable[..., Any], *ids: str) -> list[bytes]:
    some: list[bytes] = await walk(*ids, max_items=_ROWS).raw().collect()
    return some


def _body(listing: Listing[Any], rows: Sequence[bytes], count: int) -> bytes:
    """Write a page of so many rows, some of them again where there are fewer."""
    wanted = [rows[number % len(rows)] for number in range(count)]
    return b'{"%s":[%s],"from":1,"to":%d,"count":%d}' % (listing.key.encode(), b",".join(wanted), count, count)


def _compare(name: str, listing: Listing[Any], body: bytes, rounds: int) -> None:
    reader, identity = reader_of(listing), listing.identity[0]
    # Any: it is made of a type that is only known here.
    page: Any = msgspec.defstruct("Page", [("rows", GenericAlias(list, (listing.row,)))], rename={"rows": listing.key})
    decoder = msgspec.json.Decoder(page, strict=False, dec_hook=read_custom)

    def loop(rows: Iterable[Any]) -> int:
        return len([getattr(row, identity) for row in rows])

    def ours() -> int:
        steps = reader.page(body, _META)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return loop(done.value.rows)

    def bare() -> int:
        return loop(decoder.decode(body).rows)

    count = ours()
    assert count == bare()
    # What is in memory already is nothing to collect.
    gc.collect()
    gc.freeze()
    times = [(_cpu(ours), _cpu(bare)) if number % 2 else (_cpu(bare), _cpu(ours))[::-1] for number in range(rounds)]
    mine, theirs = (statistics.median(column) / count * 1e6 for column in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    print(f"  {name:<20}{len(body) / count:6.0f} B a row {mine:6.2f} us, bare {theirs:6.2f} us: {ratio:.3f}")


def _cpu(read: Callable[[], int]) -> float:
    """Time three reads, as one is near the clock's own grain."""
    gc.collect()
    began = time.process_time()
    for _ in range(3):
        read()
    return (time.process_time() - began) / 3
