"""Signals end a command cleanly, and what SIGKILL leaves the next run goes on with."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from periskope_async.cli.app import run
from periskope_async.sandbox import Sandbox, Slow
from tests.cli.running import begun, hearing_ctrl_c, periskope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")


# As much as a pipe of Linux holds; macOS gives less.
_FULL_PIPE = 65_536 if sys.platform == "linux" else 16_384


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    """Answer a first page, and nothing after it."""
    with Sandbox(chats=500, always=Slow(60), faults=[Slow(0)]) as sandbox:
        yield sandbox


def eventually(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 40
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def bytes_waiting(pipe: int) -> int:
    import fcntl
    import termios

    waiting: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    return waiting


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def has_rows(out: Path) -> bool:
    log = out.with_name(f"{out.name}.partial.log")
    return log.exists() and b'"record":"page"' in log.read_bytes()


def begun_export(monkeypatch: pytest.MonkeyPatch, out: Path, sandbox: Sandbox) -> subprocess.Popen[str]:
    """Start an export, and wait until it has begun to write and waits for the server."""
    monkeypatch.setenv("PERISKOPE_API_KEY", sandbox.api_key)
    monkeypatch.setenv("PERISKOPE_BASE_URL", sandbox.base_url)
    process = begun("export", "chats", str(out), "--overwrite", "--page-size", "50")
    eventually(lambda: len(sandbox.requests) > 1 and has_rows(out))
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_keeps_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Sandbox, number: signal.Signals, code: int
) -> None:
    (tmp_path / "out.jsonl").write_text('{"chat_id":"of yesterday@c.us"}\n')
    process = begun_export(monkeypatch, tmp_path / "out.jsonl", slow)
    process.send_signal(number)
    _, said = process.communicate(timeout=40)
    kept = "  kept: 50 chats; the same command goes on from there\n"
    assert (process.returncode, said) == (code, f"{kept}! stopped\n")
    assert names_in(tmp_path) == ["out.jsonl", "out.jsonl.partial", "out.jsonl.partial.log"]
    assert (tmp_path / "out.jsonl").read_text() == '{"chat_id":"of yesterday@c.us"}\n'


@pytest.mark.parametrize("gap", [0, 0.002, 0.01, 0.03, 0.1])
def test_ctrl_c_pressed_twice_is_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Sandbox, gap: float
) -> None:
    process = begun_export(monkeypatch, tmp_path / "out.jsonl", slow)
    process.send_signal(signal.SIGINT)
    time.sleep(gap)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=40)
    assert (process.returncode, said) == (130, "  kept: 50 chats; the same command goes on from there\n! stopped\n")
    assert names_in(tmp_path) == ["out.jsonl.partial", "out.jsonl.partial.log"]


@pytest.mark.parametrize("hanging", ["await asyncio.sleep(60)", "__import__('time').sleep(60)"])
def test_a_third_ctrl_c_ends_a_clean_up_that_hangs(hanging: str) -> None:
    code = (
        "import asyncio\n"
        "from periskope_async.cli.stopping import run_until_stopped\n"
        "async def main():\n"
        "    try:\n"
        "        print('begun', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "    finally:\n"
        "        print('cleaning up', flush=True)\n"
        f"        {hanging}\n"
        "run_until_stopped(main())"
    )
    with hearing_ctrl_c():
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning up\n"
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        # Two that come at once are one.
        time.sleep(0.02)
    _, said = process.communicate(timeout=40)
    assert (process.returncode, said) == (-signal.SIGINT, "")


def test_a_killed_export_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Sandbox) -> None:
    process = begun_export(monkeypatch, tmp_path / "out.jsonl", slow)
    process.kill()
    process.communicate(timeout=40)
    assert names_in(tmp_path) == ["out.jsonl.partial", "out.jsonl.partial.log"]
    monkeypatch.undo()
    with Sandbox(chats=500, limit=1_000, api_key=slow.api_key) as quick:
        environ = {"PERISKOPE_API_KEY": quick.api_key, "PERISKOPE_BASE_URL": quick.base_url}
        ran = periskope("export", "chats", str(tmp_path / "out.jsonl"), "--json", **environ)
        expected = quick.chat_ids()
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["resumed_rows"] > 0
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["chat_id"] for line in lines] == expected
    assert names_in(tmp_path) == ["out.jsonl", "out.jsonl.manifest.json"]


def test_nohup_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Sandbox) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = begun_export(monkeypatch, tmp_path / "out.jsonl", slow)
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=40)
    assert process.returncode == 143


@pytest.mark.parametrize(("number", "codes"), [(signal.SIGTERM, {-15, 143}), (signal.SIGINT, {130})])
def test_a_reader_that_stands_still_holds_nobody(number: signal.Signals, codes: set[int]) -> None:
    """A pipe that is full holds the event loop; signals end the command all the same."""
    process = begun("chats", "--sandbox", "--json")
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    eventually(lambda: bytes_waiting(pipe) >= _FULL_PIPE)
    process.send_signal(number)
    assert process.wait(timeout=40) in codes
    process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_closes_the_sandbox(number: signal.Signals, code: int) -> None:
    process = begun("sandbox", "--port", "0")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    _, said = process.communicate(timeout=40)
    assert (process.returncode, said) == (code, "! stopped\n")


def test_a_message_that_may_be_on_its_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(chats=20, always=Slow(60)) as sandbox:
        monkeypatch.setenv("PERISKOPE_API_KEY", sandbox.api_key)
        monkeypatch.setenv("PERISKOPE_BASE_URL", sandbox.base_url)
        process = begun("send", "919876543210", "Hello", "--phone", "918527184400")
        eventually(lambda: sandbox.requests)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=40)
    assert process.returncode == 130
    assert said.startswith("! stopped\n  POST /message/send was sent, and may have been carried out or not\n")


def test_the_library_sets_no_signal_handlers() -> None:
    code = (
        "import signal\n"
        "before = {n: signal.getsignal(n) for n in signal.valid_signals()}\n"
        "import periskope_async, periskope_async.export, periskope_async.cli.app\n"
        "assert before == {n: signal.getsignal(n) for n in signal.valid_signals()}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


def test_ctrl_c_is_said_wherever_it_comes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """While a row is being written it is raised in the command itself."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("periskope_async.cli.doctor.open_client", interrupted)
    assert run(["doctor", "--sandbox"]) == 130
    assert capsys.readouterr().err.endswith("! stopped\n")
