"""The command ``periskope`` (extra ``cli``): chats, export, sync, watch, webhooks, doctor, sandbox."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        from periskope_async.cli.app import run  # noqa: PLC0415 - what it needs is an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"cyclopts", "rich"}:
            raise
        sys.stderr.write(f"periskope needs the package {error.name!r}: pip install 'periskope-async[cli]'\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))
