"""What every contender's program does around its own walk: read the job, run the clock, say what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import gc
import hashlib
import math
import pstats
import sys
import time
import zlib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextlib import AbstractAsyncContextManager

__all__ = ["KEY", "Hot", "Job", "Outcome", "Walker", "checksum", "clocked", "main", "read_job", "say"]

# As long as a real one: a header that could quote it is looked through.
KEY = "benchmark-key-of-a-usual-length-0123456789"
_TASKS = 100
_TICK_SECONDS = 0.001
_HOT_FUNCTIONS = 40
_PACKAGE = "periskope_async"


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to do; the defaults are those of a user, and some settings are for our client alone."""

    task: Literal["walk", "first", "calls", "memory", "collect", "stall", "profile", "profile_calls", "read"]
    base_url: str
    page_size: int = 2000
    repeat: int = 1
    """Of ``first``: clients, one after the other; of ``calls`` and ``profile_calls``: calls in all; of ``stall``:
    walks, since a percentile needs many turns."""
    loop: Literal["asyncio", "uvloop"] = "asyncio"
    consistency: Literal["exact", "dedupe", "none"] = "exact"
    prefetch: int | None = None
    gc: bool = True
    """Whether Python's garbage collector may run."""
    up_to: Literal["deadlines", "facts", "transport", "client", "limiter"] = "limiter"
    """What a call does, each with those before it: by hand the deadlines, the facts of the answer and a limiter; ours
    the transport, which has the first two, the client around it, and the limiter."""


class Hot(Struct, frozen=True):
    """A function as the profiler saw it: times in microseconds for each row of the walk, or for each call."""

    where: str
    calls: int
    own: float
    with_callees: float


class Outcome(Struct, kw_only=True, omit_defaults=True):
    """What came of it; what a task does not measure stays 0 or empty."""

    rows: int = 0
    checksum: str = ""
    cpu: float = 0.0
    """CPU seconds of the walk, user and system, after a warm-up of one page."""
    wall: float = 0.0
    peak: int = 0
    """Most bytes resident in the life of the process; 0 where the system does not say."""
    grown: int = 0
    """How far the walk took that above what was resident before it."""
    seconds: list[float] = []
    """Of ``first``: from making each client to holding its first chat."""
    longest_gap: float = 0.0
    """Of ``stall``: the longest time, in seconds, between two turns of a task that sleeps 1 ms."""
    late_gap: float = 0.0
    """The 99th percentile of the same; a walk has some hundreds of turns, too few for a higher one."""
    hot: list[Hot] = []
    own_calls: float = 0.0
    """Of ``profile_calls``: how often a call enters functions of this package; to go on after an await is to enter."""


class Walker(Protocol):
    """A contender, opened: one session, as long as the block runs."""

    async def one_page(self, limit: int) -> int:
        """Read the first page, typed; give its number of rows."""
        ...

    async def walk(self, page_size: int, keep: Callable[[str], object]) -> None:
        """Read all chats, typed, page after page until the end; hand each one's id on as it comes."""
        ...

    async def collect(self, page_size: int) -> list[Any]:
        """Read all chats into one list."""
        ...


class _Seen(Exception):  # noqa: N818 - it is no error
    """The first chat is here."""


def main(opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> None:
    """Do the job of the command line with a contender that runs in an event loop."""
    job = read_job()
    if not job.gc:
        gc.disable()
    tasks: dict[str, Callable[..., Coroutine[Any, Any, Outcome]]] = {
        "walk": _walk,
        "first": _first,
        "calls": _calls,
        "memory": _memory,
        "collect": _collect,
        "stall": _stall,
        "profile": _profile,
        "profile_calls": _profile_calls,
    }
    with asyncio.Runner(loop_factory=_loop_factory(job)) as runner:
        say(runner.run(tasks[job.task](job, opened)))


def read_job() -> Job:
    """Read the command line."""
    return msgspec.json.decode(sys.argv[1], type=Job)


def say(outcome: Outcome) -> None:
    """Write the outcome for the parent to read."""
    outcome.peak = _resident("VmHWM")
    print(msgspec.json.encode(outcome).decode(), flush=True)


def checksum(ids: list[str]) -> str:
    """Tell a walk by its ids and their order, in a way that any language has."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]


@contextlib.contextmanager
def clocked(outcome: Outcome) -> Generator[None]:
    """Time the block in CPU and wall seconds."""
    began, cpu = time.perf_counter(), time.process_time()
    yield
    outcome.cpu = time.process_time() - cpu
    outcome.wall = time.perf_counter() - began


def _loop_factory(job: Job) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if job.loop == "asyncio":
        return None
    import uvloop  # noqa: PLC0415 - it is not everywhere

    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


async def _walk(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    outcome, ids = Outcome(), list[str]()
    async with opened(job) as walker:
        await walker.one_page(job.page_size)
        with clocked(outcome):
            await walker.walk(job.page_size, ids.append)
    outcome.rows, outcome.checksum = len(ids), checksum(ids)
    return outcome


async def _first(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    outcome = Outcome()

    def keep(_: str) -> None:
        outcome.seconds.append(time.perf_counter() - began)
        raise _Seen

    # The very first one imports what is imported late, and makes the decoders.
    for _ in range(job.repeat + 1):
        began = time.perf_counter()
        async with opened(job) as walker:
            with contextlib.suppress(_Seen):
                await walker.walk(job.page_size, keep)
    del outcome.seconds[0]
    return outcome


async def _calls(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    """Have 100 tasks make their share of the calls."""
    outcome = Outcome()
    async with opened(job) as walker:
        await _open_connections(job, walker)
        with clocked(outcome):
            outcome.rows = sum(await asyncio.gather(*(_work(job, walker) for _ in range(_TASKS))))
    return outcome


async def _open_connections(job: Job, walker: Walker) -> None:
    """Make one for each task; the first call alone, as it imports what is imported late."""
    await walker.one_page(job.page_size)
    await asyncio.gather(*(walker.one_page(job.page_size) for _ in range(_TASKS)))


async def _work(job: Job, walker: Walker) -> int:
    rows = 0
    for _ in range(job.repeat // _TASKS):
        rows += await walker.one_page(job.page_size)
    return rows


async def _memory(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    """Throw the rows away; only their number and a checksum that needs no memory are kept."""
    outcome = Outcome()
    rows = sum_ = 0

    def keep(chat_id: str) -> None:
        nonlocal rows, sum_
        rows += 1
        sum_ = zlib.crc32(chat_id.encode(), sum_)

    async with opened(job) as walker:
        await walker.one_page(job.page_size)
        before = _resident("VmRSS")
        with clocked(outcome):
            await walker.walk(job.page_size, keep)
    outcome.grown = _resident("VmHWM") - before
    outcome.rows, outcome.checksum = rows, f"{sum_:08x}"
    return outcome


async def _collect(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    outcome = Outcome()
    async with opened(job) as walker:
        await walker.one_page(job.page_size)
        before = _resident("VmRSS")
        with clocked(outcome):
            chats = await walker.collect(job.page_size)
        outcome.grown = _resident("VmHWM") - before
        outcome.rows = len(chats)
    return outcome


async def _stall(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    """Walk beside a task that sleeps a millisecond at a time, and note when it gets its turn."""
    # Kept to the end: to let go of a hundred thousand ids in one go would be a stall of this task's own making.
    walks: list[list[str]] = [[] for _ in range(job.repeat)]
    outcome, turns = Outcome(), list[float]()

    async def tick() -> None:
        while True:
            turns.append(time.perf_counter())
            await asyncio.sleep(_TICK_SECONDS)

    async with opened(job) as walker:
        await walker.one_page(job.page_size)
        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0)
        with clocked(outcome):
            for ids in walks:
                await walker.walk(job.page_size, ids.append)
        turns.append(time.perf_counter())
        ticking.cancel()
    gaps = [after - before for before, after in pairwise(turns)]
    outcome.rows, outcome.checksum = len(walks[-1]), checksum(walks[-1])
    outcome.longest_gap = max(gaps)
    outcome.late_gap = sorted(gaps)[math.ceil(len(gaps) * 0.99) - 1]
    return outcome


async def _profile(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    """Walk under cProfile; it slows calls down, so the times show where to look rather than how long it takes."""
    outcome, ids = Outcome(), list[str]()
    async with opened(job) as walker:
        await walker.one_page(job.page_size)
        profile = cProfile.Profile(time.process_time)
        with clocked(outcome), profile:
            await walker.walk(job.page_size, ids.append)
    outcome.rows, outcome.checksum = len(ids), checksum(ids)
    outcome.hot = _hottest(profile, len(ids))
    return outcome


async def _profile_calls(job: Job, opened: Callable[[Job], AbstractAsyncContextManager[Walker]]) -> Outcome:
    outcome = Outcome()
    async with opened(job) as walker:
        await _open_connections(job, walker)
        profile = cProfile.Profile(time.process_time)
        with clocked(outcome), profile:
            outcome.rows = sum(await asyncio.gather(*(_work(job, walker) for _ in range(_TASKS))))
    outcome.hot = _hottest(profile, job.repeat)
    entered = sum(calls for (path, *_), (_, calls, *_) in _told(profile).items() if _PACKAGE in Path(path).parts)
    outcome.own_calls = round(entered / job.repeat, 1)
    return outcome


def _told(profile: cProfile.Profile) -> dict[tuple[str, int, str], tuple[int, int, float, float, Any]]:
    """Give for each (path, line, name): recursions, calls, own seconds, seconds with callees."""
    return cast("dict[tuple[str, int, str], tuple[int, int, float, float, Any]]", pstats.Stats(profile).stats)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue] - typeshed leaves it out


def _hottest(profile: cProfile.Profile, rows: int) -> list[Hot]:
    """Give the functions that take most by themselves."""
    hottest = sorted(_told(profile).items(), key=lambda item: -item[1][2])[:_HOT_FUNCTIONS]
    return [
        Hot(_where(*place), calls, round(own / rows * 1e6, 3), round(both / rows * 1e6, 3))
        for place, (_, calls, own, both, _) in hottest
    ]


def _where(path: str, line: int, name: str) -> str:
    """Name a function without the place of the packages on this machine."""
    parts = Path(path).parts
    for root in ("site-packages", "lib"):
        if root in parts:
            parts = parts[parts.index(root) + 1 :]
    for root in ("periskope_async", "benchmarks"):
        if root in parts:
            parts = parts[parts.index(root) :]
    return name if path.startswith("~") else f"{'/'.join(parts)}:{line} {name}"


def _resident(field: str) -> int:
    """Read a figure of the process's memory, in bytes; 0 where there is no /proc.

    ``ru_maxrss`` would not do: a new process inherits that of the one that started it.
    """
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{field}:"))
