"""Shows the progress of an export: drawn on a terminal, as a plain line now and then on a pipe."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from periskope_async.cli.console import error_console, is_drawn_on, say
from periskope_async.cli.durations import say_duration
from periskope_async.cli.wording import amount
from periskope_async.events import Event, PageRead, ResponseReceived, Retried, Throttled
from periskope_async.export import Converted, Fetched

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["ExportProgress"]

# A shorter wait would only flicker.
_SHOWN_WAIT_SECONDS = 0.05
_SECONDS_A_LINE = 5.0
# A rate is a guess before that.
_SECONDS_TO_A_RATE = 1.0


class ExportProgress:
    """Draws the progress of an export. It is a client's hook, and an export's ``progress``.

    Enter it while the export runs. It writes a plain line every five seconds if stderr is no terminal.
    """

    def __init__(self, what: str, *, max_items: int | None = None, is_quiet: bool = False) -> None:
        self._what = what
        self.sources = 1
        """The number of walks."""
        self._max_items = max_items
        self._is_quiet = is_quiet
        self._count = _Count()
        console = error_console()
        self._is_drawn = not is_quiet and is_drawn_on(console)
        self._said = time.monotonic()
        self._bar = Progress(
            SpinnerColumn("dots" if console.encoding.startswith("utf") else "line"),
            TextColumn("{task.fields[text]}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[yellow]{task.fields[note]}", justify="left"),
            console=console,
            disable=not self._is_drawn,
        )
        self._task = self._bar.add_task("", total=None, text=f"0 {what}", left="", note="")

    def __call__(self, event: Event | Fetched | Converted, /) -> None:
        """Draw what happened."""
        match event:
            case Fetched():
                self._count.fetched(event)
                self._show()
            case PageRead():
                self._count.pages += 1
            case Converted(rows=rows, total=total):
                self._bar.update(
                    self._task, completed=rows, total=total, text=f"writing {rows:,} of {total:,}", left="", note=""
                )
            case Throttled(wait=wait, reason=reason, waiting=waiting) if wait > _SHOWN_WAIT_SECONDS:
                why = "refused by the server" if reason == "refused" else "rate limit"
                self._note(f"{why}: next request in {wait:.1f} s, {waiting} in line")
            case Retried(wait=wait, error=error):
                self._count.retries += 1
                self._note(f"retrying in {wait:.1f} s: {type(error).__name__}")
            case ResponseReceived():
                self._note("")
            case _:
                pass

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def said_rows(self) -> str:
        """Say how many rows were written so far; nothing if there are none."""
        return amount(self._count.rows, self._what) if self._count.rows else ""

    def _note(self, note: str) -> None:
        self._bar.update(self._task, note=note)

    def _show(self) -> None:
        count = self._count
        total = count.total(self.sources)
        if self._max_items is not None:
            wanted = self._max_items * self.sources
            total = wanted if total is None else min(wanted, total)
        text, left = count.said(self._what, total)
        self._bar.update(self._task, completed=count.rows, total=total, text=text, left=left, note="")
        now = time.monotonic()
        if not (self._is_drawn or self._is_quiet) and now - self._said >= _SECONDS_A_LINE:
            self._said = now
            of = "" if total is None else f" of {total:,}"
            say(None, f"{text.replace(f' {self._what}', f'{of} {self._what}', 1)}{left and ', '}{left}")


class _Count:
    """The rows and pages so far."""

    def __init__(self) -> None:
        self.pages = 0
        self.retries = 0
        self._bytes = 0
        self._latest: dict[str, Fetched] = {}
        self._began: tuple[float, int] | None = None

    @property
    def rows(self) -> int:
        return sum(fetched.rows for fetched in self._latest.values())

    def fetched(self, event: Fetched) -> None:
        self._latest[event.source] = event
        self._bytes = event.bytes
        if self._began is None:
            # Rows of an earlier run say nothing of this one's speed, nor does the first page.
            self._began = time.monotonic(), self.rows

    def total(self, sources: int) -> int | None:
        """Add up the server's counts; None until each source has given one."""
        counts = [max(one.count, one.rows) for one in self._latest.values() if one.count is not None]
        return sum(counts) if len(counts) == sources else None

    def said(self, what: str, total: int | None) -> tuple[str, str]:
        """Say the amounts so far, and the time for the rest."""
        parts = [f"{self.rows:,} {what}", amount(self.pages, "pages"), f"{self._bytes / 1e6:,.1f} MB"]
        left = ""
        if self._began is not None:
            seconds = time.monotonic() - self._began[0]
            rate = (self.rows - self._began[1]) / seconds if seconds >= _SECONDS_TO_A_RATE else 0
            if rate > 0:
                parts.append(f"{rate:,.0f}/s")
                if total is not None:
                    left = f"{say_duration((total - self.rows) / rate)} left"
        if self.retries:
            parts.append(amount(self.retries, "retries"))
        return ", ".join(parts), left
