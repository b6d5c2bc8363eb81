"""``periskope watch``: chats and messages as they come."""

from __future__ import annotations

from contextlib import ExitStack
from difflib import get_close_matches
from typing import Any

import msgspec
from rich.live import Live

from periskope_async.cli.console import (
    check_stdout,
    error_console,
    is_drawn_on,
    output_console,
    print_out,
    say,
    write_out,
)
from periskope_async.cli.live import Board, event_json, event_line, gap_text, in_background
from periskope_async.cli.names import ChatNames
from periskope_async.cli.options import Connection, Switch, open_client
from periskope_async.errors import ConfigError
from periskope_async.realtime import EVENT_NAMES, Gap

__all__ = ["watch"]


async def watch(
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    events: str = "chat.created,message.created",
    json: Switch = False,
) -> None:
    """Show chats and messages as they come, until Ctrl-C. What a lost connection hid is read from the API's lists.

    On a terminal chats have their names, each of which costs one request.

    Parameters
    ----------
    events
        What to show, with commas between; "all" for everything, also what no document names.
    json
        Print each event as a line of JSON, and each gap in which events may be missing.
    """
    check_stdout()
    names = _read_events(events)
    chats = ChatNames()
    board = None
    with ExitStack() as drawn:
        async with (
            open_client(connection, is_moving=True) as client,
            client.events(*names, fill_gaps=True) as stream,
            in_background(chats.ask(client)),
        ):
            # Lines go above the board only if one console prints both. It is the console of stderr, so warnings go
            # above it too; stdout is the same terminal then.
            if not json and is_drawn_on(output_console()) and is_drawn_on(error_console()):
                board = Board(lambda: stream.is_connected, chats)
                drawn.enter_context(Live(board, console=error_console(), refresh_per_second=4, transient=True))
            async for item in stream:
                if isinstance(item, Gap):
                    _show_gap(item, json=json)
                elif json:
                    write_out(event_json(item))
                elif board is None:
                    print_out(event_line(item), soft_wrap=True)
                else:
                    board.add(item)
                    error_console().print(event_line(item, chats), no_wrap=True, overflow="ellipsis")


def _read_events(typed: str) -> list[Any]:
    """Read the names of events; none stand for all. Raises ConfigError."""
    if typed.strip() == "all":
        return []
    names = [name.strip() for name in typed.split(",")]
    for name in names:
        if name not in EVENT_NAMES:
            near = get_close_matches(name, EVENT_NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(EVENT_NAMES)}."
            raise ConfigError(
                f"--events: no event is called {name!r}; {hint} `all` shows everything", parameter="names"
            )
    return names


def _show_gap(gap: Gap, *, json: bool) -> None:
    if json:
        write_out(msgspec.json.encode({"gap": gap}) + b"\n")
    else:
        say("✓" if gap.recovered else "!", gap_text(gap))
