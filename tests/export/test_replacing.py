"""The file at OUT before an export: only one that the export may replace is replaced."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import ExportError
from periskope_async.export import ExportPlan, export
from periskope_async.export.manifest import read_manifest
from periskope_async.export.plan import ExportSettings
from tests.export.test_formats import needs
from tests.export.test_runner import connected, end_before_the_place
from tests.export.test_update import ids_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_over")

ENDINGS = ["jsonl", "jsonl.gz", "jsonl.zst", "csv", "sqlite", "duckdb", "parquet"]


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_export_is_replaced_by_the_same_one(tmp_path: Path, ending: str) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(), out)
        new = sandbox.insert()
        await export(client.iter_chats(page_size=5), out)
        await export(client.iter_chats(sort_by="latest_message_timestamp"), out)
    assert new in ids_in(out)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_file_without_a_manifest_is_refused(tmp_path: Path, ending: str) -> None:
    """It may hold the same fields, as messages of somebody else do."""
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(), out)
        (tmp_path / f"out.{ending}.manifest.json").unlink()
        older, before = bytes_in(tmp_path), len(sandbox.requests)
        with pytest.raises(ExportError, match=r"has no .*manifest\.json.*Nothing was changed.*overwrite"):
            await export(client.iter_chats(), out)
        assert (bytes_in(tmp_path), len(sandbox.requests)) == (older, before)
        await export(client.iter_chats(), out, if_exists="overwrite")
        assert len(ids_in(out)) == 20


@pytest.mark.parametrize("ending", ENDINGS)
async def test_another_file_beside_an_old_manifest_is_refused(tmp_path: Path, ending: str) -> None:
    needs(ending)
    out, other = tmp_path / f"out.{ending}", tmp_path / f"other.{ending}"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(), out)
        await export(client.iter_messages(), other)
        shutil.copy(other, out)
        older, before = bytes_in(tmp_path), len(sandbox.requests)
        with pytest.raises(ExportError, match=r"was changed since it was exported.*overwrite"):
            await export(client.iter_chats(), out)
        assert (bytes_in(tmp_path), len(sandbox.requests)) == (older, before)


async def test_an_export_of_another_list_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (_, client):
        await export(client.iter_messages(), out)
        older = bytes_in(tmp_path)
        with pytest.raises(ExportError, match=r"is an export of messages.*overwrite"):
            await export(client.iter_chats(), out)
        assert bytes_in(tmp_path) == older


async def test_an_empty_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").touch()
    async with connected(chats=20) as (_, client):
        assert (await export(client.iter_chats(), tmp_path / "out.jsonl")).rows == 20


@pytest.mark.parametrize(
    ("there", "asked", "said"),
    [
        ({}, {"label": "vip"}, "label: none there, 'vip' asked for"),
        ({"label": "vip"}, {}, "label: 'vip' there, none asked for"),
        ({"label": "vip"}, {"label": "lead"}, "label: 'vip' there, 'lead' asked for"),
        ({}, {"phone": "918527184400"}, "phone: none there, '918527184400' asked for"),
        ({}, {"max_items": 3}, "max_items: 20 rows there, 3 asked for"),
    ],
    ids=["narrower", "wider", "other", "phone", "max_items"],
)
async def test_an_export_with_other_filters_is_refused(
    tmp_path: Path, there: dict[str, Any], asked: dict[str, Any], said: str
) -> None:
    """It would lack rows of the older one."""
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(**there), out)
        older, before = bytes_in(tmp_path), len(sandbox.requests)
        with pytest.raises(ExportError, match=rf"{said}.*Nothing was changed.*overwrite"):
            await export(client.iter_chats(**asked), out)
        assert (bytes_in(tmp_path), len(sandbox.requests)) == (older, before)
        if "phone" not in asked:
            await export(client.iter_chats(**asked), out, if_exists="overwrite")
            manifest = read_manifest(out)
            assert manifest is not None
            assert manifest.query == {name: value for name, value in asked.items() if name != "max_items"}


async def test_messages_of_another_chat_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (sandbox, client):
        first, second = sandbox.chat_ids()[:2]
        await export(client.iter_messages(chat_id=first), out)
        with pytest.raises(ExportError, match=r"path: '/chats/.*' there, '/chats/.*' asked for"):
            await export(client.iter_messages(chat_id=second), out)


async def test_the_given_query_names_the_filters(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (_, client):
        sources = {label: client.iter_chats(label=label) for label in ("vip", "lead")}
        await export(client.iter_chats(), out)
        with pytest.raises(ExportError, match="label: none there, 'vip, lead' asked for"):
            await export(sources, out, query={"label": "vip, lead"})
        with pytest.raises(ExportError, match=r"the sources \[''\] are there"):
            await export(sources, out)


async def test_another_source_is_no_loss_and_one_less_is(tmp_path: Path) -> None:
    """A phone that is linked later must not stop the nightly export of all phones."""
    out = tmp_path / "out.jsonl"
    async with connected(chats=200) as (sandbox, client):
        both = {label: client.iter_chats(label=label) for label in ("vip", "lead")}
        await export({"vip": both["vip"]}, out)
        await export(both, out)
        rows = [json.loads(line) for line in out.read_bytes().splitlines()]
        assert {row["chat_id"] for row in rows if row["_source"] == "lead"} == set(sandbox.chat_ids(label="lead"))
        with pytest.raises(ExportError, match=r"the sources \['lead'\] are there"):
            await export({"vip": both["vip"]}, out)


# A program that has a database open, or died while it had

CHANGED = {
    "sqlite": "import os, sqlite3; database = sqlite3.connect(OUT, isolation_level=None);"
    "database.execute('PRAGMA journal_mode=wal'); database.execute('DELETE FROM chats'); os._exit(0)",
    "duckdb": "import duckdb, os; database = duckdb.connect(OUT);database.execute('DELETE FROM chats'); os._exit(0)",
}


@pytest.mark.parametrize("ending", CHANGED)
async def test_changes_to_an_older_database_are_not_made_to_the_new_one(tmp_path: Path, ending: str) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(), out)
        subprocess.run([sys.executable, "-c", CHANGED[ending].replace("OUT", repr(str(out)))], check=True)  # noqa: ASYNC221 - ours
        older, before = bytes_in(tmp_path), len(sandbox.requests)
        modes: list[Any] = ["replace", "update", "sweep"]
        for mode in modes:
            with pytest.raises(ExportError, match=r"wal' holds changes to .* Let it close the database\."):
                await export(client.iter_chats(), out, if_exists=mode)
        assert (bytes_in(tmp_path), len(sandbox.requests)) == (older, before)
        await export(client.iter_chats(), out, if_exists="overwrite")
        assert len(ids_in(out)) == 20


async def test_a_log_that_cannot_be_removed_costs_nothing(tmp_path: Path) -> None:
    out, log = tmp_path / "out.sqlite", tmp_path / "out.sqlite-wal"
    (log / "held").mkdir(parents=True)
    async with connected(chats=20) as (_, client):
        with pytest.raises(ExportError, match=r"out\.sqlite-wal' holds changes"):
            await export(client.iter_chats(), out, if_exists="overwrite")
        shutil.rmtree(log)
        result = await export(client.iter_chats(), out, if_exists="overwrite")
    assert (result.rows, result.resumed_rows) == (20, 20)


async def test_a_log_that_comes_during_the_export_is_seen(tmp_path: Path) -> None:
    out = tmp_path / "out.sqlite"
    async with connected(chats=20) as (_, client):
        pager = client.iter_chats()

        def open_it(_: object) -> None:
            (tmp_path / "out.sqlite-wal").write_bytes(b"changes")

        with pytest.raises(ExportError, match="holds changes"):
            await export(pager, out, progress=open_it)
        (tmp_path / "out.sqlite-wal").unlink()
        result = await export(pager, out)
    assert (result.rows, result.resumed_rows) == (20, 20)


@pytest.mark.parametrize(
    "settings", [{"format": "jsonl"}, {"csv_escape": False}], ids=lambda settings: next(iter(settings))
)
async def test_a_made_file_of_other_settings_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    out = tmp_path / "out.csv"
    async with connected(chats=20) as (_, client):
        with monkeypatch.context() as patched:
            end_before_the_place(patched)
            with pytest.raises(ZeroDivisionError):
                await export(client.iter_chats(), out)
        with pytest.raises(ExportError, match=r"an earlier run made '.*out\.csv' as csv.*--restart"):
            await export(client.iter_chats(), out, **settings)
        result = await export(client.iter_chats(), out, restart=True, **settings)
    assert (result.manifest.format, result.manifest.csv_escape) == (
        settings.get("format", "csv"),
        settings.get("csv_escape", True),
    )


async def test_a_slip_in_a_setting_is_named(tmp_path: Path) -> None:
    async with connected(chats=20) as (sandbox, client):
        with pytest.raises(TypeError, match=r"^export\(\) got .* 'if_exist'; it takes progress, format, .*if_exists"):
            await export(client.iter_chats(), tmp_path / "out.csv", if_exist="update")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        assert not sandbox.requests


def test_the_settings_of_an_export_are_those_of_its_plan() -> None:
    assert ["sources", *ExportSettings.__annotations__] == [*ExportPlan.__struct_fields__]
