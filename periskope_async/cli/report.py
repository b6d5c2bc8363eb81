"""``periskope report``: one page to look at, drawn from an export."""

from __future__ import annotations

import asyncio
from pathlib import Path

from periskope_async.cli.console import say
from periskope_async.cli.existing import FileFormat, shown_path
from periskope_async.cli.options import Exit
from periskope_async.export.report import write_report

__all__ = ["report"]


async def report(file: Path, /, *, out: Path | None = None, format: FileFormat | None = None) -> int:  # noqa: A002 - the option's name
    """Draw one HTML page from an export of chats: by type and label, over time, unread, and the busiest groups.

    It opens offline, and loads nothing. Needs the extra `report`.

    Parameters
    ----------
    file
        The export, in any format.
    out
        The page; by default FILE.html.
    format
        The format of FILE, where its ending does not tell it.
    """
    path = await asyncio.to_thread(write_report, file, out, format=format)
    say("✓", f"{path.stat().st_size / 1e6:,.1f} MB", path=shown_path(path))
    return Exit.OK
