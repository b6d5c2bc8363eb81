"""Updates that throw away the spool of an earlier run: nobody has to come and restart them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import AuthenticationError
from periskope_async.errors import ExportError
from periskope_async.export import export
from periskope_async.export.manifest import read_manifest
from periskope_async.sandbox import PHONES, Pass, Status
from tests.export.test_runner import connected, end_before_the_manifest, end_before_the_place, names_in
from tests.export.test_update import ids_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_over")

MODES = [("sweep", "update"), ("update", "sweep")]


async def cut(sandbox: Any, sources: Any, out: Path, **settings: Any) -> None:
    sandbox.script(Pass(), *[Status(401)] * 2)
    with pytest.raises(AuthenticationError):
        await export(sources, out, **settings)
    sandbox.clear()
    assert f"{out.name}.partial" in names_in(out.parent)


@pytest.mark.parametrize(("first", "second"), MODES)
async def test_an_update_and_a_sweep_do_not_block_each_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, first: Any, second: Any
) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=300) as (sandbox, client):
        pager = client.iter_chats(page_size=50, prefetch=1)
        await export(pager, out)
        for place in range(0, 300, 2):
            sandbox.wake(place)
        await cut(sandbox, pager, out, if_exists=first)
        new = sandbox.insert()
        result = await export(pager, out, if_exists=second)
        assert new in ids_in(out)
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
    assert (result.manifest.state, result.resumed_rows) == ("whole", 0)
    assert f"begins anew, as it was {'an' if first == 'update' else 'a'} {first}" in caplog.text
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]


@pytest.mark.parametrize(("first", "second"), MODES)
async def test_the_rows_of_an_earlier_run_stay_until_the_server_answers(
    tmp_path: Path, first: Any, second: Any
) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=300) as (sandbox, client):
        pager = client.iter_chats(page_size=50, prefetch=1)
        await export(pager, out)
        for place in range(0, 300, 2):
            sandbox.wake(place)
        await cut(sandbox, pager, out, if_exists=first)
        before = (tmp_path / "out.jsonl.partial").read_bytes()
        sandbox.script(Status(401))
        with pytest.raises(AuthenticationError):
            await export(pager, out, if_exists=second)
        assert (tmp_path / "out.jsonl.partial").read_bytes() == before
        result = await export(pager, out, if_exists=first)
    assert (result.manifest.state, result.resumed_rows > 0) == ("whole", True)


@pytest.mark.parametrize("end", [end_before_the_place, end_before_the_manifest], ids=lambda end: end.__name__)
@pytest.mark.parametrize(("first", "second"), MODES)
async def test_a_whole_file_is_put_in_place_by_both(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    end: Callable[[Any], None],
    first: Any,
    second: Any,
) -> None:
    """The file at OUT may be the new one already."""
    out = tmp_path / "out.jsonl"
    async with connected(chats=30) as (sandbox, client):
        await export(client.iter_chats(), out)
        new = sandbox.insert()
        with monkeypatch.context() as patched:
            end(patched)
            with pytest.raises(ZeroDivisionError):
                await export(client.iter_chats(), out, if_exists=first)
        before = len(sandbox.requests)
        result = await export(client.iter_chats(), out, if_exists=second)
        assert len(sandbox.requests) == before
    assert new in ids_in(out)
    assert result.manifest == read_manifest(out)
    assert f"Run this {second} again" in caplog.text


@pytest.mark.parametrize(("first", "second"), MODES)
async def test_a_spool_of_other_sources_is_not_thrown_away(tmp_path: Path, first: Any, second: Any) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=300) as (sandbox, client):
        one = {"group": client.iter_chats(chat_type="group", page_size=20, prefetch=1)}
        two = {**one, "user": client.iter_chats(chat_type="user", page_size=20, prefetch=1)}
        await export(one, out)
        sandbox.script(Pass(), Pass(), *[Status(401)] * 4)
        with pytest.raises(AuthenticationError):
            await export(two, out, if_exists=first)
        with pytest.raises(ExportError, match="other filters or settings"):
            await export(one, out, if_exists=second)


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
async def test_a_source_that_fails_for_nights_does_not_keep_the_others_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, is_first: bool, is_old: bool
) -> None:
    """Soon after the failure, the same command reads the rest alone."""
    out = tmp_path / "out.jsonl"
    if is_old:
        monkeypatch.setattr("periskope_async.export.older._LONGEST_PARTIAL", timedelta(0))
    async with connected(chats=30, sizes={"messages": 60}) as (sandbox, client):
        sources = {phone.phone_id: client.with_phone(phone.phone_id).iter_messages() for phone in PHONES}
        if not is_first:
            await export(sources, out)
        sandbox.script(Status(401))
        assert (await export(sources, out, if_exists="update")).manifest.state == "partial"
        new = {sandbox.add("messages") for _ in range(9)}
        result = await export(sources, out, if_exists="update")
        there = [json.loads(line)["message_id"] for line in out.read_bytes().splitlines()]
        assert (new < set(there)) is is_old
        assert len(there) == len(set(there))
        assert (result.resumed_rows == 0) is is_old
    assert result.manifest.state == "whole"
    assert ("begins anew, as a source had failed" in caplog.text) is is_old
