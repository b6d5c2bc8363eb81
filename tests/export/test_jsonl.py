"""Rows become lines, whole or not at all."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from periskope_async.errors import ExportError
from periskope_async.export.jsonl import JsonlWriter

if TYPE_CHECKING:
    from pathlib import Path


def test_each_row_is_one_line_and_its_own_bytes(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    with JsonlWriter(target) as writer:
        writer.write([b'{"a" : 1}', b'{\n "b": "two\\nlines",\r\n "c": [1,\n 2]}'])
        writer.commit()
    assert target.read_bytes() == b'{"a" : 1}\n{"b":"two\\nlines","c":[1,2]}\n'
    assert writer.bytes_written == target.stat().st_size


def test_nothing_is_seen_before_the_commit_and_nothing_left_without(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("older")
    with JsonlWriter(target) as writer:
        writer.write([b"{}"])
        assert target.read_text() == "older"
    assert target.read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_it_gets_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with JsonlWriter(tmp_path / "out.jsonl") as writer:
        writer.commit()
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "out.jsonl")]
    assert rights[0] == rights[1]


@pytest.mark.parametrize("name", ["missing/out.jsonl", "."])
def test_where_nothing_can_be_written_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError):
        JsonlWriter(tmp_path / name)
