"""The command line, as a user runs it: in a process of its own, against the embedded sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from periskope_async.sandbox import Body, Sandbox
from periskope_async.sandbox.pages import Pages
from periskope_async.testing import no_waiting
from tests.cli.running import begun, periskope

if TYPE_CHECKING:
    from pathlib import Path

    from periskope_async.sandbox.validation import ListQuery
    from tests.cli.conftest import Here


def test_chats_shows_a_table() -> None:
    ran = periskope("chats", "--sandbox", "--max-items", "12")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert "Chat" in lines[0]
    assert "Message" in lines[0]
    assert sum("@g.us" in line or "@c.us" in line for line in lines) == 12
    assert "12 of 5,000 chats" in lines[-1]


def test_chats_as_json_for_programs() -> None:
    ran = periskope("chats", "--sandbox", "--sandbox-chats", "40", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len({row["chat_id"] for row in rows}) == 40


def test_chats_that_match_nothing() -> None:
    ran = periskope("chats", "--sandbox", "--label", "no such label")
    assert ran.returncode == 0
    assert "no chats match" in ran.stderr


def test_export_writes_every_row_whole(tmp_path: Path) -> None:
    out = tmp_path / "chats.jsonl"
    ran = periskope("export", "chats", str(out), "--sandbox", "--page-size", "500")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert "5,000 chats" in ran.stderr
    assert "counted at first was met" in ran.stderr
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert len({row["chat_id"] for row in rows}) == len(rows) == 5_000
    assert {"chat_id", "chat_name", "custom_properties", "label_ids"} <= set(rows[0])
    assert {path.name for path in tmp_path.iterdir()} == {"chats.jsonl", "chats.jsonl.manifest.json"}


def test_export_quiet_and_json(tmp_path: Path) -> None:
    out = tmp_path / "chats.jsonl"
    quiet = periskope("export", "chats", str(out), "--sandbox", "--sandbox-chats", "5", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    ran = periskope("export", "chats", str(out), "--sandbox", "--sandbox-chats", "7", "--json")
    account = json.loads(ran.stdout)
    assert account["rows"] == account["report"]["rows_placed"] == 7
    assert account["report"]["complete"] is True
    assert ran.stderr == ""


def test_a_failed_export_leaves_what_was_there(tmp_path: Path, periskope_sandbox: Sandbox) -> None:
    out = tmp_path / "chats.jsonl"
    out.write_text('{"chat_id":"of yesterday@c.us"}\n')
    ran = periskope(
        "export", "chats", str(out), "--overwrite", "--phone", "12025550123",
        PERISKOPE_API_KEY=periskope_sandbox.api_key, PERISKOPE_BASE_URL=periskope_sandbox.base_url,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "401" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert out.read_text() == '{"chat_id":"of yesterday@c.us"}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["chats.jsonl"]


def test_an_export_to_nowhere_says_so(tmp_path: Path) -> None:
    ran = periskope("export", "chats", str(tmp_path / "no" / "such" / "chats.jsonl"), "--sandbox")
    assert ran.returncode == 1
    assert "cannot write in" in ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a process there")
def test_ctrl_c_stops_with_130_and_keeps_what_came(tmp_path: Path) -> None:
    out = tmp_path / "chats.jsonl"
    process = begun("export", "chats", str(out), "--sandbox", "--page-size", "20")
    deadline = time.monotonic() + 20
    while not any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {"chats.jsonl.partial", "chats.jsonl.partial.log"}


def test_doctor_on_the_sandbox() -> None:
    ran = periskope("doctor", "--sandbox")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for said in ("accepted", "10 requests in 1 s", "1 s long, most likely", "nobody else", "agrees with", "5,000", "✓"):
        assert said in ran.stdout
    assert "✗" not in ran.stdout


def test_doctor_finds_a_wrong_key() -> None:
    with Sandbox(chats=1, latency=0, api_key="right") as sandbox:
        ran = periskope("doctor", "--json", PERISKOPE_API_KEY="wrong", PERISKOPE_BASE_URL=sandbox.base_url)
    assert ran.returncode == 1
    assert {row["check"]: row["state"] for row in json.loads(ran.stdout)}["key"] == "failed"


def test_doctor_finds_that_no_server_is_there(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "any")
    with no_waiting():
        ran = here("doctor", "--json", "--base-url", "http://127.0.0.1:9/v1")
    assert ran.returncode == 1
    assert {row["check"]: row["state"] for row in json.loads(ran.stdout)}["connection"] == "failed"


def test_doctor_without_a_key_says_where_to_get_one(here: Here) -> None:
    ran = here("doctor")
    assert ran.returncode == 1
    assert "PERISKOPE_API_KEY" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chats", "--chat-type", "channel", "--sandbox"], "chat-type"),
        (["chats", "--until", "2025-04-31", "--sandbox"], "--until"),
        (["chats", "--page-size", "5000", "--sandbox"], "--page-size"),
        (["chats", "--no-such-option"], "no-such-option"),
        (["chats"], "PERISKOPE_API_KEY"),
        (["chats", "--api-key-file", "/no/such/file"], "--api-key-file"),
        (["frobnicate"], "frobnicate"),
        (["export", "chats", "--sandbox"], "OUT"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what(here: Here, arguments: list[str], said: str) -> None:
    ran = here(*arguments)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert said in ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr


def test_the_key_comes_from_a_file(tmp_path: Path, periskope_sandbox: Sandbox) -> None:
    key = tmp_path / "key"
    key.write_text(f"{periskope_sandbox.api_key}\n")
    ran = periskope("chats", "--api-key-file", str(key), "--max-items", "2", "--base-url", periskope_sandbox.base_url)
    assert ran.returncode == 0, ran.stderr
    assert "@" in ran.stdout


def test_sandbox_prints_where_it_is_and_serves_until_ctrl_c() -> None:
    process = begun("sandbox", "--port", "0", "--chats", "30", "--limit", "5", "--api-key", "k")
    assert process.stdout is not None
    said = ""
    while "PERISKOPE_API_KEY" not in said:
        line = process.stdout.readline()
        assert line, process.communicate()
        said += line
    url = said.split("PERISKOPE_BASE_URL=")[1].split()[0]
    assert "30 chats, 5 requests in 1 s" in said
    ran = periskope("chats", PERISKOPE_API_KEY="k", PERISKOPE_BASE_URL=url)
    assert "25 of 30 chats" in ran.stdout
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_help_names_the_commands_and_version_is_told() -> None:
    ran = periskope("--help")
    assert ran.returncode == 0
    for command in ("chats", "export", "doctor", "sandbox"):
        assert command in ran.stdout
    assert periskope("--version").stdout.strip()[0].isdigit()


@pytest.mark.parametrize(
    ("command", "said"),
    [("send", "phone to send from"), ("status", "phone that sent it"), ("queue", "phone whose queue it is")],
)
def test_help_says_which_phone_a_command_is_for(here: Here, command: str, said: str) -> None:
    text = " ".join(here(command, "--help").stdout.split())
    assert f"The {said}: a number or a phone id" in text


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys\nsys.modules['cyclopts'] = None\nfrom periskope_async.cli import main\nmain()\n"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "periskope-async[cli]" in ran.stderr


@pytest.mark.parametrize("columns", [0, 10, 30, 60, 80, 200])
def test_an_id_is_never_cut_and_no_line_is_too_long(columns: int) -> None:
    ran = periskope("chats", "--sandbox", "--chat-type", "group", COLUMNS=str(columns))
    rows = ran.stdout.splitlines()[1:-1]
    assert len(rows) == 25
    assert all(re.search(r"\d+@g\.us\s*$", row) for row in rows)
    assert all(cell_len(row) <= max(columns, 30) for row in rows)


def test_no_control_character_of_a_stranger_reaches_the_terminal(periskope_sandbox: Sandbox) -> None:
    row = {"chat_id": "1@c.us", "chat_name": "\x1b]0;owned\x07\x9b31mred", "chat_type": "user\x1b[2J"}
    body = json.dumps({"chats": [{**row, "latest_message": {"body": "a\x1b[1A\nb"}}], "count": 1, "from": 1, "to": 1})
    periskope_sandbox.script(Body(body.encode(), "application/json"))
    ran = periskope(
        *("chats", "--max-items", "1", "--base-url", periskope_sandbox.base_url),
        PERISKOPE_API_KEY=periskope_sandbox.api_key,
    )
    assert ran.returncode == 0, ran.stderr
    assert "owned" in ran.stdout
    assert not [character for character in ran.stdout if not character.isprintable() and character != "\n"]


def test_a_partial_export_has_an_exit_code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server counts chats that it does not give: to whoever has asked for all, some are missing.
    total = Pages.total

    def too_many(pages: Pages, query: ListQuery) -> int:
        return total(pages, query) + 3

    monkeypatch.setattr(Pages, "total", too_many)
    with Sandbox(chats=600, limit=1000) as sandbox:
        ran = periskope(
            *("export", "chats", str(tmp_path / "out.jsonl"), "--page-size", "50", "--base-url", sandbox.base_url),
            PERISKOPE_API_KEY=sandbox.api_key,
        )
    assert ran.returncode == 3, ran.stderr
    assert "3 rows fewer" in " ".join(ran.stderr.split())


def test_ties_that_change_places_are_exported_whole(tmp_path: Path) -> None:
    with Sandbox(chats=600, limit=1000, ties="shuffled") as sandbox:
        ran = periskope(
            *("export", "chats", str(tmp_path / "out.jsonl"), "--page-size", "50", "--base-url", sandbox.base_url),
            PERISKOPE_API_KEY=sandbox.api_key,
        )
        expected = set(sandbox.chat_ids())
    assert ran.returncode == 0, ran.stderr
    rows = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert len(rows) == len(expected) == 600
    assert {json.loads(row)["chat_id"] for row in rows} == expected


def test_what_is_no_plain_file_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    began = time.monotonic()
    ran = periskope("export", "chats", str(tmp_path), "--sandbox", "--sandbox-chats", "50000", "--page-size", "50")
    assert ran.returncode == 1
    assert "a folder, no plain file" in ran.stderr
    assert time.monotonic() - began < 30


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    ran = periskope("export", "chats", str(tmp_path / "link.jsonl"), "--sandbox", "--sandbox-chats", "5")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len((tmp_path / "real.jsonl").read_bytes().splitlines()) == 5


@pytest.mark.parametrize("command", [["chats", "--json"], ["doctor", "--json"]])
def test_a_reader_that_has_had_enough_is_no_error(command: list[str]) -> None:
    shell = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m periskope_async {' '.join(command)} --sandbox | true"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (shell.returncode, shell.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
def test_progress_and_waits_are_drawn_on_a_terminal(tmp_path: Path) -> None:
    import pty

    arguments = ("export", "chats", str(tmp_path / "out.jsonl"), "--sandbox", "--sandbox-chats", "1500")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "periskope_async", *arguments, "--page-size", "50"],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "140", "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        drawn = b""
        # Linux ends the read with an error once nobody holds the other end.
        with contextlib.suppress(OSError):
            while block := os.read(ours, 65_536):
                drawn += block
    os.close(ours)
    assert process.returncode == 0
    text = drawn.decode(errors="replace")
    assert "100%" in text
    assert "rate limit: next request in" in text
    assert "1,500 chats" in text
