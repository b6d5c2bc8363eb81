"""``periskope export``: whole listings into files."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from periskope_async.cli.chats import print_rows
from periskope_async.cli.console import check_stdout, say, write_out
from periskope_async.cli.options import Connection, Exit, Selection, Walking, open_client, walk
from periskope_async.cli.progress import WalkProgress
from periskope_async.errors import ConfigError
from periskope_async.export import export_chats

if TYPE_CHECKING:
    from periskope_async.cli.console import Sign
    from periskope_async.export import ExportResult

__all__ = ["export_app"]

export_app = App(name="export", help="Write whole listings to files, each row as the server wrote it.")


def _refuse_options(_type: type, out: str) -> None:
    """Take a lone dash for stdout; what else begins with one is a slip in an option's name."""
    if out.startswith("-") and out != "-":
        raise ValueError(f"there is no such option; a file of this name is ./{out}")


@export_app.command
async def chats(
    out: Annotated[str, Parameter(allow_leading_hyphen=True, validator=_refuse_options)],
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
        The file to write, such as chats.jsonl; - writes to stdout.
    quiet
        No progress and no summary.
    json
        Print the account of the walk as JSON.
    """
    is_to_stdout = out == "-"
    if is_to_stdout and json:
        raise ConfigError(
            "the rows go to stdout, so --json cannot print the account there; give a file", parameter="json"
        )
    if is_to_stdout or json:
        check_stdout()
    is_drawn = not (quiet or json or (is_to_stdout and sys.stdout.isatty()))
    progress = WalkProgress(max_items=walking.max_items, is_quiet=not is_drawn)
    async with open_client(connection, hooks=(progress,), is_quiet=quiet) as client:
        pager = walk(client, selection, walking, max_items=walking.max_items)
        with progress:
            result = await (print_rows(pager) if is_to_stdout else export_chats(pager, out))
    is_as_asked = result.report.complete is True or result.rows == walking.max_items
    if json:
        # A name is bytes to the disk; JSON has room for text only.
        path = os.fsencode(result.path).decode(errors="backslashreplace")
        account = {"path": path, "rows": result.rows, "bytes": result.bytes, "report": result.report}
        write_out(msgspec.json.encode(account) + b"\n")
    elif not quiet:
        _summarise(result, is_as_asked=is_as_asked)
    return Exit.PARTIAL if result.report.complete is False and not is_as_asked else Exit.OK


def _summarise(result: ExportResult, *, is_as_asked: bool) -> None:
    report = result.report
    sign: Sign = "✓" if is_as_asked or report.complete else "?" if report.complete is None else "!"
    say(sign, f"{result.rows:,} chats, {result.bytes / 1e6:,.1f} MB → {result.path}")
    say(
        None,
        f"{report.requests} requests in {report.seconds:.1f} s; their waits for the limit sum up to "
        f"{report.seconds_waited:.1f} s; {report.why}",
        style="dim",
    )
