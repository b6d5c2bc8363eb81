"""Runs an export: from a pager's raw pages to a file, page by page."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from msgspec import Struct

from periskope_async.errors import ExportError
from periskope_async.export.jsonl import JsonlWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async.models.chat import Chat
    from periskope_async.paging.pager import Pager
    from periskope_async.paging.report import WalkReport

__all__ = ["ExportResult", "export_chats"]

P = ParamSpec("P")


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
    A new file is readable by its owner only; one that is replaced keeps its mode. Memory holds the pages in flight.
    Raises ExportError, and what iterating the pager raises. A target that cannot be written is refused before the
    first request. Where only the last step fails, the rows are kept in a file that the error names.
    """
    raw = pager.raw()
    target = _file(path)
    with await _opened(target) as writer:
        async with raw:
            rows = 0
            async for page in raw.pages():
                await _in_thread(writer.write, page.items)
                rows += len(page.items)
        await _in_thread(writer.commit)
        return ExportResult(path=target, rows=rows, bytes=writer.bytes_written, report=raw.report)


def _file(path: str | os.PathLike[str]) -> Path:
    """Refuse a folder's name; a Path would drop the slash that tells it, and the file get the folder's name."""
    if os.path.basename(path) in {"", "."}:  # noqa: PTH119 - see above
        raise ExportError(f"{os.fspath(path)!r} names a folder; give the name of a file")
    return Path(path)


async def _opened(target: Path) -> JsonlWriter:
    """Open the writer in a thread; a cancel meanwhile leaves no file behind."""
    opened: list[JsonlWriter] = []
    try:
        await _in_thread(lambda: opened.append(JsonlWriter(target)))
    except asyncio.CancelledError:
        for writer in opened:
            writer.discard()
        raise
    return opened[0]


async def _in_thread(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call ``function`` in a thread. A cancel waits for its end: nothing else may touch the file until then."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        running.exception()
        raise cancelled
    running.result()
