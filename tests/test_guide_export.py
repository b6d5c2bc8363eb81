"""The guide to exports is run as it stands."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import PeriskopeClient
from tests.test_readme import guide, sandbox

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_export_of_several_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with sandbox(monkeypatch, chats=200), PeriskopeClient() as client:
        rows = await guide("export")["save"](client, str(tmp_path / "chats.jsonl"))
    assert rows == len((tmp_path / "chats.jsonl").read_bytes().splitlines()) > 0


async def test_an_update(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refresh, path = guide("update")["refresh"], str(tmp_path / "chats.sqlite")
    async with sandbox(monkeypatch, chats=30) as running, PeriskopeClient() as client:
        assert await refresh(client, path) == "30 chats for the first time"
        running.insert()
        assert (await refresh(client, path)).startswith("1 new, ")
        running.remove(4)
        assert (await refresh(client, path, is_full=True)).endswith(", 1 gone")


async def test_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("duckdb", "pandas", "polars", "pyarrow"):
        pytest.importorskip(package, reason=f"{package} has no wheel for every Python")
    defined = guide("arrow")
    async with sandbox(monkeypatch, chats=60), PeriskopeClient() as client:
        rows: list[dict[str, Any]] = [json.loads(row) async for row in client.iter_chats().raw()]
        days = await defined["busiest_day"](client)
        labels = await defined["by_label"](client)
        unread = await defined["unread"](client)
    assert days.columns == ["day", "len"]
    assert len(days) == 1
    marked: list[dict[str, bool]] = [row["label_ids"] or {} for row in rows]
    named = Counter(label for labels_of in marked for label, is_on in labels_of.items() if is_on)
    assert labels == sorted(named.items())
    assert unread == sum(row["message_unread_count"] or 0 for row in rows)
