"""The command line in the tests' own process."""

from __future__ import annotations

from subprocess import CompletedProcess
from typing import TYPE_CHECKING, TypeAlias

import pytest

from periskope_async.cli.app import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Here: TypeAlias = Callable[..., CompletedProcess[str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Here:
    """Give a function that runs the command in an empty folder, without settings. Starting a process takes long."""
    for name in ("PERISKOPE_API_KEY", "PERISKOPE_PHONE", "PERISKOPE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str) -> CompletedProcess[str]:
        code = run(arguments)
        out, said = capsys.readouterr()
        return CompletedProcess(arguments, code, out, said)

    return ran
