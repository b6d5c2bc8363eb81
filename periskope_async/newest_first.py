"""Reading a list newest first, down to rows that are known: what updates of exports and of mirrors share (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.paging.page import Page

__all__ = ["OVERLAP_SECONDS", "UNDATED_MARGIN", "is_known_ground"]

OVERLAP_SECONDS = 60.0
"""Rows this far before a watermark are read again: the server may have listed them late."""
UNDATED_MARGIN = 300
"""This many of the rows without a sort time may have got one, or gone, before that costs a further request."""


def is_known_ground(page: Page[Any], *, watermark: float, news: Sequence[bool] | None = None) -> bool:
    """Tell whether a page, newest first, ends in known rows: older than the watermark, and none is news.

    ``news`` tells which rows are; None if the caller does not know. A row of news below the watermark came late. Others
    may have come with it, so the next page is read, too.
    """
    # Each time is decoded when it is asked for, and most pages need the last one alone.
    times = map(page.sort_time, range(len(page.items)))
    oldest = page.sort_time(len(page.items) - 1)
    if oldest is None:
        # Rows without a time stand before all others, or behind them: then all others have been read.
        return any(time is not None for time in times)
    if news is None:
        return oldest < watermark
    return oldest < watermark and not any(
        is_new and time is not None and time < watermark for is_new, time in zip(news, times, strict=True)
    )
