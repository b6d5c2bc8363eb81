"""Programs of neither Python nor npm: those of the machine, or Debian's packages unpacked into the cache."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

__all__ = ["NoServerError", "Program", "child", "free_port", "listening", "nginx_here", "redis_here", "told_port"]

_INSTALL_SECONDS = 120
_START_SECONDS = 30
# The benchmark holds its stdin: when the benchmark is gone, however it went, so is the program.
_LEASH = '"$@" & child=$!; cat > /dev/null; kill $child; wait $child'


class NoServerError(Exception):
    """A scenario that needs a program which this machine has not."""


class Program(Struct, frozen=True):
    """A program, ready to start."""

    binary: str
    libraries: str = ""
    """Where its shared libraries are, if not where the system's are."""

    @property
    def command(self) -> list[str]:
        """What to run, on a leash."""
        return ["/bin/sh", "-c", _LEASH, "sh", self.binary]

    @property
    def env(self) -> dict[str, str]:
        """With the libraries."""
        return {"LD_LIBRARY_PATH": self.libraries} if self.libraries else {}


def nginx_here() -> Program:
    """Find or fetch nginx. Raises :class:`NoServerError`."""
    return _find("nginx", ["nginx"])


def redis_here() -> Program:
    """Find or fetch a Redis. Raises :class:`NoServerError`."""
    return _find("redis-server", ["redis-server", "redis-tools", "libjemalloc2", "liblzf1"])


def _find(name: str, packages: Sequence[str]) -> Program:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    if found := shutil.which(name, path=path):
        return Program(found)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "periskope-async-benchmarks" / name
    try:
        if not home.is_dir():
            _fetch(packages, home)
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr).strip().splitlines()
        raise NoServerError(f"no {name} here, and apt-get: {lines[-1] if lines else 'does not say why'}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoServerError(f"no {name} here, and apt-get cannot fetch it: {type(error).__name__}") from error
    found = shutil.which(name, path=f"{home}/usr/sbin:{home}/usr/bin")
    if not found:
        raise NoServerError(f"no {name} in Debian's {', '.join(packages)}")
    return Program(found, ":".join(map(str, home.glob("usr/lib/*-linux-gnu"))))


def _fetch(packages: Sequence[str], home: Path) -> None:
    """Unpack beside the place and move: two benchmarks at once do not see each other's half."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:

        def run(*command: str | Path) -> None:
            subprocess.run(  # noqa: S603 - named packages, signed by the distribution
                command, cwd=scratch, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS
            )

        run("apt-get", "download", *packages)
        for package in Path(scratch).glob("*.deb"):
            run("dpkg", "-x", package, Path(scratch) / "unpacked")
        with contextlib.suppress(OSError):  # another one was first
            (Path(scratch) / "unpacked").rename(home)


@contextlib.asynccontextmanager
async def child(*command: str, env: Mapping[str, str]) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a program that ends when its stdin does."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **env}
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        await process.wait()


async def told_port(process: asyncio.subprocess.Process) -> int:
    """Read the port that one of our own programs says first."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
    return int(json.loads(line)["port"])


def free_port() -> int:
    """Give a port that nobody listens on, for a program that cannot choose one itself."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def listening(port: int) -> None:
    """Wait until a program listens there."""
    async with asyncio.timeout(_START_SECONDS):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
