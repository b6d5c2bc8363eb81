"""Each list of the API has an export, and says which filters it has not."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.cli.app import run
from periskope_async.cli.export import export_app
from periskope_async.cli.options import Exit
from periskope_async.cli.wording import in_options
from periskope_async.client.lists import LISTS
from periskope_async.errors import ConfigError, ValidationError
from periskope_async.sandbox import Body, Sandbox
from tests.cli.running import periskope

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Here


def test_each_list_has_a_command() -> None:
    names = {name.replace("_", "-") for name in LISTS.keys() - {"occurrences"}} | {"all"}
    assert names <= set(export_app)


@pytest.mark.parametrize("name", ["contacts", "messages", "knowledge-base"])
def test_a_list_is_exported_whole(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.jsonl"
    done = periskope("export", name, str(out), "--sandbox", "--sandbox-chats", "20", "--max-items", "300", "--json")
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)
    assert account["rows"] == len(out.read_bytes().splitlines())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("chats", "--phone --all-phones --chat-id --since --until --label"),
        ("messages", "--phone --all-phones --chat-id --since --until"),
        ("reactions", "--phone --all-phones --chat-id --since --until"),
        ("scheduled-messages", "--phone --all-phones"),
        ("contacts", ""),
        ("tickets", ""),
        ("tasks", ""),
        ("knowledge-base", ""),
    ],
)
def test_the_help_offers_what_the_list_takes(here: Here, name: str, options: str) -> None:
    said = here("export", name, "--help").stdout
    filters = {"--phone", "--all-phones", "--chat-id", "--since", "--until", "--label"}
    assert filters & set(re.findall(r"--[a-z-]+", said)) == set(options.split())
    # A sandbox holds chats, whatever list is read.
    if "--chat-id" not in options:
        assert not [line for line in said.splitlines() if " chat" in line and "sandbox" not in line]


def test_the_messages_of_one_chat(tmp_path: Path) -> None:
    with Sandbox(chats=20) as same:
        chat = same.chat_ids()[0]
        expected = same.ids("messages", chat_id=chat)
    out = tmp_path / "out.jsonl"
    ran = periskope("export", "messages", str(out), "--chat-id", chat, "--sandbox", "--sandbox-chats", "20")
    assert ran.returncode == 0, ran.stderr
    assert [json.loads(row)["message_id"] for row in out.read_bytes().splitlines()] == expected


def test_every_phone_has_its_walk(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = periskope("export", "chats", str(out), "--sandbox", "--sandbox-chats", "30", "--all-phones", "--json")
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)["manifest"]
    assert manifest["query"]["phone"].startswith("phone-")
    assert manifest["rows"] == sum(source["rows"] for source in manifest["sources"].values())


def test_one_phone_by_two_spellings_is_one_walk(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    spelt = ("--phone", "918527184400", "--phone", "+91 85271 84400")
    done = periskope("export", "chats", str(out), "--sandbox", "--sandbox-chats", "30", *spelt, "--json")
    assert done.returncode == 0, done.stderr
    manifest = json.loads(done.stdout)["manifest"]
    assert (list(manifest["sources"]), manifest["query"]["phone"]) == ([""], "918527184400")
    ids = [json.loads(line)["chat_id"] for line in out.read_bytes().splitlines()]
    assert len(ids) == len(set(ids)) > 0


@pytest.mark.periskope_sandbox(chats=60)
@pytest.mark.parametrize("option", ["--update", "--sweep", "--quiet"])
def test_a_phone_that_is_linked_later_is_read_too(tmp_path: Path, periskope_sandbox: Sandbox, option: str) -> None:
    """Also by an organisation that had only one."""
    environ = {"PERISKOPE_API_KEY": periskope_sandbox.api_key, "PERISKOPE_BASE_URL": periskope_sandbox.base_url}
    out = tmp_path / "chats.jsonl"
    one = b'[{"org_id":"o","phone_id":"phone-bqzvyibhmwkaergr","org_phone":"918527184400@c.us"}]'
    periskope_sandbox.script(Body(one, "application/json"), path="/v1/phones/all")
    for sources in (1, 3):
        done = periskope("export", "chats", str(out), "--all-phones", option, "--json", **environ)
        assert done.returncode == 0, done.stderr
        account = json.loads(done.stdout)
        assert len(account["manifest"]["sources"]) == sources
        assert account["rows"] == len(out.read_bytes().splitlines())


@pytest.mark.periskope_sandbox(chats=60)
def test_an_export_is_brought_up_to_date(tmp_path: Path, periskope_sandbox: Sandbox) -> None:
    environ = {"PERISKOPE_API_KEY": periskope_sandbox.api_key, "PERISKOPE_BASE_URL": periskope_sandbox.base_url}
    out = tmp_path / "chats.sqlite"
    assert periskope("export", "chats", "--update", str(out), **environ).returncode == 0
    periskope_sandbox.insert()
    gone = periskope_sandbox.remove(5)
    done = periskope("export", "chats", "--sweep", str(out), **environ)
    assert done.returncode == 0, done.stderr
    assert re.search(r"1 new, [0-9,]+ written anew, 1 gone since the last time", done.stderr)
    with closing(sqlite3.connect(out)) as database:
        assert database.execute("SELECT chat_id FROM chats WHERE gone_at IS NOT NULL").fetchall() == [(gone,)]


def ran(*arguments: str) -> Any:
    """Run a command in this process."""
    options: Any = {"exit_on_error": False, "print_error": False, "result_action": "return_value"}
    return asyncio.run(export_app.run_async(arguments, **options))


def test_a_manifest_tells_that_no_row_was_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "chats.jsonl"
    assert ran("chats", str(out), "--sandbox", "--sandbox-chats", "3", "--max-items", "0", "--quiet") == Exit.OK
    manifest = json.loads(out.with_name("chats.jsonl.manifest.json").read_bytes())
    assert manifest["query"] == {"max_items": "0", "consistency": "exact"}


def test_a_list_that_is_kept_by_phone_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as raised:
        ran("reactions", str(tmp_path / "o.jsonl"), "--sandbox", "--sandbox-chats", "10", "--quiet")
    assert "; add --phone NUMBER [trace" in in_options(raised.value, ())
    assert raised.value.__notes__ == ["this list is kept phone by phone: --all-phones exports that of each"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["chats", "contacts", "all"])
def test_the_help_says_what_is_replaced(here: Here, command: str) -> None:
    said = " ".join(here("export", command, "--help").stdout.replace("│", " ").split())
    assert "--overwrite Replace whatever file is there. Otherwise only an unchanged export of the same" in said
    for word in ("organisation", "list", "format", "filters"):
        assert word in said.partition("--overwrite ")[2].partition(" is replaced.")[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chats", "-", "--update"), "--update is for files"),
        (("chats", "o.jsonl", "--update", "--dry-run"), "how much is new is not known before"),
        (("chats", "o.jsonl", "--sweep", "--overwrite"), "--overwrite and an update exclude each other"),
        (("chats", "o.jsonl", "--update", "--max-items", "3"), "leave out max_items"),
        (("chats", "o.jsonl", "--all-phones", "--phone", "12025550123"), "exclude each other"),
        (("chats", "o.jsonl", "--patience", "long"), "--patience: 'long' is no length of time"),
        (("chats", "o.docx"), "names no format"),
        (("contacts", "o.jsonl", "--since", "2025-04-25"), "the list of contacts has no filter for --since"),
        (("contacts", "o.jsonl", "--all-phones"), "the list of contacts has no filter for --all-phones"),
        (("tickets", "o.jsonl", "--until", ""), "the list of tickets has no filter for --until"),
        (("scheduled-messages", "o.jsonl", "--chat-id", "1@c.us"), "scheduled messages has no filter for --chat-id"),
    ],
    ids=[
        "stdout",
        "dry-run",
        "overwrite",
        "max-items",
        "phones",
        "patience",
        "ending",
        "since",
        "all-phones",
        "until",
        "chat",
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    monkeypatch.setenv("PERISKOPE_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=said):
        ran(*arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["contacts", "tickets", "notes"])
def test_pydantic_finds_no_fault_where_it_is_loaded(capsys: pytest.CaptureFixture[str], name: str) -> None:
    pytest.importorskip("pydantic", reason="FastAPI brings it to some programs")
    assert run(["export", name, "-", "--sandbox", "--max-items", "many"]) == 2
    assert "--max-items" in capsys.readouterr().err
