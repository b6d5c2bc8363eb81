"""``periskope chats``: a table to look at, or JSON lines for a program."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from periskope_async.cli.options import (
    Connection,
    Exit,
    Selection,
    Walking,
    error_console,
    open_client,
    output_console,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.models.chat import Chat

__all__ = ["chats"]

_ROWS_SHOWN = 25


async def chats(
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    selection: Selection = Selection(),  # noqa: B008
    walking: Walking = Walking(),  # noqa: B008
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Show chats: the first 25, or as many as --max-items says.

    Parameters
    ----------
    json
        Print each chat's original JSON, one a line; all chats unless --max-items is given.
    """
    async with open_client(connection) as client:
        if json:
            # What reads the lines has gone when this fails (`periskope chats --json | head`): no error of ours.
            try:
                async with walk(client, selection, walking, max_items=walking.max_items).raw() as raw:
                    async for page in raw.pages():
                        sys.stdout.buffer.write(b"".join(row.replace(b"\n", b" ") + b"\n" for row in page.items))
                        sys.stdout.buffer.flush()
            except BrokenPipeError:
                sys.stderr.close()
            return Exit.OK
        wanted = _ROWS_SHOWN if walking.max_items is None else walking.max_items
        pager = walk(client, selection, walking, max_items=wanted)
        rows = await pager.collect()
        total = pager.report.count_at_start
    if not rows:
        error_console().print("no chats match")
        return Exit.OK
    output_console().print(_table(rows, total))
    return Exit.OK


def _table(rows: Sequence[Chat], total: int | None) -> Table:
    now = datetime.now(UTC)
    caption = f"{len(rows):,} of {total:,} chats" if total is not None and total > len(rows) else f"{len(rows):,} chats"
    table = Table(box=None, header_style="bold dim", caption=caption, caption_justify="left", pad_edge=False)
    table.add_column("Chat", max_width=34, no_wrap=True)
    table.add_column("Type", style="cyan", no_wrap=True)
    table.add_column("Members", justify="right")
    table.add_column("Last message", justify="right", style="green", no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
    table.add_column("Id", style="dim", no_wrap=True)
    for chat in rows:
        message = chat.latest_message or None
        sent = (message.timestamp or None) if message is not None else None
        table.add_row(
            Text(chat.chat_name or "(no name)", style="" if chat.chat_name else "dim"),
            chat.chat_type or "",
            f"{chat.member_count:,}" if chat.member_count else "",
            _ago(now, sent) if sent is not None else "",
            escape(" ".join(((message.body if message is not None else None) or "").split())),
            chat.chat_id,
        )
    return table


def _ago(now: datetime, then: datetime) -> str:
    seconds = (now - then).total_seconds()
    for size, unit in ((31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"
