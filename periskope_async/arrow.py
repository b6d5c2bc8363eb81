"""Arrow tables of a walk, without a file."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from periskope_async.errors import ConfigError
from periskope_async.tables.columns import batches_of, table_of
from periskope_async.turns import give_way
from periskope_async.typed import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from periskope_async.tables.columns import Batch
    from periskope_async.wire.listing import Listing

__all__ = ["ArrowBatches", "arrow_table"]

_BATCH_ROWS = 20_000


class ArrowBatches:
    """An async iterator over a walk, as ``pyarrow.RecordBatch`` objects of ``rows`` rows; the last one may be shorter.

    Several tasks may share it, and a task cancelled in its wait takes no row with it.
    """

    def __init__(self, listing: Listing[Any] | None, raw_pages: Callable[[], Any], *, rows: int = _BATCH_ROWS) -> None:
        if not is_whole(rows, least=1):
            raise ConfigError(f"rows is {rows!r:.100}; give a whole number from 1 up", parameter="rows")
        self._arrow, listing = _arrow_for(listing)
        self._table = table_of(listing)
        self._schema = self._arrow.schema_of(self._table)
        self._rows = rows
        self._pages = raw_pages()
        self._page: Iterator[Batch] = iter(())
        """What is left of the present page."""
        self._pending: list[Any] = []
        self._held = 0
        """The rows of ``_pending``."""
        self._is_closed = False
        self._turn = asyncio.Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        async with self._turn:
            if self._is_closed:
                raise StopAsyncIteration
            while self._held < self._rows:
                if (batch := next(self._page, None)) is not None:
                    self._pending.append(self._arrow.record_batch(self._schema, batch))
                    self._held += len(batch)
                    # Each takes milliseconds, and a large batch has a hundred of them.
                    await give_way()
                elif (page := await anext(self._pages, None)) is not None:
                    self._page = batches_of(self._table, page.items)
                else:
                    break
            if not self._held:
                raise StopAsyncIteration
            *some, last = self._pending
            kept = len(last) - max(0, self._held - self._rows)
            # This copies them: 50 ms for 20,000 chats of 2 kB.
            whole = await asyncio.to_thread(self._arrow.pa.concat_batches, [*some, last.slice(0, kept)])
            self._pending = [last.slice(kept)] if kept < len(last) else []
            self._held = len(last) - kept
            return whole

    async def aclose(self) -> None:
        """End the walk, as an async generator would."""
        self._is_closed = True
        await self._pages.aclose()


async def arrow_table(listing: Listing[Any] | None, raw_pages: Callable[[], Any]) -> Any:
    """Do the same, and give all rows as one table."""
    arrow, listing = _arrow_for(listing)
    async with aclosing(ArrowBatches(listing, raw_pages)) as batches:
        return arrow.table(listing, [batch async for batch in batches])


def _arrow_for(listing: Listing[Any] | None) -> tuple[Any, Listing[Any]]:
    """Load the module for Arrow tables. Raises ConfigError if that is impossible."""
    if listing is None:
        raise ConfigError("this pager gives raw rows, which have no columns; ask the one that raw() was called on")
    try:
        from periskope_async.tables import arrow  # noqa: PLC0415 - it loads pyarrow, which is an extra
    except ModuleNotFoundError as error:
        raise ConfigError('tables need pyarrow: pip install "periskope_async[parquet]"') from error
    return arrow, listing
