"""Run the scenarios one contender after the other, each alone on the machine, and report."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.limiter.contenders import OURS, contenders
from benchmarks.limiter.measure import measure
from benchmarks.limiter.picture import draw
from benchmarks.limiter.report import HEADING, Row, explain, machine, to_text, write_json
from benchmarks.limiter.scenarios import LONG, SCENARIOS, SMOKE
from benchmarks.limiter.server import NoServerError, express_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.limiter.scenarios import Scenario
    from benchmarks.limiter.server import Express

__all__ = ["add_arguments", "run"]

_RESULTS = Path(__file__).parents[1] / "results"
_DRAWN = "forty"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this benchmark understands."""
    names = [scenario.name for scenario in (*SCENARIOS, *LONG)]
    group = parser.add_argument_group("limiter")
    group.add_argument("--only", action="append", choices=names, metavar="SCENARIO", help=f"one of {', '.join(names)}")
    group.add_argument("--rivals", action=argparse.BooleanOptionalAction, default=True, help="run the rivals too")
    group.add_argument("--repeat", type=int, default=1, help="runs of each; the median time and the worst refusals")
    group.add_argument("--long", action="store_true", help="windows of 3 to 60 s too, in real time")
    group.add_argument("--explain", action="store_true", help="print each window of our client's runs")
    group.add_argument("--json", type=Path, help="where to write all that was found, if it is this one alone")


def run(*, is_smoke: bool, options: argparse.Namespace) -> None:
    """Print a table; after a full run keep its JSON and its picture."""
    # The table counts the refusals; our client would tell each of them too.
    logging.getLogger("periskope_async").addHandler(logging.NullHandler())
    asyncio.run(_run(is_smoke=is_smoke, options=options))


async def _run(*, is_smoke: bool, options: argparse.Namespace) -> None:
    found = express_here()
    express = None if isinstance(found, str) else found
    if express is None:
        print(f"no Express: {found}; the sandbox counts instead")
    said = machine(express.version if express else "the sandbox")
    print(f"limiters; {said}")
    print("each alone on the machine; the floor is the fastest that the limit allows; the server counts the refusals")
    print(HEADING)
    rows: list[Row] = []
    for scenario in _chosen(is_smoke=is_smoke, options=options):
        rows += await _measured(scenario, express, options)
    if is_smoke:
        _check(rows)
        return
    missed = sum(bool(row.misses) for row in rows)
    print(f"our client keeps {sum(row.contender == OURS for row in rows) - missed} of its rows and misses {missed}")
    is_full = not options.only and options.rivals
    if path := options.json or (_RESULTS / "limiter.json" if is_full else None):
        write_json(path, rows, said)
        drawn = [row for row in rows if row.scenario.name == _DRAWN]
        if drawn:
            picture = draw(drawn[0].scenario, [row.runs[0] for row in drawn])
            path.with_suffix(".svg").write_text(picture, encoding="utf-8")


def _chosen(*, is_smoke: bool, options: argparse.Namespace) -> Sequence[Scenario]:
    if is_smoke:
        return SMOKE
    if options.only:
        return [scenario for scenario in (*SCENARIOS, *LONG) if scenario.name in options.only]
    return (*SCENARIOS, *LONG) if options.long else SCENARIOS


async def _measured(scenario: Scenario, express: Express | None, options: argparse.Namespace) -> list[Row]:
    """Run every contender of a scenario and print its line as soon as it is there."""
    print(f"{scenario.title} ({scenario.pages} pages, {scenario.tasks} tasks)")
    rows: list[Row] = []
    for name, job in contenders(with_rivals=options.rivals and scenario.has_rivals).items():
        try:
            runs = [await measure(scenario, name, job, express) for _ in range(options.repeat)]
        except NoServerError as error:
            print(f"  left out: {error}")
            break
        row = Row(scenario=scenario, contender=name, runs=runs)
        rows.append(row)
        print(to_text(row), flush=True)
        if options.explain and name == OURS:
            print("\n".join(explain(row.worst)), flush=True)
    return rows


def _check(rows: Sequence[Row]) -> None:
    """Be sure that the work was done and the books agree; the time is no matter here."""
    assert rows
    for row in rows:
        for run in row.runs:
            assert not run.failure, f"{row.scenario.name}, {row.contender}: {run.failure}"
            assert run.served == row.scenario.pages
            assert (run.served, run.refused) == (len(run.passed_at), len(run.refused_at))
            if row.scenario.kind == "fixed":
                assert sum(window.served for window in run.windows) == run.served
                assert all(window.served <= row.scenario.limit for window in run.windows)
    print("every page was read once, and the books agree")
