"""What is printed: in every encoding, to every stream, and never in the shape that a stranger gave it."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from periskope_async.cli.console import print_out, say
from periskope_async.printable import one_line
from periskope_async.sandbox import Body, HeaderChange, Pass, Sandbox, Status
from tests.cli.running import periskope, shell

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\nsecond line\r\x1b[2K\u202e \u2028[bold]:smile:[/nope]"
REFUSAL = json.dumps(
    {
        "code": "VALIDATION_ERROR",
        "message": HOSTILE,
        "status": 422,
        "fields": {"limit\x1b[5m": {"message": "bad\x1b[7m"}},
    }
).encode()


def is_tame(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("chats", 422),
        ("chats --json", 422),
        ("doctor", 422),
        ("doctor --json", 422),
        ("export chats out.jsonl", 422),
        ("doctor", 401),
    ],
)
def test_no_control_of_a_server_gets_through(tmp_path: Path, command: str, status: int) -> None:
    with Sandbox(chats=5, always=Status(status, REFUSAL)) as sandbox:
        ran = shell(
            f"$periskope {command}",
            folder=tmp_path,
            PERISKOPE_BASE_URL=sandbox.base_url,
            PERISKOPE_API_KEY=sandbox.api_key,
        )
    said = (ran.stdout + ran.stderr).decode()
    assert ran.returncode == 1
    assert "owned" in said
    assert is_tame(said), said
    assert "Traceback" not in said
    # One line for each thing said: the second line of the server's text begins none.
    assert not [line for line in said.splitlines() if line.startswith(("second line", "[bold]"))]


def test_no_control_of_a_server_gets_into_the_log() -> None:
    with Sandbox(chats=5, latency=0) as sandbox:
        sandbox.script(Status(503, REFUSAL))
        ran = shell("$periskope chats", PERISKOPE_BASE_URL=sandbox.base_url, PERISKOPE_API_KEY=sandbox.api_key)
    (line,) = ran.stderr.decode().splitlines()
    assert ran.returncode == 0
    assert "try 1 failed" in line
    assert line.isprintable()


def test_no_control_of_a_header_gets_through() -> None:
    with Sandbox(chats=5, always=HeaderChange(set={"x-periskope-trace-id": "t\x9b7m\u202e[/]"})) as sandbox:
        ran = shell("$periskope doctor", PERISKOPE_BASE_URL=sandbox.base_url, PERISKOPE_API_KEY=sandbox.api_key)
    assert ran.returncode == 0, ran
    assert r"[trace t\x9b7m\u202e[/]]" in ran.stdout.decode()
    assert is_tame(ran.stdout.decode())


def test_names_of_chats_are_no_markup(periskope_sandbox: Sandbox) -> None:
    row = {"chat_id": "1@c.us", "chat_name": "[red]:smile:[/nope]\u202e", "chat_type": "user"}
    body = json.dumps({"chats": [row], "count": 1, "from": 1, "to": 1}).encode()
    periskope_sandbox.script(Body(body, "application/json"))
    ran = periskope(
        *("chats", "--max-items", "1", "--base-url", periskope_sandbox.base_url),
        PERISKOPE_API_KEY=periskope_sandbox.api_key,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert r"[red]:smile:[/nope]\u202e" in ran.stdout


@pytest.mark.parametrize("command", ["chats --json --max-items 1", "export chats - --max-items 1"])
def test_a_pretty_row_with_half_an_emoji_is_a_line(command: str) -> None:
    row = b'{\n      "chat_id": "120363000000000001@g.us",\r\n      "chat_name": "cut here \\ud83d"\n    }'
    body = b'{\n  "from": 1, "to": 1, "count": 1,\n  "chats": [\n    ' + row + b"\n  ]\n}"
    with Sandbox(always=Body(body, "application/json")) as sandbox:
        ran = shell(f"$periskope {command}", PERISKOPE_BASE_URL=sandbox.base_url, PERISKOPE_API_KEY=sandbox.api_key)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == b'{"chat_id":"120363000000000001@g.us","chat_name":"cut here \\ud83d"}\n'


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("chats[old].jsonl", "chats[old].jsonl"),
        ("a[/b].jsonl", "a[/b].jsonl"),
        ("[red]x[/]", "[red]x[/]"),
        (":smile:", ":smile:"),
        ("x\x1b[31m\ny", r"x\x1b[31m\x0ay"),
        (" a  b\t.jsonl ", r" a  b\x09.jsonl "),
        ("f\udcff", r"f\xff"),
    ],
)
def test_a_path_is_printed_as_it_is(tmp_path: Path, name: str, shown: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    ran = shell(
        '$periskope export chats --sandbox --sandbox-chats 2 --format jsonl "$name"', folder=tmp_path, name=name
    )
    assert ran.returncode == 0, ran.stderr
    assert f"✓ 2 chats, 0.0 MB → {shown}\n" in ran.stderr.decode()
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    "environ",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["cp1252", "ascii", "C"],
)
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("chats --sandbox", 0),
        ("doctor --sandbox", 0),
        ("export chats é.jsonl --sandbox", 0),
        ("--help", 0),
        ("chats --label é --chat-type é", 2),
    ],
)
def test_every_encoding_will_do(tmp_path: Path, command: str, code: int, environ: dict[str, str]) -> None:
    ran = shell(f"$periskope {command}", folder=tmp_path, **environ)
    assert ran.returncode == code, ran.stderr
    assert ran.stdout or ran.stderr
    assert b"Traceback" not in ran.stderr


def test_a_sign_is_shown_where_its_encoding_lacks_it() -> None:
    ran = shell("$periskope doctor --sandbox", PYTHONIOENCODING="cp1252")
    assert ran.stdout.startswith(b"+ versions ")


@pytest.mark.parametrize(
    "command", ["chats", "chats --json", "doctor", "doctor --json", "export chats out.jsonl --json"]
)
@pytest.mark.parametrize("stdout", [">&-", ">/dev/full"])
def test_stdout_that_takes_nothing_is_one_line(tmp_path: Path, command: str, stdout: str) -> None:
    ran = shell(f"$periskope {command} --sandbox --sandbox-chats 3 {stdout}", folder=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.decode().startswith("✗ ")
    assert len(ran.stderr.splitlines()) == 1, ran.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2> >(true)"])
def test_an_export_needs_no_stderr(tmp_path: Path, stderr: str, unbuffered: str) -> None:
    command = f"$periskope export chats out.jsonl --sandbox --sandbox-chats 3 {stderr}"
    ran = shell(command, folder=tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert ran.returncode == 0
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("command", "code"), [("chats --nothing", 2), ("chats --base-url http://127.0.0.1:1", 1)])
def test_an_error_that_nobody_can_read_has_its_exit_code(command: str, code: int, stderr: str) -> None:
    ran = shell(f"$periskope {command} {stderr}", PERISKOPE_API_KEY="key", PYTHONUNBUFFERED="")
    assert ran.returncode == code


@pytest.mark.parametrize(
    "command",
    [
        "chats",
        "chats --json",
        "doctor",
        "doctor --json",
        "export chats - --quiet",
        "export chats out.jsonl --json",
        "--help",
        "--version",
    ],
)
def test_a_reader_that_left_is_no_error(tmp_path: Path, command: str) -> None:
    sandbox = "" if command.startswith("--") else "--sandbox"
    ran = shell(f"set -o pipefail; $periskope {command} {sandbox} 2>err | true", folder=tmp_path)
    assert (ran.returncode, (tmp_path / "err").read_text()) == (0, "")


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_no_progress_is_drawn_into_a_file(tmp_path: Path, variable: str) -> None:
    ran = shell(
        "$periskope export chats out.jsonl --sandbox --sandbox-chats 300 --page-size 100",
        folder=tmp_path,
        **{variable: "1"},
    )
    assert ran.returncode == 0
    assert b"\r" not in ran.stderr
    assert b"\x1b[?25" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("2025-01-24T05:50:32Z", "ahead of the server's"),
        ("0", "the server's Date cannot be read: '0'"),
        ("soon [red]", "the server's Date cannot be read: 'soon [red]'"),
        ("Fri, 24 Jan 2025 05:50:32 -0000", "ahead of the server's"),
    ],
)
def test_the_doctor_survives_an_odd_date(date: str, said: str) -> None:
    with Sandbox(chats=5, always=HeaderChange(set={"Date": date})) as sandbox:
        ran = periskope("doctor", PERISKOPE_API_KEY=sandbox.api_key, PERISKOPE_BASE_URL=sandbox.base_url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert said in ran.stdout
    assert "5 chats" in ran.stdout
    assert is_tame(ran.stdout)


@pytest.mark.parametrize("zone", ["", " -0000", " GMT", " +0000"])
def test_a_date_without_a_zone_is_utc(zone: str) -> None:
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S") + zone
    with Sandbox(chats=5, always=HeaderChange(set={"Date": now})) as sandbox:
        ran = periskope(
            "doctor", PERISKOPE_API_KEY=sandbox.api_key, PERISKOPE_BASE_URL=sandbox.base_url, TZ="Asia/Kolkata"
        )
    (clock,) = [line for line in ran.stdout.splitlines() if " clock " in line]
    off = re.search(r"is (\d+) s", clock)
    assert off is None or int(off[1]) < 60, clock


def test_the_doctor_keeps_its_findings(periskope_sandbox: Sandbox) -> None:
    """Also where the second request fails."""
    periskope_sandbox.script(Pass(), Status(404))
    ran = periskope(
        "doctor", PERISKOPE_API_KEY=periskope_sandbox.api_key, PERISKOPE_BASE_URL=periskope_sandbox.base_url
    )
    assert ran.returncode == 1
    assert "accepted" in ran.stdout
    assert "✗ one page" in ran.stdout


@pytest.mark.parametrize("command", ["send 1@c.us Hello", "status x"])
@pytest.mark.parametrize("unique_id", ["x[/y]z", "[red]x[/]", ":smile:", "x\x1b[31m\u202ey"])
def test_an_id_of_a_server_is_printed_as_one_plain_line(command: str, unique_id: str) -> None:
    answer = {"unique_id": unique_id, "queue_position": 0, "status": "sent"}
    with Sandbox(chats=5, latency=0, always=Body(json.dumps(answer).encode(), "application/json")) as sandbox:
        ran = shell(
            f"$periskope {command} --phone 918527184400",
            PERISKOPE_BASE_URL=sandbox.base_url,
            PERISKOPE_API_KEY=sandbox.api_key,
        )
    said = (ran.stdout + ran.stderr).decode()
    assert ran.returncode == 0, said
    assert one_line(unique_id) in said
    assert is_tame(said), said


@pytest.mark.parametrize("text", ["[red]x[/]", "a[/b]", ":smile:", "x\x1b[31m\ny\u202e"])
def test_a_string_is_no_markup(capsys: pytest.CaptureFixture[str], text: str) -> None:
    print_out(text, soft_wrap=True)
    say(None, text)
    printed = capsys.readouterr()
    assert printed.out == f"{one_line(text)}\n"
    assert printed.err == f"  {one_line(text)}\n"
