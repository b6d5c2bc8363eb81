"""Each list of the API has an export, and says which filters it has not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from periskope_async.cli.export import export_app
from periskope_async.client.lists import LISTS
from periskope_async.sandbox import Sandbox
from tests.cli.running import periskope

if TYPE_CHECKING:
    from pathlib import Path


def test_each_list_has_a_command() -> None:
    names = {name.replace("_", "-") for name in LISTS.keys() - {"occurrences"}}
    assert names <= set(export_app)


@pytest.mark.parametrize("name", ["contacts", "messages", "knowledge-base"])
def test_a_list_is_exported_whole(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.jsonl"
    ran = periskope("export", name, str(out), "--sandbox", "--sandbox-chats", "20", "--max-items", "300", "--json")
    assert ran.returncode == 0, ran.stderr
    account = json.loads(ran.stdout)
    assert account["rows"] == len(out.read_bytes().splitlines())


def test_the_messages_of_one_chat(tmp_path: Path) -> None:
    with Sandbox(chats=20) as same:
        chat = same.chat_ids()[0]
        expected = same.ids("messages", chat_id=chat)
    out = tmp_path / "out.jsonl"
    ran = periskope("export", "messages", str(out), "--chat-id", chat, "--sandbox", "--sandbox-chats", "20")
    assert ran.returncode == 0, ran.stderr
    assert [json.loads(row)["message_id"] for row in out.read_bytes().splitlines()] == expected


def test_a_filter_that_a_list_has_not_is_refused(tmp_path: Path) -> None:
    ran = periskope("export", "contacts", str(tmp_path / "out.jsonl"), "--sandbox", "--since", "2025-04-25")
    assert ran.returncode == 2
    assert "the list of contacts has no filter for --since" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_every_phone_has_its_walk(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    ran = periskope("export", "chats", str(out), "--sandbox", "--sandbox-chats", "30", "--all-phones", "--json")
    assert ran.returncode == 0, ran.stderr
    manifest = json.loads(ran.stdout)["manifest"]
    assert manifest["query"]["phone"].startswith("phone-")
    assert manifest["rows"] == sum(source["rows"] for source in manifest["sources"].values())


def test_all_phones_and_one_exclude_each_other(tmp_path: Path) -> None:
    ran = periskope("export", "chats", str(tmp_path / "o.jsonl"), "--sandbox", "--all-phones", "--phone", "12025550123")
    assert ran.returncode == 2
    assert "exclude each other" in ran.stderr


def test_all_lists_are_in_one_folder(tmp_path: Path) -> None:
    ran = periskope("export", "all", str(tmp_path / "all"), "--sandbox", "--sandbox-chats", "10")
    assert ran.returncode == 0, ran.stderr
    manifest = json.loads((tmp_path / "all" / "manifest.json").read_bytes())
    assert manifest.keys() == LISTS.keys() - {"occurrences"}
    for name, account in manifest.items():
        assert len((tmp_path / "all" / f"{name}.jsonl").read_bytes().splitlines()) == account["rows"]
