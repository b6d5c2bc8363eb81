"""What the runs come to: a table to read, and the same as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, json

from benchmarks.compare.programs.harness import Hot  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Bar",
    "Line",
    "Profile",
    "Results",
    "Rung",
    "Step",
    "machine",
    "read_results",
    "read_table",
    "table_of",
    "to_text",
    "versions",
]

_PACKAGES = ("periskope-async", "aiohttp", "msgspec", "httpx", "pydantic", "uvloop")


class Line(Struct, frozen=True, kw_only=True):
    """One line of the table. ``pairs`` holds a figure for each pair of runs that were made one after the other."""

    question: str
    ours: str
    beside: str
    pairs: list[float] = []
    """Ratios, or differences where ``unit`` is one."""
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    """Why there is nothing, where there is nothing."""

    @property
    def median(self) -> float:
        """The middle of the pairs."""
        return statistics.median(self.pairs)

    @property
    def is_reached(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if not self.pairs or (self.at_most is None and self.at_least is None):
            return None
        told = round(self.median, 2)
        return (self.at_most is None or told <= self.at_most) and (self.at_least is None or told >= self.at_least)

    @property
    def figure(self) -> str:
        """The median and the spread."""
        if not self.pairs:
            return "-"
        if len(self.pairs) == 1:
            return f"{self.median:.2f}{self.unit}"
        return f"{self.median:.2f}{self.unit} [{min(self.pairs):.2f} to {max(self.pairs):.2f}]"

    @property
    def target(self) -> str:
        """What to reach."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}{self.unit}"
        return "-" if self.at_least is None else f"at least {self.at_least:g}{self.unit}"

    @property
    def verdict(self) -> str:
        """``yes``, ``NO``, why it was left out, or that it is only reported."""
        if self.note:
            return self.note
        return {True: "yes", False: "NO", None: "reported"}[self.is_reached]

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as the table has it."""
        return self.question, self.ours, self.beside, self.figure, self.target, self.verdict


class Bar(Struct, frozen=True, kw_only=True):
    """CPU milliseconds for 1,000 chats of one contender: one figure for each run."""

    contender: str
    page_size: int
    cpu_ms: list[float]
    wall_ms: list[float]
    peak_bytes: int

    @property
    def median(self) -> float:
        """The middle of the CPU figures."""
        return statistics.median(self.cpu_ms)


class Step(Struct, frozen=True, kw_only=True):
    """A rung between the physical limit and our client: CPU milliseconds for 1,000 chats."""

    what: str
    page_size: int
    cpu_ms: float
    more_ms: float
    """Above the rung before."""


class Rung(Struct, frozen=True, kw_only=True):
    """A rung between a bare call and one of our client."""

    what: str
    rate: float
    """Calls a second of 100 tasks."""
    cpu_us: float
    """CPU microseconds for each."""
    of_bare: float
    """Its rate, as a part of the bare call's in the same round."""


class Profile(Struct, frozen=True, kw_only=True):
    """Where time goes under cProfile, which slows calls down: the functions that take most by themselves.

    All times are CPU microseconds for each row, or for each call of one row.
    """

    what: str
    microseconds: float
    functions: list[Hot]
    own_calls: float = 0.0
    """How often a call enters functions of this package."""


class Results(Struct, frozen=True, kw_only=True):
    """All that a run has found."""

    machine: str
    versions: str
    row: str
    lines: list[Line]
    bars: list[Bar]
    account: list[Step]
    memory: dict[str, dict[str, float]]
    """Contender to rows walked to bytes of growth a row."""
    calls_account: list[Rung] = []

    @property
    def misses(self) -> list[tuple[Line, str]]:
        """The targets that are missed, and why, as far as profiles and accounts show."""
        return [(line, self._why(line)) for line in self.lines if line.is_reached is False]

    def _why(self, line: Line) -> str:
        if line.question.startswith("calls a second") and self.calls_account:
            return self._why_fewer_calls(line)
        if line.question.startswith("CPU for"):
            return (
                "what is left is msgspec's decoding, aiohttp's reading, and the look through a page before its rows "
                "are decoded; the account in the results says what each rung adds"
            )
        return "the profiles in the results show where the time goes"

    def _why_fewer_calls(self, line: Line) -> str:
        """Reckon what the target would leave for all that a call of ours does beside a bare one, and what it does."""
        bare, *by_hand, transport, client, ours = self.calls_account
        entered = max((profile.own_calls for profile in self.profiles), default=0.0)
        left = bare.cpu_us / (line.at_least or 1.0) - bare.cpu_us
        more = ours.cpu_us - bare.cpu_us
        return (
            f"the target leaves {left:.0f} us beside the {bare.cpu_us:.0f} us of a bare call. The least that has "
            f"deadlines, the facts of the answer and a limiter of a fixed rate, by hand, takes "
            f"{by_hand[-1].cpu_us - bare.cpu_us:.0f} of them ({by_hand[-1].of_bare:.2f}), and what is left is no room "
            f"for all else that users get. Ours takes {more:.0f} us more than a bare call: "
            f"{transport.cpu_us - bare.cpu_us:.0f} for the transport (deadlines, the moment of sending, no resend that "
            f"nobody sees, the facts, a bound on the body), {client.cpu_us - transport.cpu_us:.0f} for the client (a "
            f"typed query and page, tries, an end to calls when it closes), and {ours.cpu_us - client.cpu_us:.0f} for "
            "the limiter, whose books tell from each answer's headers when the server has forgotten a request. With "
            f"the transport alone it would be {transport.of_bare:.2f}, without the limiter {client.of_bare:.2f}. These "
            f"are {entered:.0f} calls of Python functions, {more / max(entered, 1.0):.1f} us each, and the target has "
            f"room for {left * entered / more:.0f}. Where the server lets 100 calls a second pass, it is "
            f"{more / 1e4:.1%} of a CPU"
        )

    profiles: list[Profile]
    absent: dict[str, str]


HEADING = ("question", "ours", "beside it", "ratio", "to reach", "reached")


def table_of(lines: Sequence[Line]) -> list[str]:
    """Give the lines of the table, its heading first."""
    cells = [HEADING, *(line.cells for line in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADING))]
    table = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [table[0], "-" * len(table[0]), *table[1:]]


def to_text(results: Results) -> str:
    """Give the table and what it rests on."""
    parts = [results.machine, results.versions, results.row, "", *table_of(results.lines)]
    parts += ["", *(f"missed: {line.question} ({line.figure}): {why}" for line, why in results.misses)]
    if results.account:
        parts += ["", "from the physical limit to our client, CPU for 1,000 chats:"]
        parts += [
            f"  {step.cpu_ms:7.2f} ms  {step.more_ms:+6.2f}  {step.page_size:>5}-row pages  {step.what}"
            for step in results.account
        ]
    if results.calls_account:
        parts += ["", "from a bare call to one of our client, 100 tasks at once:"]
        parts += [
            f"  {rung.rate:>8,.0f}/s  {rung.cpu_us:6.1f} us  {rung.of_bare:.2f} of the bare call  {rung.what}"
            for rung in results.calls_account
        ]
    if results.memory:
        parts += ["", "growth of the process's peak memory during the walk, bytes a row:"]
        parts += [
            f"  {name:<44}" + "".join(f"{int(rows):>12,} rows: {size:>8.1f}" for rows, size in sizes.items())
            for name, sizes in results.memory.items()
        ]
    parts += [f"left out: {name}: {why}" for name, why in results.absent.items()]
    return "\n".join(parts)


def machine() -> str:
    """Say what it ran on, without the machine's name."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def versions(others: Sequence[str]) -> str:
    """Say what ran: Python and each package; ``others`` are those that are not Python's."""
    found = [f"{platform.python_implementation()} {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join([*found, *others])


def read_results(path: Path) -> Results:
    """Read a run that was kept."""
    return json.decode(path.read_bytes(), type=Results)


def read_table(path: Path) -> str:
    """Give the table as Markdown."""
    results = read_results(path)
    rows = [line.cells for line in results.lines]
    table = [f"| {' | '.join(row)} |" for row in (HEADING, ("---",) * len(HEADING), *rows)]
    missed = [f"- Missed, {line.question}: {why}." for line, why in results.misses]
    return "\n".join(
        [
            *table,
            "",
            *missed,
            *([""] if missed else []),
            f"{results.machine}; {results.versions}. As for rows: {results.row}.",
        ]
    )
