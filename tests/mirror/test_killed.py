"""A command that is killed at any moment loses nothing: the next one goes on."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from periskope_async import PeriskopeClient
from periskope_async.sandbox import Sandbox
from tests.cli.running import begun, periskope

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is killed there as here")

_CHATS = 6_000


async def test_sigkill_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mirror.sqlite"
    with Sandbox(chats=_CHATS, latency=0.05, limit=1_000) as sandbox:
        monkeypatch.setenv("PERISKOPE_API_KEY", sandbox.api_key)
        monkeypatch.setenv("PERISKOPE_BASE_URL", sandbox.base_url)
        for rows in (1, 3_000):
            process = begun("sync", str(path), "--lists", "chats")
            wait_for(path, rows)
            process.kill()
            process.communicate(timeout=40)
            sandbox.wake()
            sandbox.insert()
        before = rows_in(path)
        ran = periskope(
            "sync",
            str(path),
            "--lists",
            "chats",
            **{
                "PERISKOPE_" + name: value
                for name, value in (("API_KEY", sandbox.api_key), ("BASE_URL", sandbox.base_url))
            },
        )
        assert ran.returncode == 0, ran.stderr
        assert "all rows were read: the last time it was broken off" in ran.stderr
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            truth = {row.decode() for row in await client.iter_chats().raw().collect()}
    assert 3_000 <= before < _CHATS
    with closing(sqlite3.connect(path)) as connection:
        assert {raw for (raw,) in connection.execute("SELECT raw_json FROM chats")} == truth
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def rows_in(path: Path) -> int:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("SELECT COUNT(*) FROM chats").fetchone()
            return int(count)
    except sqlite3.OperationalError:
        return 0  # It has not been made yet.


def wait_for(path: Path, rows: int) -> None:
    deadline = time.monotonic() + 50
    while rows_in(path) < rows:
        assert time.monotonic() < deadline
        time.sleep(0.005)
