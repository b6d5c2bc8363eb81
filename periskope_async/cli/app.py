"""The app: its commands, and how errors and signals become exit codes.

0 whole, 1 failed, 2 usage, 3 partial, 130 stopped by hand.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError
from rich.markup import escape

from periskope_async.cli.chats import chats
from periskope_async.cli.doctor import doctor
from periskope_async.cli.export import export_app
from periskope_async.cli.options import Exit, error_console
from periskope_async.cli.serve import sandbox
from periskope_async.errors import ConfigError, PeriskopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "run"]

app = App(
    name="periskope",
    help="Periskope's WhatsApp chats, from the command line. Set PERISKOPE_API_KEY, or add --sandbox to try it.",
    version=lambda: __import__("periskope_async").__version__,
    result_action="return_value",
)
app.command(chats)
app.command(export_app)
app.command(doctor)
app.command(sandbox)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; give its exit code."""
    try:
        code = app(arguments, exit_on_error=False, error_console=error_console())
    except CycloptsError:
        return Exit.USAGE
    except KeyboardInterrupt:
        error_console().print("[yellow]stopped[/]")
        return Exit.STOPPED
    except BrokenPipeError:
        # Who reads our output has had enough (`… | head`). Python would complain once more at exit.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the rest of the process
        return Exit.OK
    except (PeriskopeError, OSError) as error:
        error_console().print(f"[red]✗[/] {escape(str(error))}", highlight=False)
        for note in getattr(error, "__notes__", ()):
            error_console().print(f"  {escape(note)}", highlight=False)
        return Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED
    return code if isinstance(code, int) else Exit.OK
