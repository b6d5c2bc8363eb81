"""The app: its commands, and how errors and signals become exit codes.

0 whole, 1 failed (also by a file that cannot be used), 2 usage or settings, 3 partial, 130 stopped by hand, 129 and 143
stopped by SIGHUP and SIGTERM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, UnknownOptionError

from periskope_async.cli.chats import chats
from periskope_async.cli.console import (
    log_to_stderr,
    output_console,
    prepare_streams,
    say,
    settle_streams,
)
from periskope_async.cli.doctor import doctor
from periskope_async.cli.export import export_app
from periskope_async.cli.options import Exit
from periskope_async.cli.report import report
from periskope_async.cli.resources import contacts, messages, phones, queue, tickets
from periskope_async.cli.sending import send, status
from periskope_async.cli.serve import sandbox
from periskope_async.cli.stopping import Stopped, run_until_stopped
from periskope_async.cli.sync import sync
from periskope_async.cli.watch import watch
from periskope_async.cli.webhooks import webhooks_app
from periskope_async.cli.wording import in_options
from periskope_async.errors import ConfigError, PeriskopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "run"]

app = App(
    name="periskope",
    help="Periskope's WhatsApp chats, from the command line. Set PERISKOPE_API_KEY, or add --sandbox to try it.",
    version=lambda: __import__("periskope_async").__version__,
    result_action="return_value",
    # Ctrl-C during the writing of a row would otherwise end without a word.
    suppress_keyboard_interrupt=False,
)
for command in (chats, messages, send, status, contacts, tickets, phones, queue):
    app.command(command)
app.command(export_app)
app.command(report)
app.command(sync)
app.command(watch)
app.command(webhooks_app)
app.command(doctor)
app.command(sandbox)
app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType] - its further arguments have no types
    help="Let the shell complete commands, options and their words: bash, zsh, fish, PowerShell. This writes a script, "
    "and adds a line to your shell's start-up file."
)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; give its exit code."""
    prepare_streams()
    log_to_stderr()
    try:
        code = run_until_stopped(
            app.run_async(arguments, exit_on_error=False, print_error=False, console=output_console())
        )
    except CycloptsError as error:
        say("✗", str(error))
        if isinstance(error, UnknownOptionError) and arguments[0] == "send":
            say(None, 'a text that begins with a dash goes behind `--`: `periskope send CHAT-ID -- "-5 degrees"`')
        return Exit.USAGE
    except KeyboardInterrupt:
        say("!", "stopped")
        return Exit.STOPPED
    except Stopped as stopped:
        say("!", "stopped")
        _say_notes(stopped)
        return 128 + stopped.number
    except BrokenPipeError:
        # The reader of our output has had enough (`… | head`).
        return Exit.OK
    except (PeriskopeError, OSError) as error:
        say("✗", in_options(error, arguments))
        _say_notes(error)
        # A file that cannot be read is no fault of the command line.
        is_usage = isinstance(error, ConfigError) and error.parameter != "path"
        return Exit.USAGE if is_usage else Exit.FAILED
    finally:
        settle_streams()
    return code if isinstance(code, int) else Exit.OK


def _say_notes(error: BaseException) -> None:
    for note in getattr(error, "__notes__", ()):
        say(None, note)
