"""Paths as they are shown to people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from periskope_async.cli.existing import shown_path

if TYPE_CHECKING:
    import pytest


def test_a_path_is_shown_from_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "out.jsonl") == Path("out.jsonl")
    assert shown_path(tmp_path.parent / "out.jsonl") == tmp_path.parent / "out.jsonl"


def test_a_path_is_shown_whole_where_the_present_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert shown_path(tmp_path / "out.jsonl") == tmp_path / "out.jsonl"
