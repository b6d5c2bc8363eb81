"""Text for people: every terminal, file and encoding can take it, and no stranger can shape it."""

from __future__ import annotations

import codecs
import io
import logging
import os
import sys
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.text import Text

from periskope_async.cli.stopping import ending_at_once
from periskope_async.errors import ExportError
from periskope_async.printable import escaped, one_line

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from rich.console import RenderableType

__all__ = [
    "SIGNS",
    "Sign",
    "check_stdout",
    "error_console",
    "is_drawn_on",
    "log_to_stderr",
    "output_console",
    "prepare_streams",
    "print_out",
    "say",
    "settle_streams",
    "signed",
    "write_out",
]

Sign = Literal["✓", "!", "✗", "?"]
SIGNS: dict[str, Sign] = {"whole": "✓", "unknown": "?", "partial": "!"}
"""The sign of each state of an export."""
_STYLES = {"✓": "green", "!": "yellow", "✗": "red", "?": "yellow"}
_LEAST_WIDTH = 30
_MOST_WIDTH = 10_000
# Replaces the signs in our own texts if an encoding lacks them.
_PLAIN = {"✓": "+", "✗": "x", "→": "->", "…": "..."}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller; rich would exit with 1."""
        raise BrokenPipeError


def prepare_streams() -> None:
    """Let stdout and stderr take every text: characters missing from their encoding become plain ones."""
    codecs.register_error("periskope", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a stream that was closed by the caller is None
            stream.reconfigure(errors="periskope")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in lacking), error.end


@cache
def error_console() -> Console:
    """Give the console for progress and errors: stderr, so that stdout can be piped.

    There is one, so that a line printed while progress is drawn goes above it.
    """
    return _within_bounds(_Console(stderr=True, highlight=False))


def say(sign: Sign | None, text: str, *, path: Path | None = None, style: str = "") -> None:
    """Print one line on stderr, with the path of a file at its end. Never raises: nobody may be there to read it."""
    line = signed(sign, text, style=style)
    if path is not None:
        line.append(f" → {escaped(str(path))}")
    with suppress(OSError, ValueError):
        error_console().print(line, soft_wrap=True)


def signed(sign: Sign | None, text: str, *, style: str = "") -> Text:
    """Give a line with its sign; ``text`` is shown as it is, never read as markup."""
    line = Text("  ") if sign is None else Text.assemble((sign, _STYLES[sign]), " ")
    return line.append(one_line(text), style=style)


def log_to_stderr() -> None:
    """Show the library's warnings; Python would print them bare without a handler."""
    logging.getLogger("periskope_async").addHandler(_Warnings(logging.WARNING))


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # LongWaits says a wait for the limit, in words for people.
        if not str(record.msg).startswith("waiting "):
            say("!", record.getMessage())


def output_console() -> Console:
    """Give the console for the output of a command: stdout."""
    return _within_bounds(_Console(highlight=False))


def _within_bounds(console: Console) -> Console:
    """Bound the width, which may come from COLUMNS."""
    # A narrower table would cut the ids, and they are there to be copied. No text at all fits on a width of 0, and a
    # line of a vast width fills the memory.
    if not _LEAST_WIDTH <= console.width <= _MOST_WIDTH:
        console.width = min(max(console.width, _LEAST_WIDTH), _MOST_WIDTH)
    return console


def is_drawn_on(console: Console) -> bool:
    """Whether a person sees what is drawn on it.

    rich takes any file for a terminal if FORCE_COLOR or TTY_COMPATIBLE is set, so isatty is asked too. It draws nothing
    before the end where TERM is dumb or TTY_INTERACTIVE is 0.
    """
    is_drawing = console.is_terminal and console.is_interactive and not console.is_dumb_terminal
    return is_drawing and console.file.isatty()


def check_stdout() -> None:
    """Raise ExportError if stdout is closed, before a request whose result could not be shown."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - so it is where the caller closed it
        raise ExportError("stdout is closed, and what was asked for goes there")


@contextmanager
def _stdout() -> Generator[None]:
    check_stdout()
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ExportError(f"cannot write to stdout: {error.strerror or error}") from error


def print_out(*lines: RenderableType, soft_wrap: bool = False) -> None:
    """Print on stdout. Raises ExportError if it is closed or full, BrokenPipeError if its reader left.

    A string is one line of plain text. rich would read markup in it, and it may be a server's.
    """
    with _stdout():
        for line in lines:
            shown = Text(one_line(line)) if isinstance(line, str) else line
            output_console().print(shown, soft_wrap=soft_wrap)


def write_out(data: bytes) -> None:
    """Write bytes to stdout; raises as :func:`print_out` does."""
    with _stdout(), ending_at_once():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def settle_streams() -> None:
    """Flush or drop what stdout and stderr have not taken: Python exits with 120 if it fails to write it at the end."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # pyright: ignore[reportUnnecessaryComparison] - as above
            continue
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
