"""What it costs to keep a mirror: a sync of what is new beside the first one, and an event.

The sandbox is a process of its own and lets everything pass. CPU is that of the whole process of the mirror. An event
wakes the database's thread and is woken by it. On a virtual machine a core that sleeps takes CPU to wake, a third of an
event's; the same is measured beside on cores that are kept awake. Events that come at once, as webhooks do after a
pause of their sender, share their wakes.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from periskope_async import PeriskopeClient
from periskope_async.mirror import Mirror, Outcome
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

__all__ = ["run"]

_REQUESTS_PART = 0.03
_CPU_PART = 0.05
_EVENT_MICROSECONDS = 300
_KEY = "benchmark-key"


class Cost(NamedTuple):
    """What a sync took."""

    requests: int
    cpu: float
    seconds: float
    changes: int


class Event(NamedTuple):
    """A chat as an event brings it."""

    name: str
    raw: bytes


def run(*, is_smoke: bool) -> None:
    """Print what each costs, beside what it may cost."""
    chats, changed, events = (3_000, 20, 200) if is_smoke else (100_000, 100, 5_000)
    asyncio.run(_run(chats, changed, events, is_smoke=is_smoke))


async def _run(chats: int, changed: int, events: int, *, is_smoke: bool) -> None:
    print(f"a mirror of {chats:,} chats in SQLite {sqlite3.sqlite_version}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mirror.sqlite"
        async with (
            _sandbox(chats) as (url, change),
            PeriskopeClient(_KEY, base_url=url) as client,
            Mirror(client, path, lists=["chats"]) as mirror,
        ):
            first = await _sync(mirror)
            assert first.changes == chats
            await change(changed)
            nexts = [await _sync(mirror)]
            assert nexts[0].changes == changed
            for _ in range(4):
                await change(changed)
                nexts.append(await _sync(mirror))
            then = sorted(nexts, key=lambda cost: cost.cpu)[len(nexts) // 2]
            _print("the first sync", first, first)
            _print(f"the next, {changed} changed", then, first)
            cpu = await _apply(mirror, path, events)
            at_once = await _apply(mirror, path, events, at_once=50)
            with _cores_awake():
                awake = await _apply(mirror, path, events)
    print(
        f"  an event             {cpu * 1e6:6.0f} us CPU (to reach: at most {_EVENT_MICROSECONDS} us); "
        f"{at_once * 1e6:.0f} us if 50 come at once, {awake * 1e6:.0f} us on cores kept awake"
    )
    if not is_smoke:
        print(
            f"  to reach: at most {_REQUESTS_PART:.0%} of the requests and {_CPU_PART:.0%} of the CPU of the first one"
        )


def _print(name: str, cost: Cost, first: Cost) -> None:
    print(
        f"  {name:<20} {cost.requests:4} requests ({cost.requests / first.requests:.1%}) "
        f"{cost.cpu:7.3f} s CPU ({cost.cpu / first.cpu:.1%}) {cost.seconds:7.2f} s"
    )


async def _sync(mirror: Mirror) -> Cost:
    cpu, began = time.process_time(), time.perf_counter()
    result = await mirror.sync()
    requests = sum(each.requests for each in result.lists)
    return Cost(requests, time.process_time() - cpu, time.perf_counter() - began, result.changes)


async def _apply(mirror: Mirror, path: Path, count: int, *, at_once: int = 1) -> float:
    """Apply events that change a chat each, so many at once; give the CPU of one."""
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT raw_json FROM chats ORDER BY random() LIMIT ?", (count,)).fetchall()
    connection.close()
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    name = f"new at {later}"
    changes = [{**msgspec.json.decode(raw), "updated_at": later, "chat_name": name} for (raw,) in rows]
    events = [Event("chat.updated", msgspec.json.encode(change)) for change in changes]
    cpu = time.process_time()
    for start in range(0, len(events), at_once):
        first, *others = (mirror.apply(event) for event in events[start : start + at_once])
        outcomes = await asyncio.gather(first, *others) if others else [await first]
        assert set(outcomes) == {Outcome.UPDATED}
    return (time.process_time() - cpu) / count


@contextmanager
def _cores_awake() -> Generator[None]:
    """Keep each core from sleeping, by processes that run where nothing else does. Linux has such."""
    spin = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    count = len(os.sched_getaffinity(0)) if hasattr(os, "SCHED_IDLE") else 0
    spinning = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(count)]  # noqa: S603 - its own text
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


@asynccontextmanager
async def _sandbox(chats: int) -> AsyncGenerator[tuple[str, Callable[[int], Awaitable[None]]]]:
    """Serve so many chats; give the base URL, and what changes as many of them as it is told."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.mirror", str(chats)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def change(count: int) -> None:
        stdin.write(f"{count}\n".encode())
        await stdout.readline()

    try:
        yield (await stdout.readline()).decode().strip(), change
    finally:
        stdin.close()
        await process.wait()


def _serve(chats: int) -> None:
    """Serve until stdin ends. A number there changes so many chats: nine of ten get a message, the others are new."""
    with Sandbox(chats=chats, limit=100_000, api_key=_KEY) as sandbox:
        print(sandbox.base_url, flush=True)
        for line in sys.stdin:
            count = int(line)
            woken = set[str]()
            while len(woken) < count - count // 10:
                woken.add(sandbox.wake())
            for _ in range(count // 10):
                sandbox.insert()
            print("done", flush=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
