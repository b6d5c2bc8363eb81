"""``periskope sync``: a copy of the organisation's lists in a database, kept true."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from periskope_async.cli.console import check_stdout, say, write_out
from periskope_async.cli.durations import say_duration
from periskope_async.cli.options import Connection, Exit, Hours, Seconds, Switch, open_client
from periskope_async.cli.progress import ExportProgress
from periskope_async.cli.wording import amount
from periskope_async.errors import ConfigError, PeriskopeError
from periskope_async.events import PageRead
from periskope_async.export import Fetched
from periskope_async.export.formats import FORMATS
from periskope_async.mirror import Mirror
from periskope_async.mirror.lists import LISTS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from periskope_async.cli.console import Sign
    from periskope_async.client import PeriskopeClient
    from periskope_async.events import Event
    from periskope_async.export import Converted
    from periskope_async.live_event import LiveEvent
    from periskope_async.mirror import ListResult, SyncResult
    from periskope_async.realtime.items import Gap

__all__ = ["SyncProgress", "sync"]


async def sync(
    database: str,
    /,
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    lists: str = ",".join(LISTS),
    full: Switch = False,
    watch: Switch = False,
    every: Seconds = 60.0,
    full_every: Hours = 24.0,
    history: Switch = False,
    quiet: Switch = False,
    json: Switch = False,
) -> int:
    """Bring DATABASE up to date: the first time by all rows, then by what is new.

    Parameters
    ----------
    database
        A file for SQLite such as chats.sqlite, one that ends in .duckdb or .ddb, or a postgresql:// URL. A file of any
        other name is for SQLite too; an ending of an export that is no database, such as .csv, is refused.
    lists
        What to keep, with commas between.
    full
        Read all rows again.
    watch
        Go on until Ctrl-C.
    every
        With --watch, the time between two looks at what is new: such as 10m, or seconds.
    full_every
        The time after which all rows are read again, which finds changes that no event told: such as 7d, or hours.
    history
        Keep each change of a field in the table mirror_history.
    quiet
        No progress and no summary.
    json
        Print the account of each sync as a line of JSON.
    """
    if json:
        check_stdout()
    _refuse_other_formats(database)
    kept = _read_lists(lists)
    progress = ExitStack()
    results: list[SyncResult] = []

    def tell(result: SyncResult) -> None:
        progress.close()
        results[:] = [result]
        if json:
            write_out(msgspec.json.encode(result) + b"\n")
        elif not quiet:
            for each in result.lists:
                if each.changes or not watch:
                    _summarise(each)

    def tell_error(error: PeriskopeError) -> None:
        say("!", f"{error}; the next try is in {say_duration(every)}")

    drawn = SyncProgress("rows", is_quiet=quiet or json)
    with progress:
        async with (
            open_client(connection, hooks=(drawn,), is_quiet=quiet) as client,
            Mirror(
                client,
                database,
                lists=kept,
                history=history,
                full_every=timedelta(hours=full_every),
            ) as mirror,
        ):
            progress.enter_context(drawn)
            if watch:
                await mirror.watch(every=every, full=full, events=_live(client), on_sync=tell, on_error=tell_error)
            else:
                tell(await mirror.sync(full=full))
    is_whole = all(each.complete is not False for result in results for each in result.lists)
    return Exit.OK if is_whole else Exit.PARTIAL


def _refuse_other_formats(database: str) -> None:
    """Raise ConfigError for a file whose name is that of another format: its reader would not take a database."""
    for name in FORMATS.keys() - {"sqlite", "duckdb"}:
        # The target itself may hold a password.
        if "://" not in database and database.lower().endswith(FORMATS[name].endings):
            raise ConfigError(
                f"DATABASE ends as a file of {name} does; give a file such as chats.sqlite, or let `periskope export "
                "chats` write a file of that kind",
                parameter="database",
            )


def _read_lists(typed: str) -> list[str]:
    """Read the names of lists. Raises ConfigError."""
    names = [name.strip() for name in typed.split(",")]
    for name in names:
        if name not in LISTS:
            raise ConfigError(
                f"--lists: a mirror has no list {name!r}; give some of {','.join(LISTS)}", parameter="lists"
            )
    return names


class SyncProgress(ExportProgress):
    """Draws how far the walk over a list is, until it is left."""

    _bytes = 0
    _is_left = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        self._is_left = True

    def __call__(self, event: Event | Fetched | Converted, /) -> None:
        """Draw what happened."""
        if self._is_left:
            return
        super().__call__(event)
        if isinstance(event, PageRead):
            self._bytes += event.meta.body_bytes
            super().__call__(Fetched("", event.delivered, event.count, self._bytes))


async def _live(client: PeriskopeClient) -> AsyncGenerator[LiveEvent | Gap]:
    """Give live events for as long as there are any; the mirror goes on without them by looking now and then."""
    try:
        async with client.events() as stream:
            async for item in stream:
                yield item
    except PeriskopeError as error:
        say("!", f"no live events: {error}")


def _summarise(each: ListResult) -> None:
    sign: Sign = "!" if each.complete is False else "✓"
    say(sign, f"{each.name}: {amount(each.rows, 'rows')}; {_changes(each)}; {amount(each.requests, 'requests')}")
    if each.full:
        say(None, f"all rows were read: {each.full}", style="dim")


def _changes(each: ListResult) -> str:
    numbers = {"new": each.inserted, "changed": each.updated, "gone": each.deleted, "back": each.restored}
    return ", ".join(f"{number:,} {what}" for what, number in numbers.items() if number) or "nothing new"
