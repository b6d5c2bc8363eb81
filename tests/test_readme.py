"""The code of the README and of the guides is run as it stands there, against a sandbox."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import types
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

import periskope_async
from benchmarks.compare.report import read_table as compare_table
from benchmarks.limiter.report import read_tables
from benchmarks.walk.report import read_table as walk_table
from periskope_async import PeriskopeClient
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")
MEASURED = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
GUIDES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "periskope_async" / "guides").glob("*.md")}
TEXTS = "\n".join([README, *GUIDES.values()])
BLOCKS: list[tuple[str, str]] = re.findall(r"(?:<!-- guide: (\w+) -->\n)?```python\n(.+?)```", TEXTS, re.DOTALL)
MOST_LINES, MOST_ROWS = 329, 6


def guide(name: str) -> dict[str, Any]:
    """Run one named block as a module, but for a last ``asyncio.run(main())``; give what it defines."""
    (code,) = [code for title, code in BLOCKS if title == name]
    return run(code.removesuffix("asyncio.run(main())\n"), name)


def block_with(text: str) -> str:
    (code,) = [code for _, code in BLOCKS if text in code]
    return code


def run(code: str, name: str) -> dict[str, Any]:
    module = types.ModuleType(name)
    exec(compile(code, f"README.md ({name})", "exec"), module.__dict__)  # noqa: S102 - it is our own README
    return module.__dict__


@asynccontextmanager
async def sandbox(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncGenerator[Sandbox]:
    chosen: dict[str, Any] = {"chats": 60, "limit": 1000, **settings}
    async with Sandbox(**chosen) as running:
        monkeypatch.setenv("PERISKOPE_API_KEY", running.api_key)
        monkeypatch.setenv("PERISKOPE_BASE_URL", running.base_url)
        yield running


def test_the_ten_lines(
    capsys: pytest.CaptureFixture[str], periskope_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", periskope_sandbox.api_key)
    monkeypatch.setenv("PERISKOPE_BASE_URL", periskope_sandbox.base_url)
    code = block_with('iter_chats(chat_type="group", label="vip")')
    run(code, "ten_lines")
    # A message's body may hold line breaks, so not every line begins with an id.
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "@g.us" in line]
    assert printed == periskope_sandbox.chat_ids(chat_type="group", label="vip")
    assert periskope_sandbox.refusals == 0


async def test_the_packages_own_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nothing_left_over: None
) -> None:
    (lines,) = re.findall(r"::\n\n((?: {4}.+\n)+)", periskope_async.__doc__ or "")
    async with sandbox(monkeypatch):
        code = f"from periskope_async import PeriskopeClient\nasync def example():\n{lines}"
        await run(code, "example")["example"]()
    assert len(capsys.readouterr().out.splitlines()) >= 60


async def test_reading_chats(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async with sandbox(monkeypatch), PeriskopeClient() as client:
        await run(block_with("async def read("), "read")["read"](client)
    assert "WalkReport(" in capsys.readouterr().out


async def test_reading_the_same_list_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async with sandbox(monkeypatch) as running, PeriskopeClient() as client:
        await guide("again")["watch"](client, times=2, pause=0.0)
        asked = [request.status for request in running.requests]
    first, received, second, saved, cache = capsys.readouterr().out.splitlines()
    pages = len(asked) // 2
    assert asked == [200] * pages + [304] * pages
    assert first == f"60 chats, 0 of {pages} pages not modified"
    assert second == f"60 chats, {pages} of {pages} pages not modified"
    assert saved == f"0 bytes received, {received.split()[0]} not sent again"
    assert cache.startswith(f"<PageCache {pages} pages, ")


async def test_the_web_app_with_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    app = guide("fastapi")["app"]
    async with sandbox(monkeypatch) as running, app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
            chat_id = running.chat_ids()[0]
            found = await browser.get(f"/chats/{chat_id}")
            assert (found.status_code, set(found.json())) == (200, {"name", "members"})
            assert (await browser.get("/chats/99999999999@c.us")).status_code == 404
            bad = await browser.get("/chats/a chat")
            assert bad.status_code == 422
            assert "'a chat' is not a chat's id" in bad.json()["detail"]
            many = await asyncio.gather(*(browser.get(f"/chats/{chat_id}") for _ in range(30)))
            assert {answer.status_code for answer in many} == {200}
            groups = (await browser.get("/groups")).json()
        rows = await app.state.periskope.iter_chats(chat_type="group", max_items=20).collect()
        assert groups == json.loads(json.dumps(msgspec.to_builtins(rows)))
        assert running.refusals == 0


async def test_the_web_app_says_busy_rather_than_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    app = guide("fastapi")["app"]
    async with sandbox(monkeypatch, limit=2, window=30.0) as running, app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
            chat_id = running.chat_ids()[0]
            answers = [await browser.get(f"/chats/{chat_id}") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 503, 503]
        assert int(answers[-1].headers["Retry-After"]) > 2
        assert running.refusals == 0


async def test_the_web_app_with_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sandbox(monkeypatch), TestClient(TestServer(guide("aiohttp")["make_app"]())) as browser:
        answer = await browser.get("/groups")
        groups = await answer.json()
        assert len(groups) == 20
        assert all(group["id"].endswith("@g.us") for group in groups)


async def test_the_bulk_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with sandbox(monkeypatch) as running:
        async with PeriskopeClient() as client:
            chats = await client.iter_chats().collect()
        phones = sorted({chat.org_phone for chat in chats if chat.org_phone})
        main = guide("bulk")["main"]
        assert await main([None, *phones], tmp_path) == 0
        assert await main(["12025550123"], tmp_path) == 1
        assert running.refusals == 0
    assert len((tmp_path / "all.jsonl").read_bytes().splitlines()) == 60
    # A chat that several phones take part in is in the file of each.
    by_phone = [(tmp_path / f"{phone}.jsonl").read_bytes().splitlines() for phone in phones]
    assert {json.loads(row)["chat_id"] for rows in by_phone for row in rows} == {chat.chat_id for chat in chats}
    assert not (tmp_path / "12025550123.jsonl").exists()
    assert "complete: True" in capsys.readouterr().out


async def test_the_bulk_job_ends_by_a_fault_that_is_none_of_a_phone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    main = guide("bulk")["main"]

    async def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(main.__globals__, "export_chats", broken)
    async with sandbox(monkeypatch):
        with pytest.raises(ExceptionGroup) as raised:
            await main([None], tmp_path)
        assert raised.group_contains(OSError, match="No space left")


async def test_the_worker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nothing_left_over: None
) -> None:
    async with sandbox(monkeypatch) as running, asyncio.timeout(20):
        ids, bad = running.chat_ids()[:12], [f"no id {number}" for number in range(6)]
        names = await guide("worker")["main"]([*bad, *ids, "99999999999@c.us"])
        assert set(names) == {*ids, "99999999999@c.us"}
        assert names["99999999999@c.us"] is None
        assert running.refusals == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "is left out" in line]
    assert [line.split(" is left out")[0] for line in told] == [repr(each) for each in bad]


async def test_the_worker_ends_by_a_fault_of_the_program(
    monkeypatch: pytest.MonkeyPatch, nothing_left_over: None
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(PeriskopeClient, "get_chat", broken)
    async with sandbox(monkeypatch), asyncio.timeout(20):
        with pytest.raises(ExceptionGroup) as raised:
            await guide("worker")["main"](["1@c.us"] * 12)
        assert raised.group_contains(RuntimeError)


async def test_the_whole_api(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async with sandbox(monkeypatch, pace=0.02):
        await guide("api")["main"]()
    assert len(capsys.readouterr().out.splitlines()) == 6


async def test_the_sandbox_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    await guide("sandbox")["main"]()
    assert "message.ack.updated 4" in capsys.readouterr().out


async def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sandbox(monkeypatch), PeriskopeClient() as client:
        await run(block_with("async def explain("), "explain")["explain"](client)


async def test_the_users_own_test() -> None:
    defined = run(block_with("async def test_against_the_sandbox"), "own")
    await defined["test_against_the_sandbox"]()


def test_the_functions_of_all_blocks_say_their_types() -> None:
    for _, code in BLOCKS:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.returns is not None, f"{node.name} in:\n{code}"
                assert all(each.annotation for each in node.args.args + node.args.kwonlyargs), node.name


def test_no_block_is_left_out() -> None:
    own = inspect.getsource(inspect.getmodule(test_no_block_is_left_out) or pytest)
    paths = sorted((ROOT / "tests").glob("test_guide_*.py"))
    tested = "\n".join([own, *(path.read_text(encoding="utf-8") for path in paths)])
    # These tests run all blocks of their guide.
    whole = {path.stem.removeprefix("test_guide_") for path in paths}
    elsewhere = "\n".join(text for stem, text in GUIDES.items() if stem.replace("-", "_") in whole)
    for name, code in BLOCKS:
        assert code in elsewhere or (f'"{name}"' in tested if name else code), code


def test_the_measured_tables_are_those_of_the_last_run() -> None:
    side_by_side, ours = read_tables(RESULTS / "limiter.json")
    tables = {
        "side by side": side_by_side,
        "ours": ours,
        "walk": walk_table(RESULTS / "walk.json"),
        "compare": compare_table(RESULTS / "compare.json"),
    }
    for title, table in tables.items():
        assert f"<!-- table: {title} -->\n{table}\n" in MEASURED


def test_the_readme_is_short_and_quotes_what_was_measured() -> None:
    assert len(README.splitlines()) <= MOST_LINES
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", README, re.MULTILINE)]
    for _, _, *rows in tables:
        assert len(rows) <= MOST_ROWS
    for table in re.findall(r"<!-- table: .+ -->\n((?:\|.*\n)+)", README):
        assert set(table.splitlines()) <= set(MEASURED.splitlines())


def test_every_link_leads_somewhere() -> None:
    places = {ROOT: README, ROOT / "benchmarks": MEASURED}
    places |= {ROOT / "periskope_async" / "guides": "\n".join(GUIDES.values())}
    for folder, text in places.items():
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            assert target.startswith("https://") or (folder / target).exists(), target
    for name in GUIDES:
        assert f"periskope_async/guides/{name}.md" in README
    heads = re.findall(r"^## (.+)", README, re.MULTILINE)
    anchors = {re.sub(r"[^a-z -]", "", head.lower()).replace(" ", "-") for head in heads}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"### {periskope_async.__version__}" in README


def test_lent_sessions_need_no_special_aiohttp() -> None:
    assert int(aiohttp.__version__.split(".")[1]) >= 12
