"""Rows of an export on stdout: what is asked for is obeyed or refused, and every source has its say."""

from __future__ import annotations

import json

import pytest

from periskope_async.cli.app import run
from periskope_async.sandbox import PHONES, Sandbox, Status

BOTH = [word for phone in PHONES[:2] for word in ("--phone", phone.phone_id)]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, periskope_sandbox: Sandbox) -> Sandbox:
    monkeypatch.setenv("PERISKOPE_API_KEY", periskope_sandbox.api_key)
    monkeypatch.setenv("PERISKOPE_BASE_URL", periskope_sandbox.base_url)
    return periskope_sandbox


@pytest.mark.parametrize(
    "options",
    ["--format csv", "--format jsonl.gz", "--merge", "--repair-text", "--no-csv-escape", "--patience 1h", "--restart"],
)
def test_an_option_for_files_is_refused(capsys: pytest.CaptureFixture[str], served: Sandbox, options: str) -> None:
    assert run(["export", "chats", "-", *options.split()]) == 2
    out, said = capsys.readouterr()
    option = options.split(maxsplit=1)[0]
    line = f"✗ {option} is for files, and JSON lines go to stdout; leave it out, or give a file in place of -\n"
    assert (out, said) == ("", line)
    assert not served.requests


@pytest.mark.periskope_sandbox(chats=30)
def test_the_format_of_stdout_may_be_named(capsys: pytest.CaptureFixture[str], served: Sandbox) -> None:
    assert run(["export", "chats", "-", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["chat_id"] for row in rows] == served.chat_ids()
    assert not any("_source" in row for row in rows)


@pytest.mark.periskope_sandbox(chats=30)
def test_a_row_names_its_source_among_several(capsys: pytest.CaptureFixture[str], served: Sandbox) -> None:
    assert run(["export", "chats", "-", *BOTH]) == 0
    out, said = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["_source"] for row in rows} == {f"phone={phone.phone_id}" for phone in PHONES[:2]}
    assert all(f"  phone={phone.phone_id}: " in said for phone in PHONES[:2])
    assert len(served.requests) > 1


@pytest.mark.periskope_sandbox(chats=30)
def test_a_source_that_fails_stops_no_other(capsys: pytest.CaptureFixture[str], served: Sandbox) -> None:
    served.script(Status(422), path="/v1/chats")
    assert run(["export", "chats", "-", *BOTH]) == 3
    out, said = capsys.readouterr()
    assert {json.loads(line)["_source"] for line in out.splitlines()} == {f"phone={PHONES[1].phone_id}"}
    last = said.splitlines()[-1]
    assert last.startswith(f"✗ phone={PHONES[0].phone_id}: 422")
    assert last.endswith("; run the same command again to fetch it")


@pytest.mark.periskope_sandbox(chats=30)
def test_where_all_sources_fail_the_export_has_failed(capsys: pytest.CaptureFixture[str], served: Sandbox) -> None:
    served.script(Status(422), Status(422), path="/v1/chats")
    assert run(["export", "chats", "-", *BOTH]) == 1
    out, said = capsys.readouterr()
    assert (out, len(said.splitlines())) == ("", 1)
