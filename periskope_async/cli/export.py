"""``periskope export``: whole listings into files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from periskope_async.cli.options import Connection, Exit, Selection, Walking, error_console, open_client, walk
from periskope_async.cli.progress import WalkProgress
from periskope_async.export import export_chats

if TYPE_CHECKING:
    from periskope_async.export import ExportResult

__all__ = ["export_app"]

export_app = App(name="export", help="Write whole listings to files, each row as the server wrote it.")


@export_app.command
async def chats(
    out: Path,
    /,
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    selection: Selection = Selection(),  # noqa: B008
    walking: Walking = Walking(),  # noqa: B008
    quiet: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Write every chat's original JSON to OUT, one a line. The file appears when it is whole.

    Parameters
    ----------
    out
        The file to write, such as chats.jsonl.
    quiet
        No progress and no summary.
    json
        Print the account of the walk as JSON.
    """
    progress = WalkProgress(max_items=walking.max_items, is_quiet=quiet or json)
    async with open_client(connection, hooks=(progress,)) as client:
        with progress:
            result = await export_chats(walk(client, selection, walking, max_items=walking.max_items), out)
    is_as_asked = result.report.complete is True or result.rows == walking.max_items
    if json:
        account = {"path": str(result.path), "rows": result.rows, "bytes": result.bytes, "report": result.report}
        sys.stdout.buffer.write(msgspec.json.encode(account) + b"\n")
    elif not quiet:
        _summarise(result, is_as_asked=is_as_asked)
    return Exit.PARTIAL if result.report.complete is False and not is_as_asked else Exit.OK


def _summarise(result: ExportResult, *, is_as_asked: bool) -> None:
    report = result.report
    console = error_console()
    sign = {True: "[green]✓[/]", False: "[red]![/]", None: "[yellow]?[/]"}[is_as_asked or report.complete]
    console.print(
        f"{sign} {result.rows:,} chats, {result.bytes / 1e6:,.1f} MB → {result.path}",
        soft_wrap=True,
    )
    console.print(
        f"  {report.requests} requests in {report.seconds:.1f} s; their waits for the limit sum up to "
        f"{report.seconds_waited:.1f} s; {report.why}",
        style="dim",
        soft_wrap=True,
    )
