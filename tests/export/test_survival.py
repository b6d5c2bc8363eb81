"""Exports that meet every fault there is, and disks that are full: all of it is gone on with, and nothing is lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import pytest

from periskope_async import PeriskopeClient, PeriskopeError, RetryPolicy, Timeout
from periskope_async.errors import ExportError
from periskope_async.export import Converted, export
from periskope_async.sandbox import (
    Body,
    CutAnswer,
    CutBody,
    CutUpload,
    Fault,
    HeaderChange,
    Pass,
    Redirect,
    ResetConnection,
    Sandbox,
    Slow,
    StallBody,
    Status,
)
from tests.export.test_formats import ids_in, needs
from tests.export.test_runner import connected, names_in

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

resource = pytest.importorskip("resource", reason="limits are those of POSIX")

pytestmark = pytest.mark.usefixtures("nothing_left_over")

FAULTS: list[Fault] = [
    *[Status(status) for status in (401, 403, 404, 408, 422, 500, 502, 503, 504)],
    Status(429, headers={"Retry-After": "0"}),
    Body(b"<html>Bad gateway</html>"),
    Body(b'{"from":1,"to":20,"count":700,"chats":[{"chat', "application/json"),
    Body(b"[]", "application/json"),
    Redirect("https://example.invalid/elsewhere"),
    Slow(0.02),
    CutBody(),
    StallBody(seconds=3),
    ResetConnection(),
    CutAnswer(),
    CutUpload(),
    HeaderChange(drop=("Content-Type", "Date")),
]


async def test_every_fault_is_gone_on_with(tmp_path: Path) -> None:
    """The same command is run again until it is whole, with no retry of its own."""
    assert {type(fault) for fault in FAULTS} == set(get_args(Fault)) - {Pass}
    out = tmp_path / "out.jsonl.gz"
    failures = list[str]()
    async with (
        Sandbox(chats=700, limit=10_000, window=0.2) as sandbox,
        PeriskopeClient(
            sandbox.api_key, base_url=sandbox.base_url, retry=RetryPolicy(tries=1), timeout=Timeout(read=0.5)
        ) as client,
    ):
        sandbox.script(*[one for fault in FAULTS for one in (Pass(), fault)])
        for _ in range(2 * len(FAULTS)):
            try:
                result = await export(client.iter_chats(page_size=20, prefetch=1), out, patience=0)
                break
            except PeriskopeError as error:
                failures.append(type(error).__name__)
        else:
            pytest.fail(f"it never came to an end: {failures}")
        expected = sandbox.chat_ids()
    # The others change nothing that matters.
    assert len(failures) >= len(FAULTS) - 5
    assert ids_in(out) == expected
    assert result.manifest.state == "whole"
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]


# Full disks


@contextmanager
def room_for(number: int) -> Generator[None]:
    """Let no file grow larger: the system refuses to write on, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("ending", ["jsonl.gz", "parquet"])
async def test_a_disk_that_fills_while_pages_come(tmp_path: Path, ending: str) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=300) as (sandbox, client):
        room = 12_000 if ending.endswith("gz") else 300_000
        with room_for(room), pytest.raises(ExportError, match=r"\.partial': File too large") as raised:
            await export(client.iter_chats(page_size=20, prefetch=1), out)
        assert "rows are kept in" in raised.value.__notes__[0]
        assert not out.exists()
        before = len(sandbox.requests)
        result = await export(client.iter_chats(page_size=20), out)
        assert result.resumed_rows > 0
        assert len(sandbox.requests) - before <= 16 - result.resumed_rows // 20 + 2
        assert ids_in(out) == sandbox.chat_ids()
    assert result.manifest.state == "whole"


@pytest.mark.parametrize("room", [1_000, 4_000, 8_000])
async def test_a_disk_too_small_for_one_page_keeps_nothing(tmp_path: Path, room: int) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=30) as (_, client):
        with room_for(room), pytest.raises(ExportError, match=r"out\.jsonl\.partial"):
            await export(client.iter_chats(page_size=20, prefetch=1), out)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("ending", "if_exists"),
    [("csv", "replace"), ("sqlite", "replace"), ("sqlite", "sweep"), ("parquet", "replace"), ("duckdb", "sweep")],
)
async def test_a_disk_that_fills_while_the_file_is_made(tmp_path: Path, ending: str, if_exists: Any) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=300) as (sandbox, client):
        await export(client.iter_chats(), out)
        older, before = out.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)

        def fill(event: object) -> None:
            if isinstance(event, Converted):
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

        sandbox.insert()
        try:
            with pytest.raises(ExportError, match=rf"cannot write '.*out\.{ending}'"):
                await export(client.iter_chats(page_size=20), out, if_exists=if_exists, progress=fill)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert out.read_bytes() == older
        asked = len(sandbox.requests)
        result = await export(client.iter_chats(page_size=20), out, if_exists=if_exists)
        assert len(sandbox.requests) == asked
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
    assert (result.rows, result.manifest.state) == (301, "whole")
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]
