"""What reaches people: text that every terminal, file and encoding can take, and that no stranger can shape."""

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
from periskope_async.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import RenderableType

__all__ = [
    "SIGNS",
    "Sign",
    "check_stdout",
    "error_console",
    "log_to_stderr",
    "output_console",
    "prepare_streams",
    "print_out",
    "say",
    "settle_stdout",
    "signed",
    "write_out",
]

Sign = Literal["✓", "!", "✗", "?"]
SIGNS: dict[str, Sign] = {"whole": "✓", "unknown": "?", "partial": "!"}
"""By the state of an export."""
_STYLES = {"✓": "green", "!": "yellow", "✗": "red", "?": "yellow"}
_LEAST_WIDTH = 30
# What our own texts are made of, for encodings that lack it.
_PLAIN = {"✓": "+", "✗": "x", "→": "->", "…": "..."}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller; rich would exit with 1."""
        raise BrokenPipeError


def prepare_streams() -> None:
    """Let stdout and stderr take every text: what their encoding lacks is shown as something plain."""
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
    return _Console(stderr=True, highlight=False)


def say(sign: Sign | None, text: str, *, style: str = "") -> None:
    """Print one line on stderr. Never raises: a command goes on where nobody can read it."""
    with suppress(OSError, ValueError):
        error_console().print(signed(sign, text, style=style), soft_wrap=True)


def signed(sign: Sign | None, text: str, *, style: str = "") -> Text:
    """Give a line with its sign; ``text`` is shown as it is, never read as markup."""
    line = Text("  ") if sign is None else Text.assemble((sign, _STYLES[sign]), " ")
    return line.append(one_line(text), style=style)


def log_to_stderr() -> None:
    """Show what the library warns of; without a handler Python would print it as it is."""
    logging.getLogger("periskope_async").addHandler(_Warnings(logging.WARNING))


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # A wait for the limit is said by LongWaits, in words for people.
        if not str(record.msg).startswith("waiting "):
            say("!", record.getMessage())


def output_console() -> Console:
    """Give the console for what a command was asked for: stdout."""
    console = _Console(highlight=False)
    # Narrower, a table would cut the ids, which are there to be copied; with COLUMNS=0 it would be empty.
    console.width = max(console.width, _LEAST_WIDTH)
    return console


def check_stdout() -> None:
    """Raise ExportError where stdout is closed, before anything is asked for that could not be shown."""
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
    """Print on stdout. Raises ExportError where it is closed or full, BrokenPipeError where its reader left."""
    with _stdout():
        for line in lines:
            output_console().print(line, soft_wrap=soft_wrap)


def write_out(data: bytes) -> None:
    """Write bytes to stdout; raises as :func:`print_out` does."""
    with _stdout(), ending_at_once():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def settle_stdout() -> None:
    """Leave nothing that Python would fail to write when it exits."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        return
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
