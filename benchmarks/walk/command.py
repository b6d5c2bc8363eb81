"""Run the three parts one after the other, print their tables, and keep the results of a full run."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.walk import look_ahead, loop_hold, memory
from benchmarks.walk.contenders import GATHER, OURS, PLAIN
from benchmarks.walk.moving import HEADING, Row, measure, measure_paced, tell_misses, to_text
from benchmarks.walk.picture import draw
from benchmarks.walk.report import (
    Line,
    Results,
    cost_lines,
    held_lines,
    kept_lines,
    machine,
    walked_lines,
    write_json,
)
from benchmarks.walk.scenarios import DRAWN, PACED, SCENARIOS, SMOKE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]

_RESULTS = Path(__file__).parents[1] / "results"
_SEEDS = (1, 2, 3)


def run(*, is_smoke: bool) -> None:
    """Print the tables; after a full run write ``results/walk.json`` and ``results/walk.svg``."""
    # The table tells what fails; our client would tell it, too.
    logging.getLogger("periskope_async").addHandler(logging.NullHandler())
    asyncio.run(_smoke() if is_smoke else _full())


async def _full() -> None:
    said = machine()
    print(f"walks over a list that moves; {said}")
    rows = await _moving()
    pages = 200
    print(
        f"look-ahead: answers take {look_ahead.LATENCY:g} s, {look_ahead.LIMIT} requests pass in "
        f"{look_ahead.WINDOW:g} s, {pages} pages of {look_ahead.PAGE_SIZE}, in turn"
    )
    walks = await look_ahead.measure_walks(pages, rounds=3, one_by_one=10)
    lines = _printed(walked_lines(walks))
    costs = await look_ahead.measure_costs(pages)
    lines += _printed(cost_lines(costs, pages))
    print("memory: Python's own allocations, traced; plain rows made as they are asked for, 4 pages at once")
    kept = [await memory.measure(1_000_000, consistency) for consistency in ("none", "exact")]
    lines += _printed(kept_lines(kept))
    print("the event loop: the longest wait of a task that takes every turn; the server is a process of its own")
    held = await loop_hold.measure((1000, 2000), oversized=10_000, rounds=7)
    lines += _printed(held_lines(held))
    missed = [f"{row.scenario.title}: {miss}" for row in rows for miss in tell_misses(row)]
    missed += [f"{line.text} (to reach: {line.target})" for line in lines if not line.is_reached]
    ours = sum(row.contender == OURS for row in rows)
    kept_rows = sum(row.contender == OURS and not tell_misses(row) for row in rows)
    print(
        f"part one: {kept_rows} of {ours} rows kept; parts two and three: {sum(line.is_reached for line in lines)} "
        f"of {len(lines)} figures kept"
    )
    results = Results(machine=said, missed=missed, moving=rows, look_ahead=walks, costs=costs, memory=kept, loop=held)
    write_json(_RESULTS / "walk.json", results)
    drawn = [row for row in rows if row.scenario.name in DRAWN and not row.is_paced]
    (_RESULTS / "walk.svg").write_text(draw(drawn), encoding="utf-8")


async def _moving() -> list[Row]:
    print(
        "the sandbox shares the process and lets everything pass, so that the time is the walk's own and the server's"
    )
    print(
        f"{len(_SEEDS)} seeds, contenders in turn; rows lost and doubled: the worst; requests and seconds: the median"
    )
    print(HEADING)
    rows: list[Row] = []
    for scenario in SCENARIOS:
        print(f"{scenario.title} ({scenario.chats:,} chats, pages of {scenario.page_size:,})")
        rows += _told(await measure(scenario, _SEEDS))
    print("the same where 10 requests pass in a second, so that what moves takes its time")
    for scenario, row in zip(PACED, await measure_paced(PACED, rows), strict=True):
        print(scenario.title)
        rows += _told([row])
    return rows


def _told(rows: list[Row]) -> list[Row]:
    for row in rows:
        print(to_text(row), flush=True)
    return rows


def _printed(lines: list[Line]) -> list[Line]:
    for line in lines:
        print(line, flush=True)
    return lines


async def _smoke() -> None:
    """Be sure that the work is right, on small lists; the time is no matter here."""
    rows = [row for scenario in SMOKE for row in await measure(scenario, (1,))]
    for row in rows:
        run, plain = row.runs[0], row.plain_requests[0]
        if row.contender == OURS:
            assert (run.lost, run.doubled, run.failure) == (0, 0, ""), to_text(row)
            assert run.placing + run.moved + run.caught_up == run.requests
        if row.scenario.name == "rest":
            assert (run.lost, run.doubled) == (0, 0), to_text(row)
            # 13 pages either way, overlap included; gather needs no page to see the end.
            assert run.requests == plain + {GATHER: -1}.get(row.contender, 0), to_text(row)
    _check_that_others_lose(rows)
    for walk in await look_ahead.measure_walks(12, rounds=1, one_by_one=3, latency=0.05):
        assert walk.is_in_order, walk.name
        assert walk.requests == walk.pages, walk.name
    costs = await look_ahead.measure_costs(30, latency=0.05)
    assert costs.first == 1
    assert costs.max_items == {1: 1, 20: 1, 40: 3, 100: 6}
    assert 1 <= costs.after_break <= look_ahead.LIMIT
    # No more than the limit lets go at once, or than latency calls for; some are answered before all are sent.
    assert 1 <= costs.most_held <= max(costs.most_out, look_ahead.LIMIT) + 1
    kept = [await memory.measure(20_000, consistency) for consistency in ("none", "exact")]
    assert kept[0].above < kept[1].above
    held = await loop_hold.measure((50,), oversized=2_500, rounds=1)
    assert all(gap > 0 for job in held for gap in job.gaps)
    draw([row for row in rows if row.scenario.name in DRAWN])
    print("walks: nothing lost, nothing doubled, in order, and with as many requests as it takes")


def _check_that_others_lose(rows: Sequence[Row]) -> None:
    """Be sure that the list does move: a plain loop pays for it."""
    plain = {row.scenario.name: row.runs[0] for row in rows if row.contender == PLAIN}
    assert plain["wake-1"].lost > 0
    assert plain["wake-1"].doubled > 0
    assert plain["insert-1"].doubled > 0
    assert plain["remove-1"].lost > 0
