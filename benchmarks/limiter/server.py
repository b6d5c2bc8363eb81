"""The server that counts: real Express with express-rate-limit, or the sandbox for what npm cannot give."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import aiohttp
import msgspec
from msgspec import Struct

from periskope_async.sandbox import HeaderChange, Pass, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from benchmarks.limiter.scenarios import Scenario

__all__ = ["FOREIGN", "PACKAGES", "Arrival", "Express", "NoServerError", "Server", "express_here", "serve"]

PACKAGES = {"express": "4.21.2", "express-rate-limit": "8.5.2"}
FOREIGN = "foreign"
"""What the other program says in ``x-who``, so that the books can be kept apart."""

_SERVER = Path(__file__).with_name("server.js")
_INSTALL_SECONDS = 120
_DROPPED = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_JUNK: dict[str, str] = dict(zip(_DROPPED, ("many", "-7", "soon"), strict=True))


class NoServerError(Exception):
    """A scenario that needs Express, on a machine that has none."""


class Arrival(Struct, frozen=True):
    """One request as the server saw it; times in milliseconds of one monotonic clock."""

    who: str
    came: float
    counted: float
    status: int
    window: int
    """When the window that counted it ends, by the server's clock; 0 where the server has no windows."""
    used: int
    limit: int


class Server(Protocol):
    """Where pages are read, and what reached it."""

    @property
    def base_url(self) -> str:
        """With the ``/v1``."""
        ...

    async def arrivals(self) -> list[Arrival]:
        """Give every request so far, in the order in which they were counted."""
        ...


class Express(Struct, frozen=True):
    """A node with the packages, ready to start servers."""

    node: str
    modules: Path
    version: str


def express_here() -> Express | str:
    """Find or install the packages in the user's cache; a string says why that cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return "node and npm are not on this machine"
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "periskope-async-benchmarks"
    home = root / "+".join(wanted)
    try:
        if not home.is_dir():
            _install(npm, wanted, home)
        ran = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=20)  # noqa: S603
    except subprocess.CalledProcessError as error:
        return f"npm could not install {' and '.join(wanted)}: {str(error.stderr).strip()[-200:]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"npm could not install {' and '.join(wanted)}: {error}"
    return Express(node, home / "node_modules", f"node {ran.stdout.strip()}, {', '.join(wanted)}")


def _install(npm: str, wanted: list[str], home: Path) -> None:
    """Install beside the place and move: two benchmarks at once do not see each other's half."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        subprocess.run(  # noqa: S603 - pinned packages, no scripts
            [npm, "install", "--prefix", scratch, "--no-audit", "--no-fund", "--ignore-scripts", *wanted],
            capture_output=True,
            text=True,
            check=True,
            timeout=_INSTALL_SECONDS,
        )
        (Path(scratch) / "done").mkdir()
        for name in ("node_modules", "package.json", "package-lock.json"):
            (Path(scratch) / name).rename(Path(scratch) / "done" / name)
        with contextlib.suppress(OSError):  # another one was first
            (Path(scratch) / "done").rename(home)


@contextlib.asynccontextmanager
async def serve(scenario: Scenario, express: Express | None) -> AsyncGenerator[Server]:
    """Run a fresh server for one client. Express counts fixed windows; the sandbox does the rest.

    Raises :class:`NoServerError` for a scenario that needs Express where there is none.
    """
    if express is not None and scenario.kind == "fixed":
        async with _express(scenario, express) as server:
            yield server
    elif (
        any(scenario.delay) or scenario.change or scenario.foreign + scenario.foreign_first or scenario.tamper == "down"
    ):
        raise NoServerError(f"{scenario.title}: only Express does that")
    else:
        async with _sandbox(scenario) as sandbox:
            yield _SandboxServer(sandbox, scenario)


@contextlib.asynccontextmanager
async def _express(scenario: Scenario, express: Express) -> AsyncGenerator[Server]:
    options = {
        "limit": scenario.limit,
        "windowMs": round(scenario.window * 1000),
        "latencyMs": [seconds * 1000 for seconds in scenario.latency],
        "delayMs": [seconds * 1000 for seconds in scenario.delay],
        "changes": [[scenario.change[0] * 1000, scenario.change[1]]] if scenario.change else [],
        "foreignFirst": scenario.foreign_first,
        "tamper": scenario.tamper,
        "skewMs": scenario.server_ahead * 1000,
        "chats": scenario.rows,
        "seed": 1,
    }
    process = await asyncio.create_subprocess_exec(
        express.node,
        str(_SERVER),
        json.dumps(options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(express.modules)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        started = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 30), type=dict[str, int])
        yield _ExpressServer(f"http://127.0.0.1:{started['port']}")
    finally:
        process.stdin.close()
        await process.wait()


class _ExpressServer:
    def __init__(self, root: str) -> None:
        self.base_url = f"{root}/v1"
        self._root = root

    async def arrivals(self) -> list[Arrival]:
        """Ask by a path that no limit counts."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._root}/control/records") as response:
            found = msgspec.json.decode(await response.read(), type=list[Arrival])
        return sorted(found, key=lambda arrival: arrival.counted)


def _sandbox(scenario: Scenario) -> Sandbox:
    tampered = {"missing": HeaderChange(drop=_DROPPED), "junk": HeaderChange(set=_JUNK)}.get(scenario.tamper)
    return Sandbox(
        chats=scenario.rows,
        limit=scenario.limit,
        window=scenario.window,
        kind=scenario.kind,
        latency=scenario.latency,
        clock_skew=scenario.server_ahead,
        faults=[Pass(), Pass(), tampered] * scenario.pages if tampered else (),
    )


class _SandboxServer:
    def __init__(self, sandbox: Sandbox, scenario: Scenario) -> None:
        self.base_url = sandbox.base_url
        self._sandbox = sandbox
        self._scenario = scenario

    async def arrivals(self) -> list[Arrival]:
        """Read the sandbox's journal; it has no windows, so they are found as the limiter opens them."""
        found: list[Arrival] = []
        ends_at, used = 0.0, 0
        for record in self._sandbox.requests:
            if record.at >= ends_at or record.remaining == self._scenario.limit - 1:
                ends_at, used = record.at + self._scenario.window, 0
            used += 1
            at = record.at * 1000
            window = round(ends_at * 1000) if self._scenario.kind == "fixed" else 0
            status = record.status or 200  # one that was counted and not answered yet
            found.append(Arrival("", at, at, status, window, used, self._scenario.limit))
        return found
