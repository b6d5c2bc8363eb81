"""Runs an export: from a pager's raw pages to a file, page by page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.export.jsonl import JsonlWriter

if TYPE_CHECKING:
    import os

    from periskope_async.models.chat import Chat
    from periskope_async.paging.pager import Pager
    from periskope_async.paging.report import WalkReport

__all__ = ["ExportResult", "export_chats"]


class ExportResult(Struct, frozen=True, kw_only=True):
    """What an export wrote."""

    path: Path
    rows: int
    bytes: int
    report: WalkReport
    """The walk's account; ``report.complete`` says whether all there was is in the file."""


async def export_chats(pager: Pager[Chat], path: str | os.PathLike[str]) -> ExportResult:
    """Write every chat of ``pager`` to ``path`` as JSON lines, each the row's original JSON.

    The file appears under its name only when the walk has ended; a failure or a cancel leaves what was there before.
    Memory holds the pages in flight. Raises ExportError, and what iterating the pager raises.
    """
    raw = pager.raw()
    target = Path(path)
    with await _opened(target) as writer:
        async with raw:
            rows = 0
            async for page in raw.pages():
                await asyncio.to_thread(writer.write, page.items)
                rows += len(page.items)
        await asyncio.to_thread(writer.commit)
        return ExportResult(path=target, rows=rows, bytes=writer.bytes_written, report=raw.report)


async def _opened(target: Path) -> JsonlWriter:
    """Open the writer in a thread; a cancel meanwhile leaves no file behind."""
    opening = asyncio.ensure_future(asyncio.to_thread(JsonlWriter, target))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        (await opening).discard()
        raise
