"""A long wait for the limit is said once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from periskope_async.cli.waits import LongWaits
from periskope_async.events import Throttled
from periskope_async.sandbox import HeaderChange, Sandbox
from tests.cli.running import begun

if TYPE_CHECKING:
    from pathlib import Path


def throttled(wait: float, reason: str = "limit", limit: int | None = 10) -> Throttled:
    return Throttled(wait=wait, reason=reason, limit=limit, remaining=None if limit is None else 0, waiting=1)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (throttled(898.2), "! the rate limit is spent: {next} 14 min 58 s, 0 of 10 requests are left\n"),
        (throttled(10.4, limit=None), "! the rate limit is spent: {next} 10 s\n"),
        (throttled(30, "refused", None), "! the server refused a request (429): {next} 30 s\n"),
        (throttled(10), ""),
        (throttled(0.3), ""),
    ],
)
def test_a_long_wait_is_said_once(capsys: pytest.CaptureFixture[str], event: Throttled, said: str) -> None:
    tell = LongWaits()
    for _ in range(25):
        tell(event)
    assert capsys.readouterr().err == said.format(next="the next request may go in")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize(
    "command", ["chats --page-size 50 --max-items 100", "doctor", "export chats out.jsonl --page-size 50"]
)
def test_every_command_says_that_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    spent = HeaderChange(set={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "400"})
    with Sandbox(chats=500, always=spent) as sandbox:
        monkeypatch.setenv("PERISKOPE_API_KEY", sandbox.api_key)
        monkeypatch.setenv("PERISKOPE_BASE_URL", sandbox.base_url)
        process = begun(*command.split())
        assert process.stderr is not None
        first = process.stderr.readline()
        process.terminate()
        _, rest = process.communicate(timeout=40)
    # One answer holds nobody for longer than a minute.
    assert first.startswith(
        (
            "! the rate limit is spent: the next request may go in 1 min",
            "! the rate limit is spent: the next request may go in 59 s",
        )
    ), first
    kept = "  kept: 50 chats; the same command goes on from there\n" if command.startswith("export") else ""
    assert rest == f"{kept}! stopped\n"
