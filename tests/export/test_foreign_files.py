"""Files of somebody else at the names that an export writes: they are told of before a request, and stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.errors import ConfigError, ExportError
from periskope_async.export import ExportPlan, export
from periskope_async.export.manifest import read_manifest
from periskope_async.export.parts import sum_up
from periskope_async.export.report import write_report
from periskope_async.sandbox import Status
from tests.export.test_formats import needs
from tests.export.test_runner import connected, names_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_over")

ENDINGS = (".partial", ".partial.log", ".partial.new", ".manifest.json", ".incomplete", ".incomplete.manifest.json")


async def refused(folder: Path, said: str, **settings: Any) -> None:
    before = names_in(folder)
    async with connected(chats=20) as (sandbox, client):
        with pytest.raises(ExportError, match=said):
            await export(client.iter_chats(), folder / "out.jsonl", **settings)
        assert sandbox.requests == []
    assert names_in(folder) == before


@pytest.mark.parametrize("settings", [{}, {"restart": True}, {"if_exists": "overwrite"}, {"if_exists": "update"}])
@pytest.mark.parametrize("content", [b"mine", b"mine\nand yours\n"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_file_is_left_alone(tmp_path: Path, ending: str, content: bytes, settings: dict[str, Any]) -> None:
    path = tmp_path / f"out.jsonl{ending}"
    path.write_bytes(content)
    await refused(tmp_path, rf"out\.jsonl{ending}' .*Nothing was changed.* move it away", **settings)
    assert path.read_bytes() == content


@pytest.mark.parametrize("query", [{"label": 5}, {"label": None}, "label=vip"], ids=str)
async def test_a_query_is_refused_that_would_make_an_own_manifest_look_foreign(query: Any) -> None:
    async with connected(chats=3) as (_, client):
        with pytest.raises(ConfigError, match=r"query (is|holds)"):
            ExportPlan(sources=client.iter_chats(), query=query)


@pytest.mark.parametrize("ending", [*ENDINGS, ".partial.new.d"])
async def test_a_folder_is_left_alone(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"out.jsonl{ending}" / "mine").mkdir(parents=True)
    await refused(tmp_path, rf"out\.jsonl{ending}'")
    assert (tmp_path / f"out.jsonl{ending}" / "mine").is_dir()


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_link_is_left_alone(tmp_path: Path, ending: str) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / f"out.jsonl{ending}").symlink_to("mine")
    await refused(tmp_path, rf"out\.jsonl{ending}'")
    assert ((tmp_path / f"out.jsonl{ending}").is_symlink(), (tmp_path / "mine").read_bytes()) == (True, b"mine")


async def test_a_spool_of_another_version_is_thrown_away_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.partial.log").write_bytes(b'{"record":"export","version":1}\n')
    (tmp_path / "out.jsonl.partial").write_bytes(b"rows")
    await refused(tmp_path, r"of version 1, and this package reads version 2.*--restart")
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(), tmp_path / "out.jsonl", restart=True)
    assert names_in(tmp_path) == ["out.jsonl", "out.jsonl.manifest.json"]


async def test_a_spool_that_was_torn_in_its_first_line_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.partial.log").write_bytes(b'{"record":"exp')
    async with connected(chats=20) as (_, client):
        assert (await export(client.iter_chats(), tmp_path / "out.jsonl")).rows == 20


async def test_temporary_files_have_names_of_their_own(tmp_path: Path) -> None:
    names = ["out.jsonl.manifest.json.new", "out.jsonl.html.new", "manifest.json.new"]
    for name in names:
        (tmp_path / name).write_text("mine")
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(), out)
    pytest.importorskip("plotly")
    write_report(out)
    assert sum_up(tmp_path, [out]) is not None
    written = ["manifest.json", "out.jsonl", "out.jsonl.html", "out.jsonl.manifest.json"]
    assert names_in(tmp_path) == sorted(names + written)
    assert {(tmp_path / name).read_text() for name in names} == {"mine"}


async def test_an_incomplete_file_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=200) as (sandbox, client):
        sources = {label: client.iter_chats(label=label) for label in ("vip", "lead")}
        await export(sources, out)
        for _ in range(2):
            sandbox.script(Status(422))
            assert (await export(sources, out, restart=True)).path.name == "out.jsonl.incomplete"
        # It may have been opened and saved by another program since.
        (tmp_path / "out.jsonl.incomplete").write_bytes(b"mine")
        with pytest.raises(ExportError, match=r"out\.jsonl\.incomplete' was changed.*move it away"):
            await export(sources, out)
    assert (tmp_path / "out.jsonl.incomplete").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "content",
    ["", "mine", "[]", '{"name":"my app","version":"1"}', '{"kind":"periskope-export-parts","version":2}'],
)
async def test_a_foreign_manifest_of_parts_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(), tmp_path / "out.jsonl")
    with pytest.raises(ExportError, match=r"manifest\.json' is not .*Nothing was changed; move it away"):
        sum_up(tmp_path, [tmp_path / "out.jsonl"])
    assert (tmp_path / "manifest.json").read_text() == content


async def test_a_manifest_of_parts_is_replaced(tmp_path: Path) -> None:
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(), tmp_path / "out.jsonl")
        for _ in range(2):
            assert sum_up(tmp_path, [tmp_path / "out.jsonl"]) is not None
    manifest = read_manifest(tmp_path / "out.jsonl")
    assert manifest is not None
    assert json.loads((tmp_path / "manifest.json").read_bytes())["parts"]["out.jsonl"]["sha256"] == manifest.sha256


@pytest.mark.parametrize("name", ["a?b.duckdb", "a?b/out.duckdb", "\udcc3.duckdb", "\udcc3/out.duckdb"])
async def test_a_path_that_duckdb_misreads_is_refused_at_once(tmp_path: Path, name: str) -> None:
    needs("duckdb")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    before = names_in((tmp_path / name).parent)
    async with connected(chats=20) as (sandbox, client):
        with pytest.raises(ExportError, match="DuckDB takes no path"):
            await export(client.iter_chats(), tmp_path / name)
        assert not sandbox.requests
    assert names_in((tmp_path / name).parent) == before


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
async def test_a_name_too_long_for_a_log_is_refused_at_once(tmp_path: Path, ending: str) -> None:
    needs(ending)
    async with connected(chats=20) as (sandbox, client):
        with pytest.raises(ExportError, match=r"cannot write .*too long"):
            await export(client.iter_chats(), tmp_path / f"{'a' * (254 - len(ending))}.{ending}")
        assert not sandbox.requests
    assert names_in(tmp_path) == []
