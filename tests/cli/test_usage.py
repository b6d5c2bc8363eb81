"""Options that cannot be, or that a command would not heed, are refused in one line before anything is asked for."""

from __future__ import annotations

import errno
import os
import re
import socket
from pathlib import Path

import pytest

from periskope_async.cli.app import app, run
from periskope_async.sandbox import Sandbox


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PERISKOPE_API_KEY", "PERISKOPE_PHONE", "PERISKOPE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a wrong command line; give the one line that it says."""
    code = run(arguments)
    out, said = capsys.readouterr()
    assert (code, out) == (2, ""), said
    assert said.startswith("✗ "), said
    assert said.removesuffix("\n").isprintable(), said
    return said


@pytest.mark.parametrize("value", ["1e12", "1e400", "inf", "nan", "-1", "0", "soon"])
@pytest.mark.parametrize(
    "command",
    [
        "sync x.sqlite --sandbox --every",
        "sync x.sqlite --sandbox --full-every",
        "send 919876543210 hello --sandbox --timeout",
        "sandbox --window",
    ],
)
def test_lengths_of_time(capsys: pytest.CaptureFixture[str], command: str, value: str) -> None:
    assert command.rpartition(" ")[2] in refusal(capsys, *command.split(), value)


@pytest.mark.parametrize(
    ("typed", "every", "full_every"), [("90", 90, 90), ("0.5", 0.5, 0.5), ("10m", 600, 1 / 6), ("1.5 h", 5_400, 1.5)]
)
def test_lengths_of_time_may_have_units(typed: str, every: float, full_every: float) -> None:
    _, bound, _ = app.parse_args(["sync", "x.sqlite", "--every", typed, "--full-every", typed])
    assert (bound.arguments["every"], bound.arguments["full_every"]) == (every, full_every)


@pytest.mark.parametrize("value", ["1e12", "inf", "nan", "-1", "9" * 20, "9" * 400, "367d", "soon"])
@pytest.mark.parametrize("command", ["export chats x.jsonl --sandbox", "export all folder --sandbox"])
def test_patience(capsys: pytest.CaptureFixture[str], command: str, value: str) -> None:
    assert "--patience" in refusal(capsys, *command.split(), f"--patience={value}")


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e12.5", "many"])
@pytest.mark.parametrize(
    "command",
    [
        "chats --sandbox --max-items",
        "chats --sandbox --page-size",
        "chats --sandbox --prefetch",
        "chats --sandbox --sandbox-chats",
        "messages --sandbox --max-items",
        "contacts --sandbox --max-items",
        "tickets --sandbox --max-items",
        "export tickets - --sandbox --max-items",
        "sandbox --chats",
        "sandbox --limit",
    ],
)
def test_numbers_of_rows(capsys: pytest.CaptureFixture[str], command: str, value: str) -> None:
    assert command.rpartition(" ")[2] in refusal(capsys, *command.split(), value)


def test_an_empty_folder_name_is_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """As in `export all "$DIR"` where DIR is not set: it would be the present folder."""
    assert "give the name of a folder" in refusal(capsys, "export", "all", "", "--sandbox")
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("option", ["--limit", "--seed", "--chats", "--port", "--latency"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_sandbox_of_no_measure(capsys: pytest.CaptureFixture[str], option: str, sign: str) -> None:
    assert option in refusal(capsys, "sandbox", f"{option}={sign}{'9' * 40}")


@pytest.mark.parametrize("name", ["contacts", "tickets", "phones"])
def test_a_list_without_a_filter_by_phone(capsys: pytest.CaptureFixture[str], name: str) -> None:
    said = f"✗ the list of {name} has no filter for --phone; leave it out\n"
    assert refusal(capsys, name, "--sandbox", "--phone", "918527184400") == said
    if name != "phones":
        assert refusal(capsys, "export", name, "-", "--sandbox", "--phone", "918527184400") == said


@pytest.mark.parametrize(
    "command",
    ["chats", "messages", "contacts", "phones", "queue", "send 1@c.us hello", "export chats x.jsonl", "watch"],
)
def test_without_a_key_it_says_what_to_give(capsys: pytest.CaptureFixture[str], command: str) -> None:
    said = refusal(capsys, *command.split())
    assert "(" not in said
    for word in ("PERISKOPE_API_KEY", "--api-key-file", "--sandbox"):
        assert word in said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("chats --since yesterday", "--since 'yesterday'"),
        ("chats --until 2025-04-31", "--until '2025-04-31'"),
        ("chats --since 2025-05-02 --until 2025-05-01", "--since 2025-05-02T00:00:00Z lies after --until"),
        ("messages --chat-id 1@c.us --since 2025-05-02", "leave out --since and --until"),
        ("chats --page-size 5000", "--page-size"),
        ("chats --chat-id nobody", "--chat-id 'nobody'"),
        ("send nobody hello", "CHAT-ID 'nobody'"),
        ("sync x.sqlite --lists foo", "--lists: a mirror has no list 'foo'"),
        ("export chats x.jsonl --update --max-items 3", "leave out --max-items"),
    ],
)
def test_an_error_names_the_option(capsys: pytest.CaptureFixture[str], command: str, said: str) -> None:
    assert said in refusal(capsys, *command.split(), "--sandbox", "--sandbox-chats", "3")


@pytest.mark.parametrize("command", ["chats", "doctor"])
def test_an_error_names_where_the_base_url_came_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    run([command, "--base-url", "localhost:9000"])
    assert "--base-url 'localhost:9000' is not a URL" in "".join(capsys.readouterr())
    monkeypatch.setenv("PERISKOPE_BASE_URL", "localhost:9000")
    run([command])
    assert "PERISKOPE_BASE_URL 'localhost:9000' is not a URL" in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", ["chats", "export chats -", "doctor"])
def test_a_base_url_without_its_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    with Sandbox(chats=5, latency=0) as sandbox:
        assert run([*command.split(), "--base-url", sandbox.base_url.removesuffix("/v1")]) == 1
    assert "the base URL lacks the API's version, as in https://…/v1" in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", ["sandbox", "webhooks listen --sandbox"])
def test_a_busy_port(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert run([*command.split(), "--port", str(port)]) == 1
    out, said = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        rf"✗ cannot listen at .*{port}: {os.strerror(errno.EADDRINUSE)}; give another --port, 0 for .*\n", said
    )


@pytest.mark.parametrize(
    ("events", "hint"),
    [
        ("foo", "there are "),
        ("message.creatd", "did you mean 'message.created'?"),
        ("", "there are "),
        ("all,x", "'all'"),
    ],
)
def test_an_unknown_event(capsys: pytest.CaptureFixture[str], events: str, hint: str) -> None:
    said = refusal(capsys, "watch", "--sandbox", "--events", events)
    assert said.startswith("✗ --events: no event is called")
    assert hint in said
    assert "`all` shows everything" in said
    assert "Without names" not in said


@pytest.mark.parametrize("command", ["chats", "phones", "send 1@c.us hello", "export chats x", "export all x", "watch"])
def test_what_would_be_ignored_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    assert "add --sandbox" in refusal(capsys, *command.split(), "--sandbox-chats", "5")
    for option in ("--base-url=http://127.0.0.1:9", "--api-key-file=key"):
        said = refusal(capsys, *command.split(), "--sandbox", option)
        assert f"--sandbox and {option.partition('=')[0]} exclude each other" in said


def test_messages_need_no_phone(capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox(chats=5, latency=0) as sandbox:
        arguments = ("messages", "--base-url", sandbox.base_url, "--api-key-file", "key", "--max-items", "2")
        Path("key").write_text(sandbox.api_key)
        assert run(arguments) == 0
        assert [request.phone for request in sandbox.requests] == [None]
    assert capsys.readouterr().out
