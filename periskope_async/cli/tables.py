"""Tables of any objects: one line a row, ids whole, and no text of a server as it came."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from periskope_async.cli.console import output_console, print_out, write_out
from periskope_async.export.jsonl import json_lines, tagged
from periskope_async.models.unset import UNSET
from periskope_async.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.models.part import Part
    from periskope_async.paging.pager import Pager
    from periskope_async.paging.report import WalkReport

__all__ = ["Column", "print_json", "print_rows", "print_table"]

_LONGEST_CELL = 200
_LEAST_WIDTH = 16
_GAP = 2


class Column(NamedTuple):
    """A column: its title, and its field, such as ``message.body``."""

    title: str
    path: str
    style: str = ""
    is_whole: bool = False
    """Whether it is never cut, because people copy it."""
    is_kept: bool = False
    """Whether a narrow terminal shows it and drops others, because the table is there for it."""


def print_json(rows: Sequence[Part]) -> None:
    """Print objects as JSON, one a line."""
    write_out(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


async def print_rows(pager: Pager[Any], *, source: str = "") -> WalkReport:
    """Print each row's original JSON on stdout, one a line; the name of one source among several goes before it."""
    async with pager.raw() as raw:
        async for page in raw.pages():
            write_out(json_lines(tagged(page.items, {"_source": source}) if source else page.items))
    return raw.report


def print_table(rows: Sequence[Part], columns: Sequence[Column], caption: str) -> None:
    """Print objects as a table as wide as the terminal; a narrow terminal drops the last columns that may go."""
    width = output_console().width
    cells = {column: [_shown(row, column.path) for row in rows] for column in columns}
    wanted = {column: max(map(cell_len, (column.title, *texts))) for column, texts in cells.items()}
    shown = list(columns)

    def least(column: Column) -> int:
        return wanted[column] if column.is_whole else min(wanted[column], _LEAST_WIDTH)

    may_go = [column for column in columns if not column.is_kept]
    while len(shown) > 1 and may_go and sum(least(column) + _GAP for column in shown) > width:
        shown.remove(may_go.pop())
    # rich would take from every column, also from those that may not be cut.
    room = width - sum(least(column) + _GAP for column in shown)
    table = Table(box=None, header_style="bold dim", caption=Text(caption), caption_justify="left", pad_edge=False)
    for column in shown:
        more = max(0, min(wanted[column] - least(column), room))
        room -= more
        table.add_column(column.title, no_wrap=True, overflow="ellipsis", width=least(column) + more)
    for index in range(len(rows)):
        table.add_row(*[Text(cells[column][index], style=column.style) for column in shown])
    print_out(table)


def _shown(row: Any, path: str) -> str:
    value: Any = row
    for name in path.split("."):
        value = getattr(value, name, None) if value else None
    if value is None or value is UNSET:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - shown
    return one_line(str(value), limit=_LONGEST_CELL)
