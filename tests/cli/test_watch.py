"""What ``periskope watch`` and ``periskope webhooks listen`` print of real events, and how they end."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from rich.console import Console

from periskope_async.cli import webhooks
from periskope_async.cli.live import Board, event_json, event_line, gap_text
from periskope_async.cli.names import ChatNames
from periskope_async.live_event import LiveEvent, read_event
from periskope_async.realtime import Gap
from periskope_async.sandbox import Sandbox
from periskope_async.webhooks import Receiver
from tests.cli.running import begun, periskope
from tests.webhooks.bodies import KEY, envelope, message, signed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

STOP = signal.SIGINT if sys.platform != "win32" else signal.SIGTERM
NASTY = {
    "message_id": "m1",
    "chat_id": "1@c.us\x1b[2J",
    "sender_phone": "2@c.us",
    "body": "one\ntwo [red]\x1b[31m\u202e",
}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(chats=30) as running:
        monkeypatch.setenv("PERISKOPE_API_KEY", running.api_key)
        monkeypatch.setenv("PERISKOPE_BASE_URL", running.base_url)
        yield running


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(STOP)
    out, said = process.communicate(timeout=40)
    assert process.returncode == 130
    return out, said


def until_connected(sandbox: Sandbox) -> None:
    while not sandbox.sockets.connected:
        time.sleep(0.01)


def test_watch_prints_a_line_for_each_event(sandbox: Sandbox) -> None:
    process = begun("watch")
    assert process.stdout is not None
    until_connected(sandbox)
    sandbox.emit("message.created", NASTY)
    _, line = process.stdout.readline().rstrip("\n").split("  ", 1)
    assert line == "message.created  1@c.us\\x1b[2J  2@c.us  one two [red]\\x1b[31m\\u202e"
    sandbox.emit("ticket.created", {"ticket": {"ticket_id": "t"}})  # not asked for
    chat = sandbox.insert()
    assert process.stdout.readline().split("  ")[1:3] == ["chat.created", chat]
    assert ended(process) == ("", "! stopped\n")


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_no_board_is_drawn_into_a_pipe(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    process = begun("watch")
    assert process.stdout is not None
    until_connected(sandbox)
    sandbox.emit("message.created", NASTY)
    assert "message.created" in process.stdout.readline()
    out, said = ended(process)
    assert out == ""
    assert said.endswith(" stopped\n")
    assert len(said.splitlines()) == 1


def test_watch_as_json(sandbox: Sandbox) -> None:
    process = begun("watch", "--events", "all", "--json")
    assert process.stdout is not None
    until_connected(sandbox)
    sandbox.emit("note.created", NASTY)
    event = json.loads(process.stdout.readline())
    assert (event["event"], event["source"], event["data"]) == ("note.created", "socket", NASTY)
    assert ended(process) == ("", "! stopped\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_watch_on_a_terminal(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board is drawn below the lines, and none of it holds what a message would do to the terminal."""
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    process = begun("watch", stdout=theirs, stderr=theirs)
    os.close(theirs)
    until_connected(sandbox)
    sandbox.emit("message.created", NASTY)
    chat = sandbox.chat_ids(sort_by="latest_message_timestamp")[-1]
    sandbox.wake(chat)
    row = sandbox._org.world.whole(chat)
    assert row is not None
    name: str = row["chat_name"]
    shown = b""
    while b"2 events" not in shown or name.encode() not in shown:
        shown += os.read(ours, 65_536)
    process.send_signal(STOP)
    assert process.wait(timeout=40) == 130
    os.close(ours)
    assert b"live" in shown
    assert b"one two [red]\\x1b[31m" in shown
    assert b"\x1b[2J" not in shown
    assert b"\x1b[31m" not in shown


def test_an_unknown_event_is_a_slip() -> None:
    ran = periskope("watch", "--sandbox", "--events", "message.creatd")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "did you mean 'message.created'?" in ran.stderr


def test_listen_prints_each_webhook_once(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"an-older-key\n{sandbox.signing_key}\n", encoding="utf-8")
    process = begun("webhooks", "listen", "--port", "0", "--signing-key-file", str(path))
    assert process.stderr is not None
    assert process.stdout is not None
    url = process.stderr.readline().split(" ")[3].rstrip(";")
    sandbox.webhooks.faults.copies = 2
    sandbox.webhooks.subscribe(f"{url}any/path")
    sandbox.emit("message.created", NASTY)
    sandbox.emit("something.new", {"chat_id": "3@c.us"})
    lines = [process.stdout.readline().rstrip("\n").split("  ", 1)[1] for _ in range(2)]
    assert lines == [
        "message.created  1@c.us\\x1b[2J  2@c.us  one two [red]\\x1b[31m\\u202e",
        "something.new  3@c.us",
    ]
    assert asyncio.run(_post(url)) == 401
    out, said = ended(process)
    assert out == ""
    refused, stopped = said.splitlines()
    assert refused.startswith("! refused a webhook: the signature fits none of the keys")
    assert stopped == "! stopped"


async def test_listen_prints_at_its_end_what_it_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    receivers: list[Receiver] = []

    def made(*arguments: Any, **options: Any) -> Receiver:
        receivers.append(Receiver(*arguments, **options))
        return receivers[0]

    monkeypatch.setattr(webhooks, "Receiver", made)
    path = tmp_path / "keys"
    path.write_text(KEY, encoding="utf-8")
    listening = asyncio.create_task(webhooks.listen(port=0, signing_key_file=path))
    while "listening at" not in capsys.readouterr().err:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)
    for number in range(5):
        body = envelope("message.created", message(message_id=f"m{number}"))
        assert receivers[0]._answer(body, [signed(body).encode()]).status == 200
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert capsys.readouterr().out.count("message.created") == 5


async def _post(url: str) -> int:
    headers = {"x-periskope-signature": "0" * 64}
    async with aiohttp.ClientSession() as session, session.post(url, data=b"{}", headers=headers) as response:
        return response.status


def test_listen_with_a_sandbox_has_something_to_show() -> None:
    process = begun("webhooks", "listen", "--port", "0", "--sandbox", "--json")
    assert process.stdout is not None
    event = json.loads(process.stdout.readline())
    assert (event["event"], event["source"]) == ("chat.created", "webhook")
    process.send_signal(STOP)
    process.communicate(timeout=40)
    assert process.returncode == 130


def test_listen_ends_once_its_reader_has_left() -> None:
    process = begun("webhooks", "listen", "--port", "0", "--sandbox", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert [line[:1] for line in process.stderr] == ["✓"]
    assert process.wait(timeout=40) == 0
    process.stderr.close()


def test_listen_needs_a_key(tmp_path: Path) -> None:
    ran = periskope("webhooks", "listen", "--port", "0")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "set PERISKOPE_SIGNING_KEY or give --signing-key-file" in ran.stderr
    ran = periskope("webhooks", "listen", "--signing-key-file", str(tmp_path / "none"))
    assert ran.returncode == 2
    assert ran.stderr.startswith("✗ --signing-key-file ")


def test_what_cannot_be_read_is_shown_all_the_same() -> None:
    event = LiveEvent(name="message.created", data=None, raw=b"\xff\x1b[2J", error="expected an object at $")
    assert event_line(event).plain.strip() == "message.created  expected an object at $"
    assert json.loads(event_json(event))["data"] == "\ufffd\x1b[2J"


def test_json_keeps_what_was_sent() -> None:
    """Numbers stay as they were written; line breaks between tokens go."""
    body = b'{"event":"x.y","data":{\n "a": 1.10, "b": "\\n"\r\n}}'
    line = event_json(read_event(body, source="webhook"))
    assert line.endswith(b'"data":{"a":1.10,"b":"\\n"}}\n')
    assert line.count(b"\n") == 1


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        ({"recovered": True}, "3 s without events, and nothing is missing"),
        ({}, "3 s without events; others may be missing (closed)"),
        ({"reason": "overflow", "dropped": 1_200}, "1,200 events were dropped; others may be missing (overflow)"),
        (
            {"filled": ("chat.created",), "error": "message.created: no"},
            "3 s without events; chat.created read from lists; others may be missing (closed): message.created: no",
        ),
    ],
)
def test_gaps_in_words(gap: dict[str, object], said: str) -> None:
    times = {"since": datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC), "until": datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)}
    assert gap_text(Gap(**{"reason": "closed", **times, **gap})) == said  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a table of fields


def test_the_board_shows_the_chats_heard_of_last() -> None:
    connected = True
    board = Board(lambda: connected, ChatNames())
    for number in range(12):
        board.add(_event("message.created", message_id=f"m{number}", chat_id=f"{number}@c.us", body=f"text {number}"))
    board.add(_event("message.created", message_id="again", chat_id="5@c.us", message_type="image"))
    board.add(_event("chat.created", chat_id="5@c.us", chat_name="Support\x1b[2J"))
    lines = _drawn(board)
    assert lines[1].split() == ["Chat", "Messages", "Last"]
    assert lines[2].split() == ["Support\\x1b[2J", "2", "(image)"]
    assert [line.split()[0] for line in lines[3:-1]] == [f"{number}@c.us" for number in (11, 10, 9, 8, 7, 6, 4)]
    assert lines[-1] == "● live  14 events; Ctrl-C ends"
    connected = False
    assert _drawn(board)[-1].startswith("○ connecting again")


def _event(name: str, **data: str) -> LiveEvent:
    return read_event(json.dumps(data).encode(), name=name, source="socket")


def _drawn(board: Board) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(board)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]
