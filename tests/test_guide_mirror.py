"""The guide to mirrors is run as it stands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.test_readme import guide, sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from periskope_async.mirror import SyncResult


async def test_the_mirror(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    defined = guide("mirror")
    path = str(tmp_path / "chats.sqlite")
    shown = asyncio.Event()
    show = defined["show"]

    def told(result: SyncResult) -> None:
        show(result)
        shown.set()

    defined["show"] = told
    async with sandbox(monkeypatch) as running:
        keeping = asyncio.ensure_future(defined["keep"](path))
        await shown.wait()
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        groups = running.chat_ids(chat_type="group")
    chats, messages, *_ = capsys.readouterr().out.splitlines()
    assert chats.startswith("chats: 60 rows, 60 changed, ")
    assert messages.startswith("messages: ")
    assert ("group", len(groups)) in defined["busiest"](path)
