"""``periskope chats``: a table to look at, or JSON lines for a program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from periskope_async.cli.console import check_stdout, output_console, print_out, say
from periskope_async.cli.options import (
    Connection,
    Exit,
    Switch,
    Walking,
    open_client,
)
from periskope_async.cli.tables import print_rows
from periskope_async.cli.wording import part_of
from periskope_async.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.client import PeriskopeClient
    from periskope_async.models import Maybe
    from periskope_async.models.chat import Chat
    from periskope_async.paging.pager import Pager

__all__ = ["chats"]

_ROWS_SHOWN = 25
_GAP = 2
_LONGEST_CELL = 200
_LEAST_NAME = 12
_LEAST_MESSAGE = 16


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which chats, and in what order."""

    chat_type: Literal["user", "group", "business"] | None = None
    "Only chats of this type."
    label: str | None = None
    "Only chats with this label, by its name or id."
    chat_id: str | None = None
    "Only this chat."
    since: str | None = None
    "Only from this time on: 2025-04-25 or 2025-04-25T00:00:00Z."
    until: str | None = None
    "Only up to this time; a bare date means its whole day."
    sort_by: Literal["created_at", "latest_message_timestamp"] | None = None
    "What to sort by; the server's default is created_at."
    sort_order: Literal["asc", "desc"] | None = None
    "Oldest or newest first; the server's default is desc."


async def chats(
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    selection: Selection = Selection(),
    walking: Walking = Walking(),  # noqa: B008
    quiet: Switch = False,
    json: Switch = False,
) -> int:
    """Show chats: the first 25, or as many as --max-items says.

    Parameters
    ----------
    quiet
        Say nothing where no chat matches.
    json
        Print each chat's original JSON, one a line; all chats unless --max-items is given.
    """
    check_stdout()
    async with open_client(connection, is_quiet=quiet) as client:
        if json:
            await print_rows(_walk(client, selection, walking, max_items=walking.max_items))
            return Exit.OK
        wanted = _ROWS_SHOWN if walking.max_items is None else walking.max_items
        pager = _walk(client, selection, walking, max_items=wanted)
        rows = await pager.collect()
        total = pager.report.count_at_start
    if rows:
        print_out(_table(rows, total, width=output_console().width))
    elif wanted and not quiet:
        say(None, "no chats match")
    return Exit.OK


def _walk(client: PeriskopeClient, selection: Selection, walking: Walking, *, max_items: int | None) -> Pager[Chat]:
    """Turn options into a pager. Raises ConfigError."""
    return client.iter_chats(
        chat_type=selection.chat_type,
        label=selection.label,
        chat_id=selection.chat_id,
        start_time=selection.since,
        end_time=selection.until,
        sort_by=selection.sort_by,
        sort_order=selection.sort_order,
        page_size=walking.page_size,
        max_items=max_items,
        prefetch=walking.prefetch,
        consistency=walking.consistency,
    )


def _table(rows: Sequence[Chat], total: int | None, *, width: int) -> Table:
    now = datetime.now(UTC)
    caption = Text(part_of(len(rows), total, "chats"))
    table = Table(box=None, header_style="bold dim", caption=caption, caption_justify="left", pad_edge=False)
    names = [Text(_plain(chat.chat_name) or "(no name)", style="" if chat.chat_name else "dim") for chat in rows]
    ids = [Text(_plain(chat.chat_id), style="dim") for chat in rows]
    # Ids are there to be copied, so they are never cut; other columns give way to them on a narrow terminal.
    room = width - max(text.cell_len for text in ids) - _GAP
    columns: list[tuple[str, int, list[Text]]] = []
    for title, least, texts in (
        ("Type", 8, [Text(_plain(chat.chat_type), style="cyan") for chat in rows]),
        ("Last", 9, [Text(_last(chat, now), style="green", justify="right") for chat in rows]),
        ("Members", 7, [Text(f"{chat.member_count or ''}", justify="right") for chat in rows]),
    ):
        if room - least - _GAP >= _LEAST_NAME:
            room -= least + _GAP
            columns.append((title, least, texts))
    name = min(room, 34, max(_LEAST_NAME, *(text.cell_len for text in names)))
    columns.insert(0, ("Chat", name, names))
    if room - name - _GAP >= _LEAST_MESSAGE:
        bodies = [_plain(chat.latest_message.body if chat.latest_message else None) for chat in rows]
        columns.append(("Message", room - name - _GAP, [Text(body, style="dim") for body in bodies]))
    columns.append(("Id", max(text.cell_len for text in ids), ids))
    for title, size, texts in columns:
        table.add_column(title, width=size, no_wrap=True, justify=texts[0].justify or "left")
    for cells in zip(*(texts for _, _, texts in columns), strict=True):
        table.add_row(*cells)
    return table


def _plain(text: Maybe[str]) -> str:
    return one_line(text or "", limit=_LONGEST_CELL)


def _last(chat: Chat, now: datetime) -> str:
    sent = (chat.latest_message.timestamp if chat.latest_message else None) or None
    return _ago(now, sent) if sent is not None else ""


def _ago(now: datetime, then: datetime) -> str:
    seconds = (now - then).total_seconds()
    for size, unit in ((31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"
