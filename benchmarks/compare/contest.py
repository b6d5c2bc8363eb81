"""Who takes part, and one run of each: a process of its own, alone with the server."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, json
from msgspec.structs import replace

from benchmarks.compare.npm import Node, node_with
from benchmarks.compare.programs.harness import Job, Outcome
from benchmarks.compare.server import Serving, Started

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarks.compare.rows import KeyOrder

__all__ = [
    "BARE",
    "BY_HAND",
    "LIMIT",
    "OFFICIAL",
    "OURS",
    "PYDANTIC",
    "STDLIB",
    "Contender",
    "Contest",
    "apart",
    "contenders",
    "serve",
]

_ROOT = Path(__file__).parents[2]
_PROGRAMS = "benchmarks.compare.programs"
_OFFICIAL_PACKAGE = {"@periskope/periskope-client": "1.1.3"}
_OFFICIAL_PORT = 8080
_MOST_SECONDS = 300


class Contender(Struct, frozen=True, kw_only=True):
    """One way to do the job."""

    name: str
    program: str
    """A module of ``programs``, or a file for node."""
    needs: tuple[str, ...] = ()
    """Modules without which it cannot run."""
    settings: dict[str, str] = {}
    """What it sets in the job."""


OURS = Contender(name="periskope_async", program="ours")
BARE = Contender(name="bare loop: aiohttp + msgspec", program="bare")
STDLIB = Contender(name="aiohttp + json", program="aiohttp_json")
PYDANTIC = Contender(name="httpx + pydantic", program="httpx_pydantic", needs=("httpx", "pydantic"))
# Of small calls, whose price would depend on how the heap happens to lie: asyncio reads into 256 KiB, which glibc may
# give back to the system, and have faulted in anew, with each call or never. So it never does, for any contender.
_STEADY_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(1 << 24), "MALLOC_TRIM_THRESHOLD_": str(1 << 26)}

BY_HAND = Contender(name="a call by hand", program="by_hand")
OFFICIAL = Contender(name="official TypeScript client", program="official.js")
LIMIT = Contender(name="blocking socket + msgspec", program="blocking")
OURS_UVLOOP = Contender(name="periskope_async, uvloop", program="ours", needs=("uvloop",), settings={"loop": "uvloop"})
BARE_UVLOOP = Contender(name="bare loop, uvloop", program="bare", needs=("uvloop",), settings={"loop": "uvloop"})


def contenders() -> tuple[Contender, ...]:
    """Give all of them, ours first."""
    return (OURS, BARE, STDLIB, PYDANTIC, OFFICIAL, LIMIT, OURS_UVLOOP, BARE_UVLOOP)


class Contest:
    """Runs contenders against one server after another.

    ``absent`` says of each contender that cannot run here why it cannot.
    """

    def __init__(self) -> None:
        self.absent: dict[str, str] = {}
        self.official = " ".join(next(iter(_OFFICIAL_PACKAGE.items())))
        found = node_with(_OFFICIAL_PACKAGE)
        self.node: Node | None = None if isinstance(found, str) else found
        if isinstance(found, str):
            self.absent[OFFICIAL.name] = found
        for contender in contenders():
            missing = [module for module in contender.needs if find_spec(module) is None]
            if missing:
                self.absent[contender.name] = f"{' and '.join(missing)} not installed (extra: bench)"

    def can_run(self, contender: Contender) -> bool:
        """Whether it takes part."""
        return contender.name not in self.absent

    def run(self, contender: Contender, started: Started, job: Job) -> Outcome:
        """Run it once. Raises RuntimeError, with what it wrote, where it fails."""
        settings = {**msgspec.to_builtins(job), **contender.settings, "base_url": _base_url(started)}
        written = json.encode(msgspec.convert(settings, Job)).decode()
        environ = dict(os.environ)
        if job.task == "calls":
            environ |= _STEADY_HEAP
        if contender.program.endswith(".js"):
            assert self.node is not None
            # Node takes localhost for ::1 first where that exists; the server listens on 127.0.0.1.
            command = [
                self.node.binary,
                "--dns-result-order=ipv4first",
                f"benchmarks/compare/programs/{contender.program}",
            ]
            environ["NODE_PATH"] = str(self.node.modules)
        else:
            command = [sys.executable, "-m", f"{_PROGRAMS}.{contender.program}"]
        ran = subprocess.run(  # noqa: S603 - our own programs
            [*command, written],
            capture_output=True,
            text=True,
            check=False,
            cwd=_ROOT,
            env=environ,
            timeout=_MOST_SECONDS,
        )
        if ran.returncode:
            raise RuntimeError(f"{contender.name} failed at {job.task}: {ran.stderr.strip()[-2000:]}")
        return json.decode(ran.stdout, type=Outcome)

    @contextlib.contextmanager
    def serve(self, distinct: int, *, copies: int = 1, key_order: KeyOrder = "sorted") -> Generator[Started]:
        """Have a server with so many rows; where the official client's port is taken, that one is left out."""
        ports = (0, _OFFICIAL_PORT) if self.can_run(OFFICIAL) else (0,)
        serving = Serving(distinct, copies=copies, key_order=key_order, ports=ports)
        with apart() as cpu, serve(replace(serving, cpu=cpu)) as started:
            if None in started.ports:
                self.absent[OFFICIAL.name] = f"port {_OFFICIAL_PORT} is taken, and it knows no other"
            yield started


@contextlib.contextmanager
def serve(serving: Serving) -> Generator[Started]:
    """Run a server in a process of its own as long as the block runs."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "benchmarks.compare.server", json.encode(serving).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.decode(process.stdout.readline(), type=Started)
        finally:
            process.stdin.close()


@contextlib.contextmanager
def apart() -> Generator[int | None]:
    """Keep this process, and so the contenders that it starts, off one CPU, and give that one, for the server.

    Else the two push each other off their CPUs, and how often is chance. None where it cannot be done.
    """
    if sys.platform != "linux" or len(cpus := os.sched_getaffinity(0)) == 1:
        yield None
        return
    of_server = max(cpus)
    os.sched_setaffinity(0, cpus - {of_server})
    try:
        yield of_server
    finally:
        os.sched_setaffinity(0, cpus)


def _base_url(started: Started) -> str:
    return f"http://127.0.0.1:{started.ports[0]}/v1"
