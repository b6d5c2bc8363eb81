"""What the runs come to: a table to read, and the same as JSON."""

from __future__ import annotations

import platform
import statistics
from importlib.metadata import version
from math import inf
from typing import TYPE_CHECKING

from msgspec import Struct, json

from benchmarks.limiter.contenders import OURS
from benchmarks.limiter.measure import Run  # noqa: TC001 - msgspec reads the annotations
from benchmarks.limiter.scenario import Scenario  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


__all__ = ["HEADING", "Row", "explain", "machine", "read_tables", "to_text", "write_json"]


_SIDE_BY_SIDE = "forty"


class Row(Struct, frozen=True, kw_only=True):
    """All runs of one contender in one scenario."""

    scenario: Scenario
    contender: str
    runs: list[Run]

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def over(self) -> float:
        """The share over the floor, the median."""
        return statistics.median(run.over for run in self.runs)

    @property
    def worst(self) -> Run:
        """The run with the most refusals."""
        return max(self.runs, key=lambda run: (run.refused, run.seconds))

    @property
    def failure(self) -> str:
        """The first failure of a run; empty where all did their job."""
        return next((run.failure for run in self.runs if run.failure), "")

    @property
    def misses(self) -> list[str]:
        """What our client owes in this scenario and does not keep; nothing for rivals, who owe nothing."""
        if self.contender != OURS:
            return []
        if self.failure:
            return [self.failure]
        found: list[str] = []
        if self.over > self.scenario.at_most_over:
            found.append(f"over {self.scenario.at_most_over:.0%}")
        for said, most, allowed in self._counts():
            if allowed is not None and most > allowed:
                found.append(f"{most:.3g} {said}, {allowed:g} allowed")
        return found

    def _counts(self) -> Iterator[tuple[str, float, float | None]]:
        """Give what is counted: its name, the most of any run, and the bound."""
        bounds, runs = self.scenario, self.runs
        if bounds.at_most_in_all is None:
            yield "refused while learning", max(run.refused_learning for run in runs), bounds.at_most_learning
            yield "refused", max(run.refused_steady for run in runs), bounds.at_most_refused
            yield "in a window", max(run.most_refused_a_window for run in runs), bounds.at_most_a_window
        else:
            yield "refused", max(run.refused for run in runs), bounds.at_most_in_all
        yield "of the others' refused", max(run.foreign_share for run in runs), bounds.at_most_of_foreign
        yield (
            "s to half of the limit",
            max(inf if run.half_after is None else run.half_after for run in runs),
            bounds.half_within,
        )


HEADING = f"{'':<30}{'floor':>8}{'took':>8}{'over':>8}{'refused':>9}{'learning':>9}{'steady':>8}"


def to_text(row: Row) -> str:
    """Give one line of the table."""
    worst = row.worst
    # A job that was broken off took at least so long; one that failed early tells nothing.
    over = "-" if row.failure and row.over < 0 else f"{'>' * bool(row.failure)}{row.over:+.1%}"
    note = "; ".join(row.misses) or row.failure
    mark = "" if row.contender != OURS else "  ok" if not row.misses else f"  MISSED: {note}"
    if row.contender != OURS and row.failure:
        mark = f"  {note}"
    return (
        f"  {row.contender:<28}{worst.floor:>6.2f} s{row.seconds:>6.2f} s{over:>8}{worst.refused:>9}"
        f"{worst.refused_learning:>9}{worst.refused_steady:>8}{mark}"
    )


def explain(run: Run) -> list[str]:
    """Say where a run lost its time, window by window."""
    lines = [f"    {'opened':>10} {'idle before':>12} {'served':>7} {'of':>4} {'refused':>8} {'others':>7}"]
    lines += [
        f"    {window.opened:>7.1f} ms {window.idle:>9.1f} ms {window.served:>7} {window.limit:>4} {window.refused:>8}"
        f" {window.foreign:>7}"
        for window in run.windows
    ]
    return lines


def machine(server: str) -> str:
    """Say what ran on what."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("periskope-async", "aiohttp", "aiolimiter"))
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {packages}; {server}; "
        f"{platform.system()} {platform.machine()}"
    )


def write_json(path: Path, rows: Sequence[Row], said: str) -> None:
    """Write every run with each of its requests, a line for each row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    missed = {row.scenario.name: row.misses for row in rows if row.misses}
    head = b'{"machine": %b,\n"missed": %b,\n"rows": [\n' % (json.encode(said), json.encode(missed))
    path.write_bytes(head + b",\n".join(json.encode(row) for row in rows) + b"\n]}\n")


def read_tables(path: Path) -> tuple[str, str]:
    """Give two tables as Markdown: all contenders at one job, and our client at every job."""
    told = json.decode(path.read_bytes(), type=_Results)
    side_by_side = ["| limiter | time over the fastest possible | refusals |", "|---|---|---|"]
    ours = ["| our client, where | time over the fastest possible | refusals |", "|---|---|---|"]
    for row in told.rows:
        worst = row.worst
        if row.scenario.name == _SIDE_BY_SIDE:
            name = f"**{row.contender}**" if row.contender == OURS else row.contender
            side_by_side.append(f"| {name} | {row.over:+.0%} | {worst.refused} |")
        if row.contender == OURS:
            ours.append(f"| {row.scenario.title} | {row.over:+.1%} | {worst.refused} |")
    return "\n".join(side_by_side), "\n".join(ours)


class _Results(Struct):
    machine: str
    rows: list[Row]
