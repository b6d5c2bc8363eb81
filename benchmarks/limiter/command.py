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
from benchmarks.limiter.programs import NoServerError
from benchmarks.limiter.report import HEADING, Row, explain, machine, to_text, write_json
from benchmarks.limiter.scenarios import LONG, SCENARIOS, SMOKE
from benchmarks.limiter.server import express_here

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from benchmarks.compare.npm import Node
    from benchmarks.limiter.measure import Run
    from benchmarks.limiter.scenario import Scenario

__all__ = ["add_arguments", "run"]

_RESULTS = Path(__file__).parents[1] / "results"
_DRAWN = "forty"
_BY_NAME = {scenario.name: scenario for scenario in (*SCENARIOS, *LONG)}


def _names(told: str) -> list[str]:
    names = told.split(",")
    if unknown := [name for name in names if name not in _BY_NAME]:
        raise argparse.ArgumentTypeError(f"no scenario is called {', '.join(unknown)}")
    return names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this benchmark understands."""
    group = parser.add_argument_group("limiter")
    group.add_argument("--only", type=_names, default=[], metavar="NAME,…", help=f"some of {', '.join(_BY_NAME)}")
    group.add_argument("--rivals", action=argparse.BooleanOptionalAction, default=True, help="run the rivals too")
    group.add_argument("--repeat", type=int, default=1, help="runs of each; the median time and the worst refusals")
    group.add_argument("--long", action="store_true", help="windows of 3 to 60 s too, in real time")
    group.add_argument("--explain", action="store_true", help="print each window of our client's runs")
    group.add_argument("--json", type=Path, help="where to write all that was found, if it is this one alone")


def run(*, is_smoke: bool, options: argparse.Namespace) -> None:
    """Print a table; after a full run keep its JSON and its picture."""
    # The table counts the refusals; our client would tell each of them too.
    logging.getLogger("periskope_async").addHandler(logging.NullHandler())
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
        rows += _measured(scenario, express, options)
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
        return [_BY_NAME[name] for name in options.only]
    return (*SCENARIOS, *LONG) if options.long else SCENARIOS


def _measured(scenario: Scenario, express: Node | None, options: argparse.Namespace) -> list[Row]:
    """Run every contender of a scenario and print its line as soon as it is there."""
    print(f"{scenario.title} ({scenario.asked} pages{'' if scenario.groups else f', {scenario.tasks} tasks'})")
    rows: list[Row] = []
    for name, job in contenders(with_rivals=options.rivals and scenario.has_rivals).items():
        try:
            runs = [_in_loop(scenario, measure(scenario, name, job, express)) for _ in range(options.repeat)]
        except NoServerError as error:
            print(f"  left out: {error}")
            break
        row = Row(scenario=scenario, contender=name, runs=runs)
        rows.append(row)
        print(to_text(row), flush=True)
        if name == OURS and options.only:
            print(f"    {row.worst.limit}", flush=True)
        if name == OURS and options.explain:
            print("\n".join(explain(row.worst)), flush=True)
    return rows


def _in_loop(scenario: Scenario, run: Coroutine[None, None, Run]) -> Run:
    """Run it in a loop of the scenario's kind."""
    factory = None
    if scenario.loop == "uvloop":
        try:
            import uvloop  # noqa: PLC0415 - an extra
        except ImportError as error:
            run.close()
            raise NoServerError("uvloop is not installed") from error
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(run)


def _check(rows: Sequence[Row]) -> None:
    """Be sure that the work was done and the books agree; the time is no matter here."""
    assert rows
    for row in rows:
        for run in row.runs:
            assert not run.failure, f"{row.scenario.name}, {row.contender}: {run.failure}"
            assert run.served == row.scenario.counted
            assert (run.served, run.refused) == (len(run.passed_at), len(run.refused_at))
            if run.windows:
                assert sum(window.served for window in run.windows) == run.served
                assert all(window.served <= row.scenario.limit for window in run.windows)
    print("every page was read once, and the books agree")
