"""Export the same chats in every way, check that each file has all of them, and print what each took."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, json
from msgspec.structs import replace

from benchmarks.compare.contest import apart, serve
from benchmarks.compare.report import Line, machine, table_of, versions
from benchmarks.compare.server import Serving
from benchmarks.export.contenders import (
    DLT,
    HTTPX,
    JSONL,
    LOOP,
    OURS,
    PARQUET,
    REQUESTS,
    SQLITE,
    ZST,
    Contender,
    J,
    Team,
)
from benchmarks.export.programs.harness import Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.compare.server import Started

__all__ = ["run"]

_RESULTS = Path(__file__).parents[1] / "results" / "export.json"
_MB = 1_000_000
# The older build first and ours right behind it, so that the pairs of a round lie close together.
_ORDER = (J, *OURS, LOOP)


class Sizes(Struct, frozen=True, kw_only=True):
    """How much of everything."""

    distinct: int
    """Rows that are made once; a list holds them several times over, with other ids."""
    copies: int
    many_copies: int
    """Of the list for the question of memory."""
    page_size: int
    rounds: int
    rounds_aside: int
    """Of those that take minutes."""
    few: int
    """Rows of the list for dlt, which takes a hundred times as long."""
    formats: tuple[Contender, ...]
    """For the questions of memory and of the event loop."""


FULL = Sizes(
    distinct=20_000,
    copies=10,
    many_copies=50,
    page_size=2_000,
    rounds=5,
    rounds_aside=2,
    few=10_000,
    formats=(JSONL, PARQUET, SQLITE),
)
SMOKE = Sizes(
    distinct=300,
    copies=1,
    many_copies=2,
    page_size=100,
    rounds=1,
    rounds_aside=1,
    few=200,
    formats=(JSONL,),
)
_MOST_MB = {PARQUET.name: 300, JSONL.name: 100, SQLITE.name: 100}


class Results(Struct, frozen=True, kw_only=True):
    """All that a run has found."""

    machine: str
    versions: str
    row: str
    lines: list[Line]
    absent: dict[str, str]


class _Stage:
    """A server, and the contenders that export its list into a folder."""

    def __init__(self, team: Team, started: Started, sizes: Sizes, folder: Path) -> None:
        self.rows = started.rows
        self._team = team
        self._base_url = f"http://127.0.0.1:{started.ports[0]}/v1"
        self._page_size = sizes.page_size
        self._folder = folder
        self._sha256 = ""

    def run(self, contender: Contender, *, is_held: bool = False) -> Outcome | None:
        """Run it once; None where it cannot run. Raises RuntimeError where its file has not every chat once."""
        if contender.name in self._team.absent:
            return None
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        out = folder / contender.out
        job = Job(base_url=self._base_url, out=str(out), page_size=self._page_size, is_held=is_held)
        outcome = self._team.run(contender, job)
        self._check(contender, out)
        shutil.rmtree(folder)
        return outcome

    def beside(self, *contenders: Contender) -> dict[str, Outcome | None]:
        """Run each once, one after the other; none where only the first one can run."""
        can_run = [one for one in contenders if one.name not in self._team.absent]
        return {one.name: self.run(one) if len(can_run) > 1 else None for one in contenders}

    def _check(self, contender: Contender, out: Path) -> None:
        rows = _rows_of(out)
        if rows is not None and rows != self.rows:
            raise RuntimeError(f"{contender.name} wrote {rows} chats instead of {self.rows}")
        if contender in {J, JSONL}:
            with out.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self._sha256 = self._sha256 or sha256
            if sha256 != self._sha256:
                raise RuntimeError(f"{contender.name} wrote other bytes than the build beside it")
        if contender.is_older and out.with_name(f"{out.name}.manifest.json").exists():
            raise RuntimeError("it is the present build that ran as the older one")


def _rows_of(out: Path) -> int | None:
    """Count the rows of a file; None where that would take another package."""
    if out.suffix == ".jsonl":
        with out.open("rb") as file:
            return sum(1 for _ in file)
    if out.suffix == ".sqlite":
        with closing(sqlite3.connect(out)) as database:
            (rows,) = database.execute("SELECT count(*) FROM chats").fetchone()
            return int(rows)
    if out.suffix == ".parquet":
        parquet: Any = import_module("pyarrow.parquet")
        return int(parquet.read_metadata(out).num_rows)
    return None


def run(*, is_smoke: bool, path: Path | None = None) -> None:
    """Print the table. ``path`` is where the JSON goes, by default with the results after a full run."""
    results = _measure(SMOKE if is_smoke else FULL, is_smoke=is_smoke)
    if is_smoke:
        print(f"exported the same chats: {', '.join(sorted({line.ours.partition(':')[0] for line in results.lines}))}")
    else:
        print("\n".join([results.machine, results.versions, results.row, "", *table_of(results.lines)]))
    for name, why in results.absent.items():
        print(f"left out: {name}: {why}")
    path = path or (None if is_smoke else _RESULTS)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(json.format(json.encode(results), indent=1) + b"\n")


def _measure(sizes: Sizes, *, is_smoke: bool) -> Results:
    with tempfile.TemporaryDirectory() as scratch, apart() as cpu:
        folder = Path(scratch)
        team = Team(folder, may_install=not is_smoke)
        serving = Serving(sizes.distinct, copies=sizes.copies, cpu=cpu)
        with serve(serving) as started:
            stage = _Stage(team, started, sizes, folder)
            rounds = [stage.beside(*_ORDER) for _ in range(sizes.rounds)]
            aside = [
                {one.name: stage.run(one) for one in (PARQUET, HTTPX, REQUESTS)} for _ in range(sizes.rounds_aside)
            ]
            held = {one.name: stage.run(one, is_held=True) for one in sizes.formats}
        with serve(replace(serving, distinct=sizes.few, copies=1)) as few:
            small = _Stage(team, few, sizes, folder)
            beside_dlt = [small.beside(SQLITE, DLT) for _ in range(sizes.rounds_aside)]
        with serve(replace(serving, copies=sizes.many_copies)) as many:
            large = _Stage(team, many, sizes, folder)
            peaks = {one.name: large.run(one) for one in sizes.formats}
    lines = [
        _ratio(JSONL, J, rounds, at_most=0.75),
        _ratio(JSONL, LOOP, rounds, at_most=0.25),
        _ratio(ZST, J, rounds, at_most=1.7),
        _ratio(PARQUET, J, rounds, at_most=3.6),
        _ratio(PARQUET, HTTPX, aside, at_most=0.3),
        _ratio(PARQUET, REQUESTS, aside, at_most=0.5),
        _ratio(SQLITE, J, rounds, at_most=6.5),
        _ratio(SQLITE, DLT, beside_dlt, at_most=0.5),
    ]
    for name, peak in peaks.items():
        lines += _memory(name, rounds[0][name], peak, stage.rows, large.rows)
    lines += [_held(name, outcome) for name, outcome in held.items()]
    row = (
        f"a row is a chat as the sandbox makes it after the recorded answers: {started.row_bytes:,.0f} bytes of JSON "
        f"on average; the list has {stage.rows:,}, in pages of {sizes.page_size:,}. CPU is user and system time of the "
        "export without imports; ratios are of runs in turn, median [least to most]"
    )
    return Results(machine=machine(), versions=versions(["dlt 1.31.0"]), row=row, lines=lines, absent=team.absent)


def _ratio(one: Contender, other: Contender, rounds: Sequence[dict[str, Outcome | None]], *, at_most: float) -> Line:
    pairs = [
        (ours.cpu, theirs.cpu)
        for found in rounds
        if (ours := found[one.name]) is not None and (theirs := found[other.name]) is not None
    ]
    if not pairs:
        return Line(question="CPU", ours=one.name, beside=other.name, at_most=at_most, note="left out")
    # A list of no rows takes no time that could be told.
    ratios = [ours / max(theirs, 0.01) for ours, theirs in pairs]
    middle = len(pairs) // 2
    return Line(
        question="CPU",
        ours=f"{one.name}: {sorted(ours for ours, _ in pairs)[middle]:.2f} s",
        beside=f"{other.name}: {sorted(theirs for _, theirs in pairs)[middle]:.2f} s",
        pairs=ratios,
        at_most=at_most,
    )


def _memory(name: str, few: Outcome | None, many: Outcome | None, few_rows: int, many_rows: int) -> list[Line]:
    if few is None or many is None or not many.peak:
        return []
    return [
        Line(
            question=f"memory at {many_rows:,} chats",
            ours=name,
            beside=f"at {few_rows:,}: {few.peak / _MB:.0f} MB",
            pairs=[many.peak / _MB],
            unit=" MB",
            at_most=_MOST_MB[name],
        ),
        Line(
            question=f"growth of it from {few_rows:,}",
            ours=name,
            beside="-",
            pairs=[(many.peak - few.peak) / (many_rows - few_rows)],
            unit=" B/row",
            at_most=100,
        ),
    ]


def _held(name: str, outcome: Outcome | None) -> Line:
    if outcome is None:
        return Line(question="event loop held up, p99", ours=name, beside="-", unit=" ms", at_most=20, note="left out")
    return Line(
        question="event loop held up, p99",
        ours=name,
        beside=f"the longest: {outcome.held_most_ms:.0f} ms",
        pairs=[outcome.held_ms],
        unit=" ms",
        at_most=20,
    )
