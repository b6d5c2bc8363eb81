"""Slips of people end in one line that says what was wrong, and in the exit code for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from periskope_async.sandbox import Sandbox
from tests.cli.running import shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Here

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("sandbox --port 70000", 2, "--port"),
        ("sandbox --port -1", 2, "--port"),
        ("sandbox --port http", 2, "--port"),
        ("webhooks listen --sandbox --port 0 --host a..b", 1, "cannot listen at a..b:0"),
        ("webhooks listen --sandbox --port 0 --host \udcff", 1, r"cannot listen at \xff:0"),
        ("sandbox --port 99999999999999999999", 2, "--port"),
        ("sandbox --window inf", 2, "--window"),
        ("sandbox --window nan", 2, "--window"),
        ("sandbox --window 1e-9", 2, "--window"),
        ("sandbox --latency inf", 2, "--latency"),
        ("sandbox --chats 9999999999999999999", 2, "--chats"),
        ("chats --sandbox --sandbox-chats -1", 2, "--sandbox-chats"),
        ("chats --sandbox --page-size 0", 2, "--page-size"),
        ("chats --sandbox --page-size many", 2, "--page-size"),
        ("chats --sandbox --label \udcff", 2, "label"),
        ("chats --sandbox --chat-id \udcff", 2, "--chat-id"),
        ("chats --sandbox --phone \udcff", 2, "phone"),
        ("chats --sandbox --since \udcff\x1b[31m", 2, "--since"),
        ("chats --chat-type [/red]\x1b[31m", 2, "--chat-type"),
        ("[/red]\x1b[31m", 2, "Unknown command"),
        ("chats --[/red]\x1b[31m", 2, "Unknown option"),
        ("export chats --sandbox", 2, "OUT"),
        ("export chats --no-such-option --sandbox", 2, "no such option; a file of this name is ./--no-such-option"),
        ("export chats - --json --sandbox", 2, "--json"),
        ("export chats circle --sandbox", 1, "circle'"),
        ("export chats folder --sandbox", 1, "folder' is a folder"),
        ("export chats new/ --sandbox", 1, "'new/' names a folder"),
        ("export chats pipe --sandbox", 1, "`periskope export chats -` writes to stdout"),
        ("export chats /dev/stdout --sandbox", 1, "`periskope export chats -` writes to stdout"),
        ("chats --api-key-file folder", 2, "'folder' cannot be read: Is a directory"),
        ("chats --api-key-file nothing", 2, "'nothing' cannot be read: No such file"),
        ("chats --api-key-file circle", 2, "'circle' cannot be read"),
        ("chats --api-key-file empty", 2, "'empty' is empty"),
        ("chats --api-key-file /dev/null", 2, "is empty"),
        ("chats --api-key-file binary", 2, "'binary' is not UTF-8"),
        ("chats --api-key-file huge", 2, "'huge' holds more than 8192 bytes"),
        ("chats --api-key-file two-lines", 2, "line break"),
    ],
)
def test_a_slip_is_one_line(here: Here, tmp_path: Path, command: str, code: int, said: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfek\0")
    (tmp_path / "huge").write_bytes(b"k" * 100_000)
    (tmp_path / "two-lines").write_text("secret-one\nsecret-two\n")
    ran = here(*command.split())
    line = ran.stderr
    assert (ran.returncode, ran.stdout) == (code, ""), line
    assert line.startswith("✗ ")
    assert said in line
    assert line.removesuffix("\n").isprintable()
    assert "secret" not in line


@pytest.mark.parametrize(
    ("pipe", "said"), [("<(yes | head -c 100000)", "holds more than 8192 bytes"), ("<(true)", "is empty")]
)
def test_what_a_pipe_cannot_give_is_told(pipe: str, said: str) -> None:
    ran = shell(f"$periskope chats --api-key-file {pipe}")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert said in ran.stderr.decode()


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("sandbox-key\n", "key"),
        ("\ufeffsandbox-key\r\n", "key"),
        ("sandbox-key", "<(cat key)"),
        ("sandbox-key", "<(sleep 0.5; cat key)"),
        ("sandbox-key", "/dev/stdin < key"),
    ],
)
def test_the_key_comes_from_files_and_pipes(tmp_path: Path, key: str, file: str) -> None:
    (tmp_path / "key").write_text(key)
    with Sandbox(chats=1, latency=0, api_key="sandbox-key") as sandbox:
        ran = shell(f"$periskope doctor --base-url {sandbox.base_url} --api-key-file {file}", folder=tmp_path)
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("environ", ["env -i", "env -u HOME", "env -u TERM", "env TERM=dumb"])
@pytest.mark.parametrize("command", ["chats --sandbox --max-items 1", "--help"])
def test_a_bare_environment_will_do(environ: str, command: str) -> None:
    ran = shell(f'{environ} PYTHONPATH="$PYTHONPATH" $periskope {command}')
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--sandbox-chats 0", "  no chats match\n"),
        ("--sandbox-chats 0 --quiet", ""),
        ("--sandbox-chats 3 --max-items 0", ""),
    ],
)
def test_no_chats_match_is_said_where_it_is_so(options: str, said: str) -> None:
    ran = shell(f"$periskope chats --sandbox {options}")
    assert (ran.returncode, ran.stdout, ran.stderr.decode()) == (0, b"", said)


@pytest.mark.parametrize("out", ["-", "-- -"])
def test_a_lone_dash_is_stdout(tmp_path: Path, out: str) -> None:
    ran = shell(f"$periskope export chats --sandbox --sandbox-chats 3 {out}", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 3
    assert b"3 chats" in ran.stderr
    assert list(tmp_path.iterdir()) == []
