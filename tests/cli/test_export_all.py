"""All lists in one folder: a run that was broken off, or in which a list failed, reads only what is not finished."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import AuthenticationError, ConfigError, PeriskopeClient
from periskope_async.cli.existing import Existing
from periskope_async.cli.export_all import export_all
from periskope_async.cli.options import Server
from periskope_async.client.lists import LISTS
from periskope_async.errors import ExportBusyError, ExportError
from periskope_async.export import export
from periskope_async.sandbox import PHONES, Sandbox, Slow, Status
from tests.cli.running import periskope, shell
from tests.export.test_runner import end_before_the_manifest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

NAMES = sorted(LISTS.keys() - {"occurrences"})
SIZES: dict[str, int] = dict.fromkeys(
    ("contacts", "messages", "tickets", "tasks", "notes", "notifications", "reactions"), 30
)


@asynccontextmanager
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Sandbox]:
    async with Sandbox(chats=10, limit=10_000, sizes=SIZES) as sandbox:
        monkeypatch.setenv("PERISKOPE_API_KEY", sandbox.api_key)
        yield sandbox


async def run(sandbox: Sandbox, folder: Path, **options: Any) -> tuple[int, set[str]]:
    """Give the exit code, and the paths that were asked for."""
    before = len(sandbox.requests)
    code = await export_all(folder, server=Server(base_url=sandbox.base_url), **options)
    return code, {request.path.removeprefix("/v1") for request in sandbox.requests[before:]}


def account_in(folder: Path) -> dict[str, Any]:
    account: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return account


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".partial" in path.name or ".new" in path.name]


async def test_a_list_that_failed_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(422), path="/v1/tickets")
        code, asked = await run(sandbox, tmp_path)
        assert (code, "/tickets" in asked, "/tasks" in asked) == (3, True, True)
        assert account_in(tmp_path)["tickets"].startswith("ValidationError: 422")
        assert leftovers(tmp_path) == ["manifest.json.partial"]
        code, asked = await run(sandbox, tmp_path)
        assert (code, asked) == (0, {"/phones/all", "/tickets"})
        account = account_in(tmp_path)
        assert sorted(account) == NAMES
        assert all(
            len((tmp_path / f"{name}.jsonl").read_bytes().splitlines()) == account[name]["rows"] for name in NAMES
        )
        assert leftovers(tmp_path) == []
        code, asked = await run(sandbox, tmp_path)
        assert (code, "/chats" in asked) == (0, True)


async def test_a_run_that_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(401), path="/v1/tasks")
        with pytest.raises(AuthenticationError):
            await run(sandbox, tmp_path)
        assert not (tmp_path / "manifest.json").exists()
        # What was finished and is gone again, or another one now, is read again.
        (tmp_path / "chats.jsonl").unlink()
        code, asked = await run(sandbox, tmp_path)
        assert (code, asked) == (0, {"/phones/all", "/chats", "/tasks", "/tickets"})


def let_pass(folder: Path, **time: int) -> None:
    """Make the kept run older."""
    path = folder / "manifest.json.partial"
    facts = json.loads(path.read_bytes())
    begun = datetime.fromisoformat(facts["begun"]) - timedelta(**time)
    path.write_text(json.dumps(facts | {"begun": begun.isoformat()}))


async def test_an_ended_run_of_the_night_before_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list that failed may fail each night."""
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(422), path="/v1/tickets")
        assert (await run(sandbox, tmp_path))[0] == 3
        let_pass(tmp_path, hours=13)
        new = sandbox.insert()
        code, asked = await run(sandbox, tmp_path, quiet=True)
    assert (code, "/chats" in asked, leftovers(tmp_path)) == (0, True, [])
    assert new in (tmp_path / "chats.jsonl").read_text()


@pytest.mark.parametrize(("days", "is_gone_on_with"), [(1, True), (6, True), (8, False)])
async def test_a_broken_off_run_is_gone_on_with_for_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, *, is_gone_on_with: bool
) -> None:
    """No night may be long enough for all lists."""
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(401), path="/v1/tasks")
        with pytest.raises(AuthenticationError):
            await run(sandbox, tmp_path)
        let_pass(tmp_path, days=days)
        code, asked = await run(sandbox, tmp_path)
    assert (code, "/chats" not in asked) == (0, is_gone_on_with)


async def test_a_list_that_always_fails_keeps_no_other_from_its_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(monkeypatch) as sandbox:
        for _ in range(3):
            new = sandbox.insert()
            sandbox.script(Status(403), path="/v1/knowledge-base")
            code, _ = await run(sandbox, tmp_path, existing=Existing(update=True))
            assert code == 3
            assert new in (tmp_path / "chats.jsonl").read_text()
            assert account_in(tmp_path)["knowledge_base"].startswith("PermissionDeniedError: 403")
            assert leftovers(tmp_path) == []


def test_a_reader_that_is_gone_leaves_no_finished_run_to_go_on_with(tmp_path: Path) -> None:
    with Sandbox(chats=10, limit=10_000, sizes=SIZES) as sandbox:
        environ = {"PERISKOPE_API_KEY": sandbox.api_key, "PERISKOPE_BASE_URL": sandbox.base_url}
        closed = shell("$periskope export all out --json >&-", folder=tmp_path, **environ)
        assert b"stdout is closed" in closed.stderr
        assert not sandbox.requests
        full = shell("$periskope export all out --json >/dev/full", folder=tmp_path, **environ)
        assert b"No space left" in full.stderr
    assert sorted(account_in(tmp_path / "out")) == NAMES
    assert leftovers(tmp_path / "out") == []


async def test_only_lists_that_need_a_phone_are_asked_for_phone_by_phone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(monkeypatch) as sandbox:
        assert (await run(sandbox, tmp_path))[0] == 0
        by_phone = {request.path.removeprefix("/v1") for request in sandbox.requests if request.phone is not None}
    assert by_phone == {"/chats/notifications", "/reactions", "/message/scheduled"}


async def test_one_phone_is_the_scope_of_the_whole_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    phone, other = (phone.phone_id for phone in PHONES[:2])
    monkeypatch.setenv("PERISKOPE_PHONE", phone)
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(422), path="/v1/tickets")
        assert (await run(sandbox, tmp_path))[0] == 3
        assert {request.phone for request in sandbox.requests} <= {phone, None}
        assert {request.phone for request in sandbox.requests if "/reactions" in request.path} == {phone}
        said = f"  only rows of the phone {phone} (PERISKOPE_PHONE), where a list is kept by phone"
        assert capsys.readouterr().err.splitlines()[-1] == said
        # The lists of two phones in one folder would look like one export.
        monkeypatch.setenv("PERISKOPE_PHONE", other)
        code, asked = await run(sandbox, tmp_path)
    assert (code, "/tickets" in asked) == (3, True)
    refused = [line for line in capsys.readouterr().err.splitlines() if line.startswith("✗")]
    assert [line.split()[1].rstrip(":") for line in refused] == [
        "chats",
        "messages",
        "notes",
        "notifications",
        "reactions",
        "scheduled",
    ]
    assert all("--overwrite" in line for line in refused)


@pytest.mark.parametrize("command", ["all", "chats"])
def test_the_help_names_the_phone_of_the_environment(command: str) -> None:
    assert "PERISKOPE_PHONE" in periskope("export", command, "--help").stdout


async def test_another_kind_of_run_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(422), path="/v1/tickets")
        await run(sandbox, tmp_path)
        for options in ({"restart": True}, {"existing": Existing(update=True)}, {"ending": "csv"}):
            _, asked = await run(sandbox, tmp_path, **options)
            assert "/chats" in asked


@pytest.mark.parametrize("content", ["", "{", '{"format":7}'])
async def test_a_damaged_account_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    (tmp_path / "manifest.json.partial").write_text(content)
    async with served(monkeypatch) as sandbox:
        with pytest.raises(ExportError, match=r"manifest\.json\.partial' is damaged.*--restart"):
            await run(sandbox, tmp_path)
        assert not sandbox.requests
        # An update goes on with no run, so it leaves the file alone.
        assert (await run(sandbox, tmp_path, existing=Existing(update=True)))[0] == 0
        assert (tmp_path / "manifest.json.partial").read_text() == content
        assert (await run(sandbox, tmp_path, restart=True))[0] == 0


PARTS = '{"kind":"periskope-export-parts","version":1,"state":"whole"}'
NEWER = '{"chats":{"kind":"periskope-export","version":2}}'


@pytest.mark.parametrize("options", [{}, {"restart": True}, {"existing": Existing(overwrite=True)}])
@pytest.mark.parametrize("content", ["", "mine", "[]", "{}", '{"name":"my app","version":"1"}', PARTS, NEWER])
async def test_a_foreign_manifest_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, options: dict[str, Any]
) -> None:
    (tmp_path / "manifest.json").write_text(content)
    async with served(monkeypatch) as sandbox:
        with pytest.raises(ExportError, match=r"manifest\.json' is not .*Nothing was changed; move it away"):
            await run(sandbox, tmp_path, **options)
        assert not sandbox.requests
    assert contents(tmp_path) == {"manifest.json": content}


@pytest.mark.parametrize(
    "ending",
    ["", ".partial", ".partial.log", ".partial.new", ".manifest.json", ".incomplete"],
)
async def test_a_foreign_file_of_any_list_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    name = f"tickets.jsonl{ending}"
    (tmp_path / name).write_text("mine")
    async with served(monkeypatch) as sandbox:
        with pytest.raises(ExportError, match=rf"{re.escape(name)}' .*Nothing was changed"):
            await run(sandbox, tmp_path)
        assert not sandbox.requests
    assert contents(tmp_path) == {name: "mine"}


@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.partial", "tickets.jsonl"])
async def test_a_folder_at_a_name_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).mkdir()
    async with served(monkeypatch) as sandbox:
        for options in ({}, {"restart": True}):
            with pytest.raises(ExportError, match=rf"{re.escape(name)}' is a folder"):
                await run(sandbox, tmp_path, **options)
        assert not sandbox.requests


async def test_a_link_at_the_manifest_stays_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real = tmp_path / "out", tmp_path / "real.json"
    folder.mkdir()
    (folder / "manifest.json").symlink_to(real)
    async with served(monkeypatch) as sandbox:
        assert (await run(sandbox, folder))[0] == 0
        assert (await run(sandbox, folder))[0] == 0
    assert ((folder / "manifest.json").is_symlink(), sorted(json.loads(real.read_bytes()))) == (True, NAMES)


async def test_another_organisation_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as sandbox:
        await run(sandbox, tmp_path)
        before = contents(tmp_path)
        monkeypatch.setattr("periskope_async.sandbox.api.ORG_ID", "org-others")
        for options in ({}, {"restart": True}, {"existing": Existing(update=True)}):
            asked = len(sandbox.requests)
            with pytest.raises(ExportError, match=r"chats\.jsonl' is an export of the organisation .* of org-others"):
                await run(sandbox, tmp_path, **options)
            assert [request.path for request in sandbox.requests[asked:]] == ["/v1/phones/all"]
            assert contents(tmp_path) == before
        assert (await run(sandbox, tmp_path, existing=Existing(overwrite=True)))[0] == 0
    assert account_in(tmp_path)["chats"]["org_id"] == "org-others"


async def test_a_run_of_another_organisation_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lists of two in one folder would look like one export."""
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(422), path="/v1/tickets")
        await run(sandbox, tmp_path)
        for name in set(NAMES) - {"tickets"}:
            (tmp_path / f"{name}.jsonl").unlink()
        before = contents(tmp_path)
        monkeypatch.setattr("periskope_async.sandbox.api.ORG_ID", "org-others")
        with pytest.raises(ExportError, match=r"partial' is of a run for the organisation .* org-others.*--restart"):
            await run(sandbox, tmp_path)
        assert contents(tmp_path) == before
        assert (await run(sandbox, tmp_path, restart=True))[0] == 0


async def test_the_same_command_is_advised_where_it_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(monkeypatch) as sandbox:
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            await export(client.iter_chats(chat_type="user"), tmp_path / "chats.jsonl")
        sandbox.script(Status(422), path="/v1/tickets")
        assert (await run(sandbox, tmp_path))[0] == 3
    chats, tickets = (line for line in capsys.readouterr().err.splitlines() if line.startswith("✗"))
    assert chats.endswith("replace it with --overwrite (if_exists='overwrite')")
    assert tickets.endswith("run the same command again to fetch it")


async def test_what_cannot_be_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    async with served(monkeypatch) as sandbox:
        with pytest.raises(ExportError, match="cannot be the folder of an export: File exists"):
            await run(sandbox, tmp_path / "file")
        # As one that a killed run of another user has left.
        (tmp_path / "locked" / "manifest.json.lock").mkdir(parents=True)
        with pytest.raises(ExportError, match=r"where 'manifest\.json\.lock' is to be"):
            await run(sandbox, tmp_path / "locked")
        with pytest.raises(ConfigError, match="takes one of jsonl"):
            await run(sandbox, tmp_path / "new", ending="xml")
        assert not sandbox.requests


async def test_all_lists_are_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(monkeypatch) as sandbox:
        await run(sandbox, tmp_path)
        gone, new = sandbox.remove(3), sandbox.add("messages")
        assert (await run(sandbox, tmp_path, existing=Existing(sweep=True)))[0] == 0
    assert new in (tmp_path / "messages.jsonl").read_text()
    (marked,) = [line for line in (tmp_path / "chats.jsonl").read_bytes().splitlines() if b'"_gone_at"' in line]
    assert json.loads(marked)["chat_id"] == gone


async def test_each_list_says_what_is_new_and_why_it_may_not_be_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(monkeypatch) as sandbox:
        await run(sandbox, tmp_path)
        said = capsys.readouterr().err
        assert "✓ 30 messages, " in said
        assert " knowledge base items, " in said
        assert "every row that was counted at first was met" in said
        sandbox.insert()
        await run(sandbox, tmp_path, existing=Existing(update=True))
        assert re.search(r"chats, .*\n  1 new, \d+ written anew, 0 gone since the last time\n", capsys.readouterr().err)
        await run(sandbox, tmp_path, quiet=True)
    assert capsys.readouterr().err == ""


async def test_a_stop_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(monkeypatch) as sandbox:
        sandbox.script(Slow(600), path="/v1/contacts")
        running = asyncio.ensure_future(run(sandbox, tmp_path))
        while not any(request.path == "/v1/contacts" for request in sandbox.requests):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert capsys.readouterr().err.endswith("\n  kept: 1 finished list; the same command goes on from there\n")


async def test_a_run_that_ended_before_its_last_step_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is new then, and the manifest beside it an older one's."""
    async with served(monkeypatch) as sandbox:
        await run(sandbox, tmp_path)
        sandbox.insert()
        with monkeypatch.context() as patched:
            end_before_the_manifest(patched)
            with pytest.raises(ZeroDivisionError):
                await run(sandbox, tmp_path)
        code, asked = await run(sandbox, tmp_path)
        assert (code, "/chats" in asked) == (0, False)
    assert account_in(tmp_path)["chats"]["rows"] == 11


async def test_a_second_run_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs would take turns with the lists, and each would say that half of them failed."""
    async with served(monkeypatch) as sandbox:
        sandbox.script(Slow(600), path="/v1/contacts")
        first = asyncio.ensure_future(run(sandbox, tmp_path))
        while not any(request.path == "/v1/contacts" for request in sandbox.requests):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        before, asked = contents(tmp_path), len(sandbox.requests)
        for options in ({}, {"restart": True}):
            with pytest.raises(ExportBusyError, match="another run of `export all`"):
                await run(sandbox, tmp_path, **options)
        assert (contents(tmp_path), len(sandbox.requests)) == (before, asked)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await run(sandbox, tmp_path))[0] == 0


async def test_a_wrong_setting_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERISKOPE_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="no API key"):
        await export_all(tmp_path / "new" / "folder")
    assert contents(tmp_path) == {}


async def test_a_link_at_a_list_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real = tmp_path / "out", tmp_path / "real.jsonl"
    folder.mkdir()
    (folder / "chats.jsonl").symlink_to(real)
    async with served(monkeypatch) as sandbox:
        sandbox.script(Status(422), path="/v1/tickets")
        await run(sandbox, folder)
        code, asked = await run(sandbox, folder)
    assert (code, "/chats" in asked, len(real.read_bytes().splitlines())) == (0, False, 10)
