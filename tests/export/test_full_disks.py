"""A disk that is full for a moment, while several walks give the same rows: a row counts once it is on the disk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import ExportError
from periskope_async.export import export
from periskope_async.export.spool import Spool
from periskope_async.export.walking import _Rows
from tests.export.test_runner import connected
from tests.export.test_update import ids_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_over")


async def test_rows_that_found_no_room_are_written_by_the_next_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page behind may still find room, before the failed one has stopped all walks."""
    out = tmp_path / "out.jsonl"
    put, append = _Rows.append, Spool.append
    asked: list[str] = []
    failed: list[Spool] = []
    is_awaited = threading.Event()

    async def count(rows: _Rows, name: str, *more: Any) -> None:
        asked.append(name)
        if len(asked) == 2:
            is_awaited.set()
        await put(rows, name, *more)

    def fail_once(spool: Spool, *more: Any) -> None:
        if not failed:
            failed.append(spool)
            assert is_awaited.wait(20)
            raise ExportError("No space left")
        append(spool, *more)

    async with connected(chats=300) as (sandbox, client):
        sources = {str(size): client.iter_chats(page_size=size, prefetch=1) for size in (100, 150)}
        with monkeypatch.context() as patched:
            patched.setattr(_Rows, "append", count)
            patched.setattr(Spool, "append", fail_once)
            with pytest.raises(ExportError, match="No space left"):
                await export(sources, out, merge=True)
        assert len((tmp_path / "out.jsonl.partial").read_bytes().splitlines()) == int(asked[1])
        result = await export(sources, out, merge=True)
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
    assert result.manifest.state == "whole"
