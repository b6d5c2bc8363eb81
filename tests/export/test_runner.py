"""An export from a walk to a file, also where it is cancelled, fails, or is gone on with."""

from __future__ import annotations

import asyncio
import errno
import gc
import gzip
import json
import os
import sqlite3
import stat
import threading
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import AuthenticationError, ConfigError, PeriskopeClient, RetryPolicy, TransportError
from periskope_async.errors import ExportError
from periskope_async.export import ExportPlan, export, export_chats
from periskope_async.export.compression import decompressed
from periskope_async.export.manifest import read_manifest
from periskope_async.export.spool import Spool
from periskope_async.paging.page import Ask, Page
from periskope_async.paging.run import WalkRun
from periskope_async.sandbox import Body, CutBody, HeaderChange, Pass, ResetConnection, Sandbox, Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_over")


@asynccontextmanager
async def connected(**settings: Any) -> AsyncGenerator[tuple[Sandbox, PeriskopeClient]]:
    chosen: dict[str, Any] = {"chats": 700, "limit": 10_000, **settings}
    async with (
        Sandbox(**chosen) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, retry=RetryPolicy(tries=1)) as client,
    ):
        yield sandbox, client


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def modes_in(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def truth(client: PeriskopeClient) -> list[bytes]:
    return await client.iter_chats().raw().collect()


@pytest.mark.parametrize("name", ["out.jsonl", "out.sqlite"])
async def test_a_file_that_comes_meanwhile_is_not_lost(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    async with connected() as (sandbox, client):
        sandbox.before_page = lambda _: out.write_text("somebody else's") and None
        for _ in range(2):
            with pytest.raises(ExportError, match="may be no export"):
                await export_chats(client.iter_chats(page_size=100), out)
            assert out.read_text() == "somebody else's"
        requests = len(sandbox.requests)
        sandbox.before_page = None
        out.unlink()
        result = await export_chats(client.iter_chats(page_size=100), out)
        assert (result.rows, len(sandbox.requests)) == (700, requests)
    assert names_in(tmp_path) == [name, f"{name}.manifest.json"]


async def test_an_export_that_comes_meanwhile_is_not_lost(tmp_path: Path) -> None:
    out, other = tmp_path / "out.jsonl", tmp_path / "other.jsonl"
    async with connected() as (sandbox, client):
        await export_chats(client.iter_chats(page_size=100, max_items=300), other)

        def come(_: object) -> None:
            if other.exists():
                other.rename(out)
                other.with_name("other.jsonl.manifest.json").rename(tmp_path / "out.jsonl.manifest.json")

        sandbox.before_page = come
        with pytest.raises(ExportError, match="another export than at the start"):
            await export_chats(client.iter_chats(page_size=100, max_items=5), out)
    assert len(out.read_bytes().splitlines()) == 300


async def test_every_row_is_in_the_file(tmp_path: Path) -> None:
    async with connected() as (_, client):
        result = await export_chats(client.iter_chats(page_size=100), tmp_path / "out.jsonl")
        rows = await truth(client)
    content = (tmp_path / "out.jsonl").read_bytes()
    assert content == b"".join(row + b"\n" for row in rows)
    assert (result.rows, result.bytes, result.manifest.state, result.resumed_rows) == (700, len(content), "whole", 0)
    assert names_in(tmp_path) == ["out.jsonl", "out.jsonl.manifest.json"]
    assert modes_in(tmp_path) == {0o600}
    assert read_manifest(tmp_path / "out.jsonl") == result.manifest


async def test_a_written_page_makes_room_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    place = WalkRun[bytes]._place

    def pages() -> int:
        return sum(isinstance(each, Page) for each in gc.get_objects())

    def counted(run: WalkRun[bytes], ask: Ask, fetched: Page[bytes], now: float) -> Page[bytes] | None:
        alive.append(pages() - others)
        return place(run, ask, fetched, now)

    async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    # A thread holds on to its last work for a moment after its end.
    monkeypatch.setattr("periskope_async.export.walking.in_thread", at_once)
    monkeypatch.setattr(WalkRun, "_place", counted)
    gc.collect()
    others = pages()
    async with connected() as (_, client):
        # Without look-ahead: a page in flight may have arrived already.
        await export_chats(client.iter_chats(page_size=100, prefetch=1), tmp_path / "out.jsonl")
    assert len(alive) >= 7
    assert set(alive) == {1}


@pytest.mark.parametrize("chats", [0, 700])
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst"])
async def test_compressed_lines_are_the_same(tmp_path: Path, ending: str, chats: int) -> None:
    async with connected(chats=chats) as (_, client):
        await export(client.iter_chats(page_size=100), tmp_path / f"out.{ending}")
        rows = await truth(client)
    content = (tmp_path / f"out.{ending}").read_bytes()
    if ending.endswith("gz"):
        content = gzip.decompress(content)
    elif ending.endswith("zst"):
        content = decompressed(content, "zst")
    assert content == b"".join(row + b"\n" for row in rows)


@pytest.mark.parametrize("name", ["", "no/such/folder.jsonl", "circle.jsonl", "new.jsonl/", "out.docx", "out"])
async def test_a_bad_target_costs_no_request(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle.jsonl").symlink_to(tmp_path / "circle.jsonl")
    async with connected() as (sandbox, client):
        with pytest.raises((ExportError, ConfigError)):
            await export(client.iter_chats(), f"{tmp_path}/{name}")
        assert sandbox.requests == []
    assert names_in(tmp_path) == ["circle.jsonl"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"kind":"periskope-export","version":7}', "is of version 7"),
        ('{"kind":"of somebody else"}', "is not the manifest of an export"),
        ("no JSON", "is not the manifest of an export"),
    ],
)
async def test_a_foreign_manifest_is_left_alone(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "out.jsonl.manifest.json").write_text(content)
    async with connected() as (sandbox, client):
        with pytest.raises(ExportError, match=said):
            await export(client.iter_chats(), tmp_path / "out.jsonl")
        assert sandbox.requests == []
    assert (tmp_path / "out.jsonl.manifest.json").read_text() == content


@pytest.mark.parametrize("settings", [{"sources": {}}, {"patience": -1}, {"patience": float("nan")}])
async def test_settings_that_cannot_be_right_are_refused(settings: dict[str, Any]) -> None:
    async with connected(chats=1) as (_, client):
        with pytest.raises(ConfigError):
            ExportPlan(**dict[str, Any]({"sources": client.iter_chats(), **settings}))


# What breaks off, and goes on


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Status(401), AuthenticationError),
        (Status(500), Exception),
        (ResetConnection(), TransportError),
        (CutBody(), TransportError),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else value.__name__,
)
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
async def test_a_walk_that_fails_is_gone_on_with(
    tmp_path: Path, fault: Any, error: type[Exception], ending: str
) -> None:
    out = tmp_path / f"out.{ending}"
    async with connected() as (sandbox, client):
        await export(client.iter_chats(max_items=3), out)
        older = out.read_bytes()
        pager = client.iter_chats(page_size=100, prefetch=1)
        sandbox.script(Pass(), Pass(), Pass(), fault)
        with pytest.raises(error) as raised:
            await export(pager, out, patience=0)
        assert "rows are kept in" in raised.value.__notes__[0]
        assert out.read_bytes() == older
        assert set(names_in(tmp_path)) - {out.name, f"{out.name}.manifest.json"} == {
            f"{out.name}.partial",
            f"{out.name}.partial.log",
        }
        before = len(sandbox.requests)
        result = await export(client.iter_chats(page_size=100), out)
        assert len(sandbox.requests) - before <= 7
        rows = await truth(client)
    assert 200 < result.resumed_rows < 400
    assert result.manifest.state == "whole"
    assert result.report is not None
    assert result.report.why == "as many rows came, over all runs, as the server counts"
    content = gzip.decompress(out.read_bytes()) if ending.endswith("gz") else out.read_bytes()
    assert content.splitlines() == rows
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]


@pytest.mark.parametrize("list_name", ["messages", "contacts", "tickets"])
async def test_the_pager_says_which_list_it_is(tmp_path: Path, list_name: str) -> None:
    out = tmp_path / "out.sqlite"
    async with connected(chats=30) as (_, client):
        pager = getattr(client, f"iter_{list_name}")()
        expected = {row async for row in pager.raw()}
        result = await export(pager, out)
    with closing(sqlite3.connect(out)) as database:
        rows = {raw.encode() for (raw,) in database.execute(f"SELECT raw_json FROM {list_name}")}  # noqa: S608 - ours
    assert (rows, len(rows), result.manifest.list) == (expected, result.rows, list_name)


async def test_sources_are_of_one_list(tmp_path: Path) -> None:
    async with connected(chats=3) as (_, client):
        refused: dict[str, Any] = {
            "give rows of Chat and Message": {"a": client.iter_chats(), "b": client.iter_messages()},
            "give rows of bytes": client.iter_chats().raw(),
            r"is \[\]": [],
            r"is \{'a': 'x'\}": {"a": "x"},
        }
        for said, sources in refused.items():
            with pytest.raises(ConfigError, match=f"sources {said}"):
                await export(sources, tmp_path / "out.jsonl")


async def test_a_walk_that_fails_at_once_leaves_nothing(tmp_path: Path) -> None:
    async with connected() as (sandbox, client):
        sandbox.script(Status(401))
        with pytest.raises(AuthenticationError):
            await export(client.iter_chats(), tmp_path / "out.jsonl")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("fault", [Status(503), ResetConnection(), Body(b"<html>Back in a minute</html>")], ids=str)
async def test_a_server_that_is_gone_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    async with connected() as (sandbox, client):
        sandbox.script(Pass(), Pass(), fault)
        result = await export(client.iter_chats(page_size=100, prefetch=1), tmp_path / "out.jsonl", patience=60)
    assert (result.rows, result.resumed_rows) == (700, 0)
    assert "the next page does not come" in caplog.text


async def test_patience_ends(tmp_path: Path) -> None:
    async with connected() as (sandbox, client):
        sandbox.script(Pass(), *[Status(503)] * 50)
        with pytest.raises(Exception, match="503"):
            await export(client.iter_chats(page_size=100, prefetch=1), tmp_path / "out.jsonl", patience=1.5)


@pytest.mark.parametrize(
    "other", [{"chat_type": "group"}, {"label": "vip"}, {"sort_order": "asc"}], ids=lambda value: next(iter(value))
)
async def test_other_filters_are_told(tmp_path: Path, other: dict[str, Any]) -> None:
    async with connected() as (sandbox, client):
        sandbox.script(Pass(), Pass(), Status(401))
        with pytest.raises(AuthenticationError):
            await export(client.iter_chats(page_size=100, prefetch=1), tmp_path / "out.jsonl")
        with pytest.raises(ExportError, match="other filters"):
            await export(client.iter_chats(**other), tmp_path / "out.jsonl")
        result = await export(client.iter_chats(**other), tmp_path / "out.jsonl", restart=True)
        assert result.rows == len(sandbox.chat_ids(**other))


async def test_max_items_counts_over_all_runs(tmp_path: Path) -> None:
    async with connected() as (sandbox, client):
        sandbox.script(Pass(), Pass(), Status(401))
        with pytest.raises(AuthenticationError):
            await export(client.iter_chats(page_size=100, prefetch=1, max_items=450), tmp_path / "out.jsonl")
        result = await export(client.iter_chats(page_size=100, max_items=450), tmp_path / "out.jsonl")
        rows = await truth(client)
    assert (tmp_path / "out.jsonl").read_bytes().splitlines() == rows[:450]
    assert result.manifest.state == "whole"


async def test_another_organisation_is_told(tmp_path: Path) -> None:
    async with connected() as (sandbox, client):
        ours, others = (HeaderChange(set={"x-periskope-org-id": name}) for name in ("org-ours", "org-others"))
        sandbox.script(ours, ours, Status(401), others)
        with pytest.raises(AuthenticationError):
            await export(client.iter_chats(page_size=100, prefetch=1), tmp_path / "out.jsonl")
        with pytest.raises(ExportError, match="is of the organisation org-ours, and this key is of org-others"):
            await export(client.iter_chats(page_size=100, prefetch=1), tmp_path / "out.jsonl")
        sandbox.script(*[ours] * 20)
        assert (await export(client.iter_chats(page_size=100), tmp_path / "out.jsonl")).rows == 700


@pytest.mark.parametrize("cancels", [1, 3])
@pytest.mark.parametrize("method", ["append", "end", "make"])
async def test_a_cancel_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, cancels: int
) -> None:
    """It waits for the thread that has the files, however often it comes."""
    began, may_go_on = threading.Event(), threading.Event()
    at_once, close = getattr(Spool, method), Spool.close
    done: list[str] = []

    def slowly(*arguments: Any) -> Any:
        began.set()
        assert may_go_on.wait(20)
        done.append(method)
        return at_once(*arguments)

    def note_and_close(spool: Spool) -> None:
        done.append("close")
        close(spool)

    async with connected() as (_, client):
        monkeypatch.setattr(Spool, method, slowly)
        monkeypatch.setattr(Spool, "close", note_and_close)
        running = asyncio.ensure_future(export(client.iter_chats(page_size=100), tmp_path / "out.jsonl"))
        await asyncio.to_thread(began.wait, 20)
        for _ in range(cancels):
            running.cancel()
            await asyncio.sleep(0)
        # Whoever is let go too early has its turn here.
        for _ in range(5):
            await asyncio.to_thread(bool)
        assert not running.done()
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert done[0] == method
        monkeypatch.undo()
        result = await export(client.iter_chats(page_size=100), tmp_path / "out.jsonl")
        rows = await truth(client)
    assert (tmp_path / "out.jsonl").read_bytes().splitlines() == rows
    assert result.manifest.state == "whole"


async def test_a_second_export_to_the_same_file_is_told(tmp_path: Path) -> None:
    async with connected(latency=0.05) as (sandbox, client):
        first = asyncio.ensure_future(export(client.iter_chats(page_size=100), tmp_path / "out.jsonl"))
        await client.get_chat(sandbox.chat_ids()[0])  # takes as long as the first page
        with pytest.raises(ExportError, match="another export to"):
            await export(client.iter_chats(), tmp_path / "out.jsonl")
        assert (await first).rows == 700


def full(_fd: int, _data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_is_told_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected() as (sandbox, client):

        def fill(_asked: object) -> None:
            if len(sandbox.requests) == 3:
                monkeypatch.setattr(os, "write", full)

        sandbox.before_page = fill
        with pytest.raises(ExportError, match=r"out\.jsonl\.partial': No space left"):
            await export(client.iter_chats(page_size=100, prefetch=1), tmp_path / "out.jsonl")
        monkeypatch.undo()
        sandbox.before_page = None
        result = await export(client.iter_chats(page_size=100), tmp_path / "out.jsonl")
        rows = await truth(client)
    assert result.resumed_rows >= 100
    assert (tmp_path / "out.jsonl").read_bytes().splitlines() == rows


def end_before_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("periskope_async.export.finish.put_in_place", stop)


def end_before_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("periskope_async.export.finish.write_json", stop)


def end_before_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spool, "discard", stop)


def stop(*_arguments: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "end", [end_before_the_place, end_before_the_manifest, end_before_the_sweep], ids=lambda end: end.__name__
)
async def test_the_last_steps_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Each of them may be the last thing that a process does; the next run asks the server for nothing."""
    async with connected() as (sandbox, client):
        with monkeypatch.context() as patched:
            end(patched)
            with pytest.raises(ZeroDivisionError):
                await export(client.iter_chats(page_size=100), tmp_path / "out.jsonl")
        before = len(sandbox.requests)
        result = await export(client.iter_chats(page_size=100), tmp_path / "out.jsonl")
        assert len(sandbox.requests) == before
        rows = await truth(client)
    assert result.manifest.state == "whole"
    assert (tmp_path / "out.jsonl").read_bytes().splitlines() == rows
    assert names_in(tmp_path) == ["out.jsonl", "out.jsonl.manifest.json"]


# Several sources


async def test_each_row_says_where_it_is_from(tmp_path: Path) -> None:
    async with connected() as (sandbox, client):
        sources = {kind: client.iter_chats(label=kind) for kind in ("vip", "lead")}
        result = await export(sources, tmp_path / "out.jsonl")
        merged = await export(sources, tmp_path / "merged.jsonl", merge=True)
        expected = {kind: set(sandbox.chat_ids(label=kind)) for kind in ("vip", "lead")}
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    for kind, ids in expected.items():
        assert {row["chat_id"] for row in rows if row["_source"] == kind} == ids
    assert result.rows == sum(map(len, expected.values()))
    assert merged.rows == len(expected["vip"] | expected["lead"])
    once = [json.loads(line)["chat_id"] for line in (tmp_path / "merged.jsonl").read_bytes().splitlines()]
    assert len(once) == len(set(once)) == merged.rows


@pytest.mark.parametrize("is_there", [True, False])
async def test_one_that_fails_stops_no_other(tmp_path: Path, *, is_there: bool) -> None:
    out = tmp_path / "out.jsonl"
    older = '{"chat_id":"of yesterday@c.us"}\n'
    if is_there:
        out.write_text(older)
    async with connected() as (_, client):
        sources = {"all": client.iter_chats(), "of another": client.with_phone("12025550123").iter_chats()}
        result = await export(sources, out, if_exists="overwrite")
        assert (result.manifest.state, set(result.failed), result.rows) == ("partial", {"of another"}, 700)
        place = tmp_path / "out.jsonl.incomplete" if is_there else out
        assert len(place.read_bytes().splitlines()) == 700
        assert result.path == place
        if is_there:
            assert out.read_text() == older
        again = await export(sources, out, if_exists="overwrite")
        assert (again.rows, again.resumed_rows) == (700, 700)


async def test_what_came_of_a_part_goes_with_the_whole_file(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text('{"chat_id":"of yesterday@c.us"}\n')
    async with connected() as (sandbox, client):
        sources = {label: client.iter_chats(label=label) for label in ("vip", "lead")}
        sandbox.script(Status(401))
        assert (await export(sources, out, if_exists="overwrite")).path == tmp_path / "out.jsonl.incomplete"
        assert (await export(sources, out, if_exists="overwrite")).path == out
    assert names_in(tmp_path) == ["out.jsonl", "out.jsonl.manifest.json"]


async def test_where_all_fail_the_first_error_is_raised(tmp_path: Path) -> None:
    async with connected() as (_, client):
        other = client.with_phone("12025550123")
        with pytest.raises(AuthenticationError):
            await export({"a": other.iter_chats(), "b": other.iter_chats(label="vip")}, tmp_path / "out.jsonl")
    assert names_in(tmp_path) == []


# Half emojis


@pytest.mark.parametrize("is_repaired", [True, False])
async def test_half_emojis_are_counted(tmp_path: Path, *, is_repaired: bool) -> None:
    whole = rb'{"chat_id":"2@c.us","chat_name":"whole \ud83d\ude00 and \\ud83d"}'
    pages = (
        rb'{"from":1,"to":2,"count":2,"chats":[{"chat_id":"1@c.us","chat_name":"cut \ud83d"},' + whole + b"]}",
        b'{"from":2,"to":2,"count":2,"chats":[' + whole + b"]}",
    )
    async with connected() as (sandbox, client):
        sandbox.script(*[Body(body, "application/json") for body in pages])
        result = await export(client.iter_chats(), tmp_path / "out.jsonl", repair_text=is_repaired)
    assert result.manifest.half_emojis == 1
    first, second = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert first == (rb'{"chat_id":"1@c.us","chat_name":"cut \ufffd"}' if is_repaired else
                     rb'{"chat_id":"1@c.us","chat_name":"cut \ud83d"}')  # fmt: skip
    assert second == whole
