"""The commands of the other resources, as a user runs them."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from periskope_async.sandbox import PHONES, Sandbox
from tests.cli.running import periskope

if TYPE_CHECKING:
    import subprocess

    from tests.cli.conftest import Here

SANDBOX = ("--sandbox", "--sandbox-chats", "60")


@pytest.mark.parametrize(("name", "said"), [("messages", "Text"), ("contacts", "Name"), ("tickets", "Subject")])
def test_lists_are_tables(name: str, said: str) -> None:
    ran = periskope(name, *SANDBOX, "--max-items", "4")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert said in lines[0]
    assert len(lines) == 6
    assert re.fullmatch(rf"4 of [\d,]+ {name}", lines[-1].strip())


@pytest.mark.parametrize("name", ["messages", "contacts", "tickets", "phones"])
def test_lists_as_json(name: str) -> None:
    ran = periskope(name, *SANDBOX, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(rows) > 2
    assert all("org_id" in row for row in rows)


def test_send_prints_the_id_alone() -> None:
    ran = periskope("send", "919876543210", "Hello", *SANDBOX)
    assert ran.returncode == 0
    assert ran.stdout.strip().startswith("3EB0")
    assert ran.stderr == "✓ queued\n"


def test_send_and_wait() -> None:
    ran = periskope("send", "919876543210", "Hello", *SANDBOX, "--wait", "sent", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] in {"sent", "delivered", "read"}


def test_status_follows_what_was_sent() -> None:
    with Sandbox(chats=20, pace=0.01) as sandbox:
        environ = {"PERISKOPE_API_KEY": sandbox.api_key, "PERISKOPE_BASE_URL": sandbox.base_url}
        phone = ("--phone", PHONES[0].phone_id)
        unique_id = periskope("send", "919876543210", "Hello", *phone, **environ).stdout.strip()
        ran = periskope("status", unique_id, *phone, "--json", **environ)
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["unique_id"] == unique_id
        assert unique_id in periskope("status", unique_id, *phone, **environ).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("send", "919876543210"), 2, "there is nothing to send; give a text as MESSAGE, or a --file"),
        (("send", "919876543210", "-hi"), 2, 'periskope send CHAT-ID -- "-5 degrees"'),
        (("send", "919876543210", "--hi"), 2, 'periskope send CHAT-ID -- "-5 degrees"'),
        (("send", "a friend", "Hello"), 2, "is not a chat's id"),
        (("send", "919876543210", "--file", "no such file"), 1, "there is no file"),
        (("status", "nothing"), 1, "404"),
        (("queue", "--purge"), 2, "add --yes"),
    ],
)
def test_slips(here: Here, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = here(*arguments, *SANDBOX)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr


def test_a_text_behind_two_dashes_is_sent() -> None:
    with Sandbox(chats=20) as sandbox:
        environ = {"PERISKOPE_API_KEY": sandbox.api_key, "PERISKOPE_BASE_URL": sandbox.base_url}
        ran = periskope("send", "919876543210", "--phone", PHONES[0].phone_id, "--", "-5 degrees", **environ)
        assert ran.returncode == 0, ran.stderr
        assert b"-5 degrees" in sandbox.requests[-1].body


def test_the_queue() -> None:
    assert "0 waiting" in periskope("queue", *SANDBOX).stdout
    ran = periskope("queue", "--purge", "--yes", "--json", *SANDBOX)
    assert json.loads(ran.stdout)["mode"] == "all"


def answered(value: object, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against a server with one answer to everything."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's own

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/v1"
            return periskope(*arguments, PERISKOPE_API_KEY="key", PERISKOPE_BASE_URL=url)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ({"purged": True, "queue_ids": ["a", "b"]}, 0, "✓ 2 jobs taken out"),
        ({"purged": True, "mode": "all"}, 0, "✓ purged; the server named no jobs"),
        ({"purged": 7, "queue_ids": ["a"]}, 0, "✓ 7 jobs taken out"),
        ({"purged": False}, 1, "✗ the server answered that the queue was not purged; `periskope queue` shows its jobs"),
    ],
)
def test_what_a_purge_has_done(said: object, code: int, words: str) -> None:
    ran = answered(said, "queue", "--purge", "--yes", "--phone", "918527184400")
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", f"{words}\n")


def test_a_purge_that_was_not_done_is_a_failure_as_json_too() -> None:
    ran = answered({"purged": False}, "queue", "--purge", "--yes", "--phone", "918527184400", "--json")
    assert (ran.returncode, json.loads(ran.stdout)) == (1, {"purged": False})


def test_a_servers_text_does_not_reach_the_terminal_raw() -> None:
    text = "\x1b[31mred\u202e\n"
    ran = answered([{"phone_id": f"phone-{'a' * 16}", "phone_name": text, "wa_state": text}], "phones")
    assert ran.returncode == 0, ran.stderr
    assert "\\x1b[31mred\\u202e" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert "\u202e" not in ran.stdout
