"""Runs the command line as a user does: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["begun", "hearing_ctrl_c", "periskope", "shell"]


def periskope(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "periskope_async", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
        env={**_environ(), "COLUMNS": "140", "PYTHONIOENCODING": "utf-8", **environ},
    )


def _environ() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PERISKOPE_")}
    # aiohttp reads the system's certificates when it is imported: a tenth of a second, and no command here needs them.
    return {**ours, "SSL_CERT_FILE": os.devnull}


@contextmanager
def hearing_ctrl_c() -> Generator[None]:
    """Let processes hear Ctrl-C that are started meanwhile: in a shell's background it is ignored, and handed on so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def begun(*arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    with hearing_ctrl_c():
        return subprocess.Popen(
            [sys.executable, "-m", "periskope_async", *arguments],
            stdout=stdout,
            stderr=stderr,
            text=True,
            encoding="utf-8",
        )


def shell(line: str, *, folder: Path | None = None, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of the shell in which ``$periskope`` is the command; output stays bytes."""
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        timeout=50,
        check=False,
        cwd=folder,
        env={
            **_environ(),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "periskope": f"{sys.executable} -W error -m periskope_async",
            **environ,
        },
    )
