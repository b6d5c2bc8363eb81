"""Arrow tables of a walk, without a file."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from periskope_async.errors import ConfigError
from periskope_async.typed import is_whole

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from periskope_async.wire.listing import Listing

__all__ = ["arrow_batches", "arrow_table"]

_BATCH_ROWS = 20_000


async def arrow_batches(
    listing: Listing[Any] | None, raw_pages: Callable[[], Any], rows: int = _BATCH_ROWS
) -> AsyncGenerator[Any]:
    """Begin a walk over pages of raw rows, and give record batches of ``rows`` rows."""
    if not is_whole(rows, least=1):
        raise ConfigError(f"rows is {rows!r}; give a whole number from 1 up", parameter="rows")
    arrow, listing = _arrow_for(listing)
    async with aclosing(raw_pages()) as pages:
        items = (page.items async for page in pages)
        async for batch in arrow.arrow_batches(listing, items, rows):
            yield batch


async def arrow_table(listing: Listing[Any] | None, raw_pages: Callable[[], Any]) -> Any:
    """Do the same, and give all rows as one table."""
    arrow, listing = _arrow_for(listing)
    async with aclosing(arrow_batches(listing, raw_pages)) as batches:
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
