"""Options that cannot be, or that a command would not heed, are refused in one line before anything is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from periskope_async.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PERISKOPE_API_KEY", "PERISKOPE_PHONE", "PERISKOPE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a wrong command line; give the one line that it says."""
    code = run(arguments)
    out, said = capsys.readouterr()
    assert (code, out) == (2, ""), said
    assert said.startswith("✗ "), said
    assert said.removesuffix("\n").isprintable(), said
    return said


@pytest.mark.parametrize("value", ["1e12", "1e400", "inf", "nan", "-1", "0", "soon"])
@pytest.mark.parametrize(
    "command",
    [
        "sync x.sqlite --sandbox --every",
        "sync x.sqlite --sandbox --full-every",
        "send 919876543210 hello --sandbox --timeout",
        "sandbox --window",
    ],
)
def test_lengths_of_time(capsys: pytest.CaptureFixture[str], command: str, value: str) -> None:
    assert command.rpartition(" ")[2] in refusal(capsys, *command.split(), value)


@pytest.mark.parametrize("value", ["1e12", "inf", "nan", "-1", "9" * 20, "9" * 400, "367d", "soon"])
@pytest.mark.parametrize("command", ["export chats x.jsonl --sandbox", "export all folder --sandbox"])
def test_patience(capsys: pytest.CaptureFixture[str], command: str, value: str) -> None:
    assert "--patience" in refusal(capsys, *command.split(), f"--patience={value}")


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e12.5", "many"])
@pytest.mark.parametrize(
    "command",
    [
        "chats --sandbox --max-items",
        "chats --sandbox --page-size",
        "chats --sandbox --prefetch",
        "chats --sandbox --sandbox-chats",
        "messages --sandbox --max-items",
        "contacts --sandbox --max-items",
        "tickets --sandbox --max-items",
        "export tickets - --sandbox --max-items",
        "sandbox --chats",
        "sandbox --limit",
    ],
)
def test_numbers_of_rows(capsys: pytest.CaptureFixture[str], command: str, value: str) -> None:
    assert command.rpartition(" ")[2] in refusal(capsys, *command.split(), value)


@pytest.mark.parametrize("option", ["--limit", "--seed", "--chats", "--port", "--latency"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_sandbox_of_no_measure(capsys: pytest.CaptureFixture[str], option: str, sign: str) -> None:
    assert option in refusal(capsys, "sandbox", f"{option}={sign}{'9' * 40}")
