"""Part one: a list that moves. Who loses rows, who doubles them, and what each asks of the server."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from benchmarks.walk.contenders import CONTENDERS, OURS, PLAIN
from benchmarks.walk.scenarios import Scenario  # noqa: TC001 - msgspec reads the annotations
from periskope_async import PeriskopeClient
from periskope_async.events import PageRead
from periskope_async.paging.report import WalkReport  # noqa: TC001 - as above
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from periskope_async.events import Event
    from periskope_async.sandbox import PageAsked

__all__ = ["HEADING", "Row", "Run", "measure", "measure_paced", "tell_misses", "to_text"]

_NO_LIMIT = 100_000
_PACED_LIMIT = 10
_PACED_LATENCY = 0.05
_MOST_MORE_REQUESTS = 0.05


class Run(Struct, frozen=True, kw_only=True):
    """One contender's walk, by the sandbox's books."""

    seed: int
    lost: int
    """Rows that were there before the first request and after the last, and were not given."""
    doubled: int
    """Rows given beyond the first time."""
    requests: int
    seconds: float
    failure: str = ""
    report: WalkReport | None = None
    """What our walk says of itself."""
    placing: int = 0
    """Pages of our main pass that gave rows, and its last one."""
    moved: int = 0
    """Requests of our main pass that gave none, or were dropped under way, because rows had moved."""
    caught_up: int = 0
    """Requests after the main pass."""


class Row(Struct, frozen=True, kw_only=True):
    """A contender's runs of one scenario, a seed each."""

    scenario: Scenario
    contender: str
    runs: list[Run]
    plain_requests: list[int]
    """What the plain loop asked for, run by run."""
    is_paced: bool = False
    """Whether the server's limit was on, 10 requests a second; else the walk took its own time."""


class _Books:
    """What our walk reads, page by page: (offset, rows placed)."""

    def __init__(self) -> None:
        self.pages: list[tuple[int, int]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, PageRead):
            self.pages.append((event.offset, event.placed))

    def split(self, requests: int) -> tuple[int, int, int]:
        """Give the pages of the main pass that gave rows, its requests that gave none, and the requests after it.

        What comes after begins near the top again, when the main pass has met the end: steps back are far smaller.
        """
        offsets = [offset for offset, _ in self.pages]
        main, deepest = len(offsets), 0
        for number, offset in enumerate(offsets):
            if max(offsets) / 2 < deepest and offset < deepest / 2:
                main = number
                break
            deepest = max(deepest, offset)
        placing = sum(placed > 0 or number == main - 1 for number, (_, placed) in enumerate(self.pages[:main]))
        caught_up = len(offsets) - main
        return placing, requests - placing - caught_up, caught_up


async def measure(scenario: Scenario, seeds: Sequence[int]) -> list[Row]:
    """Run all contenders in turn, seed by seed."""
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    for seed in seeds:
        for name in CONTENDERS:
            runs[name].append(await _run(scenario, name, seed))
    plain = [run.requests for run in runs[PLAIN]]
    return [Row(scenario=scenario, contender=name, runs=runs[name], plain_requests=plain) for name in runs]


async def measure_paced(scenarios: Sequence[Scenario], rows: Sequence[Row]) -> list[Row]:
    """Run our client once more, where the server lets 10 requests a second pass: what moves then takes its time.

    The walks run side by side; each waits for its own sandbox nearly all of the time.
    """
    plain = {row.scenario.name: row.plain_requests[:1] for row in rows if row.contender == PLAIN}
    seed = rows[0].runs[0].seed
    runs = await asyncio.gather(
        *(_run(scenario, OURS, seed, limit=_PACED_LIMIT, latency=_PACED_LATENCY) for scenario in scenarios)
    )
    return [
        Row(scenario=scenario, contender=OURS, runs=[run], plain_requests=plain[scenario.name], is_paced=True)
        for scenario, run in zip(scenarios, runs, strict=True)
    ]


async def _run(scenario: Scenario, name: str, seed: int, *, limit: int = _NO_LIMIT, latency: float = 0.0) -> Run:
    ids: list[str] = []
    books = _Books()
    async with Sandbox(
        chats=scenario.chats, seed=seed, limit=limit, latency=latency, ties=scenario.ties, nulls=scenario.nulls
    ) as sandbox:
        if limit == _NO_LIMIT:
            # Making a row for the first time is the sandbox's own work, and no contender's.
            async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
                await client.iter_chats(page_size=2000, consistency="dedupe").collect()
            sandbox.clear()
        before = set(sandbox.chat_ids())
        sandbox.before_page = _mover(sandbox, scenario)
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, hooks=(books,)) as client:
            began = time.perf_counter()
            report, failure = await CONTENDERS[name](client, scenario, ids)
            seconds = time.perf_counter() - began
        there_all_along = before.intersection(sandbox.chat_ids())
        requests = len(sandbox.requests)
    placing, moved, caught_up = books.split(requests) if report is not None else (0, 0, 0)
    return Run(
        seed=seed,
        lost=len(there_all_along.difference(ids)),
        doubled=len(ids) - len(set(ids)),
        requests=requests,
        seconds=seconds,
        failure=failure,
        report=report,
        placing=placing,
        moved=moved,
        caught_up=caught_up,
    )


def _mover(sandbox: Sandbox, scenario: Scenario) -> Callable[[PageAsked], None]:
    """Move the list before each page: the n-th request meets the same moves, whoever makes it."""
    steps = [sandbox.wake] * scenario.wakes + [sandbox.insert] * scenario.inserts + [sandbox.remove] * scenario.removes

    def move(_: PageAsked) -> None:
        for step in steps:
            step()

    return move


HEADING = f"  {'':<26}{'lost':>7}{'doubled':>9}{'requests':>10}{'seconds':>9}   above the plain loop's requests"


def to_text(row: Row) -> str:
    """Give one line: the worst of the rows lost and doubled, the medians of requests and seconds."""
    lost, doubled = max(run.lost for run in row.runs), max(run.doubled for run in row.runs)
    requests = statistics.median(run.requests for run in row.runs)
    seconds = statistics.median(run.seconds for run in row.runs)
    name = f"{row.contender}, 10 a second" if row.is_paced else row.contender
    line = f"  {name:<26}{lost:>7,}{doubled:>9,}{requests:>10g}{seconds:>9.2f}"
    if row.contender != OURS:
        return line
    overlap = statistics.median(run.placing - plain for run, plain in zip(row.runs, row.plain_requests, strict=True))
    moved = statistics.median(run.moved for run in row.runs)
    caught_up = statistics.median(run.caught_up for run in row.runs)
    complete = "/".join(dict.fromkeys(str(run.report.complete) for run in row.runs if run.report))
    split = f"overlap {overlap:+g}, moved {moved:+g}, catch-up {caught_up:+g}; complete {complete}"
    if any(run.failure for run in row.runs):
        split = f"complete {complete}"
    misses = tell_misses(row)
    return f"{line}   {split}  {'MISSED: ' + '; '.join(misses) if misses else 'ok'}"


def tell_misses(row: Row) -> list[str]:
    """Say what our client owes in this scenario and does not keep, the figures run by run; others owe nothing."""
    if row.contender != OURS:
        return []
    scenario, runs = row.scenario, row.runs
    reports = [run.report for run in runs if run.report is not None]
    assert len(reports) == len(runs)
    found = list(dict.fromkeys(f"failed: {run.failure}" for run in runs if run.failure))
    if any(run.doubled or run.lost for run in runs):
        found.append(f"lost {_each(run.lost for run in runs)}, doubled {_each(run.doubled for run in runs)}")
    if any(run.lost and report.complete for run, report in zip(runs, reports, strict=True)):
        found.append("rows were lost, and the report calls it complete")
    # A page that was dropped under way was sent all the same; whether the server still reads it is a race.
    if any(
        not run.requests <= report.requests <= run.requests + run.moved
        for run, report in zip(runs, reports, strict=True)
    ):
        told = _each(report.requests for report in reports)
        found.append(f"the report tells of {told} requests, the sandbox of {_each(run.requests for run in runs)}")
    if scenario.ties == "shuffled" or any(run.failure for run in runs):
        # How many passes it takes to meet rows that change places is a matter of chance.
        return found
    overlaps = [run.placing - plain for run, plain in zip(runs, row.plain_requests, strict=True)]
    # Where rows leave, or pages asked for at once are cut in another order, pages overlap by more: that spares the
    # requests that would fetch what lies between them.
    if any(
        more > max(1, _MOST_MORE_REQUESTS * plain) and not (report.removed or report.steps_back)
        for more, plain, report in zip(overlaps, row.plain_requests, reports, strict=True)
    ):
        found.append(f"the overlap takes {_each(overlaps)}, more than {_MOST_MORE_REQUESTS:.0%}")
    allowed = [scenario.catch_up_allowed(run.placing + run.moved) for run in runs]
    # Without the limit everything happens within the second or two that a sweep reaches back, whole-second times being
    # what they are; so what a sweep may take is judged where it takes its time.
    if row.is_paced and any(run.caught_up > most for run, most in zip(runs, allowed, strict=True)):
        found.append(f"catching up takes {_each(run.caught_up for run in runs)}, the movement calls for {max(allowed)}")
    return found


def _each(figures: Iterable[int]) -> str:
    return "/".join(f"{figure:,}" for figure in figures)
