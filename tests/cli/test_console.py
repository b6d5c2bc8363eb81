"""The width of what is printed, and whether anything is drawn."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from periskope_async.cli.console import is_drawn_on
from tests.cli.running import periskope


@pytest.mark.parametrize("columns", ["0", "99999999999"])
def test_an_impossible_width_hides_nothing(columns: str) -> None:
    ran = periskope("chats", COLUMNS=columns)
    assert ran.returncode == 2
    assert "PERISKOPE_API_KEY" in ran.stderr
    assert periskope("chats", "--sandbox", "--sandbox-chats", "3", COLUMNS=columns).stdout
    assert periskope("--help", COLUMNS=columns).stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "is_drawn"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "TTY_INTERACTIVE": "1"}, False),
        ({"TERM": "xterm", "TTY_INTERACTIVE": "0"}, False),
    ],
)
def test_nothing_is_drawn_where_rich_would_show_its_end_only(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, is_drawn: bool
) -> None:
    for name in ("TERM", "TTY_INTERACTIVE", "TTY_COMPATIBLE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert is_drawn_on(Console(file=Terminal())) is is_drawn
