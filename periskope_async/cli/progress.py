"""Progress on a terminal: rows, speed, and a wait for the limit shown as a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from periskope_async.cli.console import error_console
from periskope_async.events import Event, PageRead, ResponseReceived, Retried, Throttled

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["WalkProgress"]

# A wait shorter than this would only flicker.
_SHOWN_WAIT_SECONDS = 0.05


class WalkProgress:
    """A hook that draws: pass it to a client, and enter it while the walk runs. Off a terminal it draws nothing."""

    def __init__(self, *, max_items: int | None = None, is_quiet: bool = False) -> None:
        self._max_items = max_items
        console = error_console()
        # Not as rich sees it, which takes any file for a terminal where FORCE_COLOR or TTY_COMPATIBLE is set.
        is_drawn = not is_quiet and console.is_terminal and console.file.isatty()
        self._progress = Progress(
            SpinnerColumn("dots" if console.encoding.startswith("utf") else "line"),
            TextColumn("[bold]{task.fields[rows]}[/] chats"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("[yellow]{task.fields[note]}", justify="left"),
            console=console,
            disable=not is_drawn,
        )
        self._task = self._progress.add_task("", total=None, rows="0", note="")

    def __call__(self, event: Event, /) -> None:
        """Draw what happened."""
        match event:
            case PageRead(delivered=delivered, count=count):
                total = None if count is None else max(count, delivered)
                if self._max_items is not None:
                    total = min(self._max_items, total or self._max_items)
                self._progress.update(self._task, completed=delivered, total=total, rows=f"{delivered:,}", note="")
            case Throttled(wait=wait, reason=reason, waiting=waiting) if wait > _SHOWN_WAIT_SECONDS:
                why = "refused by the server" if reason == "refused" else "rate limit"
                self._progress.update(self._task, note=f"{why}: next request in {wait:.1f} s, {waiting} in line")
            case Retried(wait=wait, error=error):
                self._progress.update(self._task, note=f"retrying in {wait:.1f} s: {type(error).__name__}")
            case ResponseReceived():
                self._progress.update(self._task, note="")
            case _:
                pass

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
