"""An older export of named sources brought up to date: each row stays once, counted, and with its source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import ExportError
from periskope_async.export import export
from tests.export.test_formats import needs
from tests.export.test_runner import connected
from tests.export.test_update import gone_in, ids_in, rows_in

if TYPE_CHECKING:
    from pathlib import Path

    from periskope_async import PeriskopeClient

pytestmark = pytest.mark.usefixtures("nothing_left_over")

ENDINGS = ["jsonl", "jsonl.gz", "csv", "sqlite", "parquet", "duckdb"]


def of_types(client: PeriskopeClient, *names: Any) -> dict[str, Any]:
    return {name: client.iter_chats(chat_type=name, page_size=50) for name in names}


@pytest.mark.parametrize("names", [("group",), ("group", "user")], ids=["one", "two"])
@pytest.mark.parametrize("is_merged", [True, False])
@pytest.mark.parametrize("mode", ["update", "sweep"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_each_row_is_there_once(
    tmp_path: Path, ending: str, mode: Any, names: tuple[str, ...], *, is_merged: bool
) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=600) as (sandbox, client):
        first = await export(of_types(client, *names), out, merge=is_merged)
        before = {name: source.rows for name, source in first.manifest.sources.items()}
        group = sandbox.chat_ids(chat_type="group")
        woken, gone = (
            sandbox.wake(sandbox.chat_ids().index(group[3])),
            sandbox.remove(sandbox.chat_ids().index(group[5])),
        )
        result = await export(of_types(client, *names), out, merge=is_merged, if_exists=mode)
        there = {chat for name in names for chat in sandbox.chat_ids(chat_type=name)}
    assert sorted(ids_in(out)) == sorted({*there, woken, gone})
    assert result.rows == first.rows == len(ids_in(out))
    assert {name: source.rows for name, source in result.manifest.sources.items()} == before
    assert gone_in(out) == ({gone} if mode == "sweep" else set())
    update = result.manifest.update
    assert update is not None
    assert (update.added, update.gone) == (0, int(mode == "sweep"))
    assert result.manifest.state == ("whole" if mode == "sweep" else "unknown")


@pytest.mark.parametrize("is_merged", [True, False])
@pytest.mark.parametrize("mode", ["update", "sweep"])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("older", [("group",), ("group", "business")], ids=["one", "two"])
async def test_another_source_is_read_whole(
    tmp_path: Path, ending: str, mode: Any, older: tuple[str, ...], *, is_merged: bool
) -> None:
    """A phone that is linked later must not stop the nightly update of all phones."""
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=300) as (sandbox, client):
        await export(of_types(client, *older), out, merge=is_merged)
        result = await export(of_types(client, *older, "user"), out, merge=is_merged, if_exists=mode)
        expected = {name: sandbox.chat_ids(chat_type=name) for name in (*older, "user")}
        assert {name: source.rows for name, source in result.manifest.sources.items()} == {
            name: len(ids) for name, ids in expected.items()
        }
        if not is_merged:
            there = {
                name: {json.loads(raw)["chat_id"] for raw, source, _ in rows_in(out) if source == name}
                for name in expected
            }
            assert there == {name: set(ids) for name, ids in expected.items()}
        assert sorted(ids_in(out)) == sorted(chat for ids in expected.values() for chat in ids)
        assert result.manifest.state == "whole"
        with pytest.raises(ExportError, match=r"\['user'\] are there.*Give the same ones.*Move it away"):
            await export(of_types(client, *older), out, merge=is_merged, if_exists=mode)


async def test_other_filters_are_named(tmp_path: Path) -> None:
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(start_time="2024-01-01"), tmp_path / "out.jsonl")
        with pytest.raises(
            ExportError, match=r"\(filters: start_time: '2024-01-01.*' there, '2024-02-01.*' asked for\)"
        ):
            await export(client.iter_chats(start_time="2024-02-01"), tmp_path / "out.jsonl", if_exists="update")
        with pytest.raises(ExportError, match=r"\(merge: False there, True asked for\).*Nothing was changed"):
            await export(
                client.iter_chats(start_time="2024-01-01"), tmp_path / "out.jsonl", merge=True, if_exists="update"
            )


async def test_a_source_without_any_row_left_is_not_called_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=3) as (sandbox, client):
        await export(client.iter_chats(), out)
        for chat in sandbox.chat_ids():
            sandbox.remove(chat)
        result = await export(client.iter_chats(), out, if_exists="update")
    assert (result.manifest.state, result.rows) == ("unknown", 3)
    assert result.report is not None
    assert "the server counts 0 rows and the file has 3" in result.report.why


async def test_each_merged_source_may_stop_at_max_items(tmp_path: Path) -> None:
    """A row of both is in the file once, and each of them has given it."""
    async with connected(chats=400) as (_, client):
        sources = {str(size): client.iter_chats(max_items=100, page_size=size) for size in (20, 50)}
        result = await export(sources, tmp_path / "out.jsonl", merge=True)
    assert (result.manifest.state, result.rows) == ("whole", 100)


@pytest.mark.parametrize("name", ["contacts", "tickets", "tasks"])
async def test_a_row_that_left_a_list_read_whole_is_told(tmp_path: Path, name: str) -> None:
    """An update marks nothing as gone, so the file has a row that the server has not."""
    out = tmp_path / "out.jsonl"
    async with connected(chats=30) as (sandbox, client):
        pager = getattr(client, f"iter_{name}")()
        rows = (await export(pager, out)).rows
        sandbox.drop(name, sandbox.ids(name)[3])
        result = await export(pager, out, if_exists="update")
        assert (result.manifest.state, result.rows) == ("unknown", rows)
        assert result.report is not None
        assert f"counts {rows - 1:,} rows and the file has {rows:,}: a full sweep" in result.report.why
        sweep = await export(pager, out, if_exists="sweep")
        assert (sweep.manifest.state, sweep.manifest.gone) == ("whole", 1)
        sandbox.add(name)
        assert (await export(pager, out, if_exists="update")).manifest.state == "whole"
