"""What the other two parts come to: lines to read, with what is to be reached, and everything as JSON."""

from __future__ import annotations

import platform
import statistics
from importlib.metadata import version
from typing import TYPE_CHECKING

from msgspec import Struct, json

from benchmarks.walk import look_ahead
from benchmarks.walk.contenders import CONTENDERS
from benchmarks.walk.look_ahead import Costs, Walked  # noqa: TC001 - msgspec reads the annotations
from benchmarks.walk.loop_hold import Held  # noqa: TC001 - as above
from benchmarks.walk.memory import Kept  # noqa: TC001 - as above
from benchmarks.walk.moving import Row, Run  # noqa: TC001 - as above

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Line",
    "Results",
    "cost_lines",
    "held_lines",
    "kept_lines",
    "machine",
    "read_table",
    "walked_lines",
    "write_json",
]

_MOST_OVER = 1.1
_MOST_BYTES_A_ROW = 100
_MOST_BYTES_FLAT = 5_000_000
_MOST_HELD_MS = 10.0
_MOST_DECODED = 2


class Line(Struct, frozen=True, kw_only=True):
    """One figure, what it is to be (nothing where others are measured), and whether it is."""

    text: str
    target: str = ""
    is_reached: bool = True

    def __str__(self) -> str:
        if not self.target:
            return f"  {self.text}"
        return f"  {self.text}   (to reach: {self.target})  {'ok' if self.is_reached else 'MISSED'}"


class Results(Struct, frozen=True, kw_only=True):
    """Everything of one full run."""

    machine: str
    missed: list[str]
    moving: list[Row]
    look_ahead: list[Walked]
    costs: Costs
    memory: list[Kept]
    loop: list[Held]


def walked_lines(walks: list[Walked]) -> list[Line]:
    """Tell the times over the floor; ours are to be near it, and in order."""
    lines: list[Line] = []
    for walk in walks:
        spread = f"{min(walk.seconds):.2f} to {max(walk.seconds):.2f} s" if len(walk.seconds) > 1 else "once"
        text = (
            f"{walk.name:<26}{walk.pages:>5} pages{walk.requests:>5} requests, floor {walk.floor:>5.2f} s, took "
            f"{walk.over:.3f} times that ({spread})"
        )
        if walk.name.startswith("iter_chats"):
            is_reached = walk.over <= _MOST_OVER and walk.is_in_order
            lines.append(Line(text=text, target=f"at most {_MOST_OVER}, in order", is_reached=is_reached))
        else:
            lines.append(Line(text=text))
    return lines


def cost_lines(costs: Costs, pages: int) -> list[Line]:
    """Tell what is out, held and spent."""
    # Little's law: what the limit lets pass during one answer, which takes a little longer than the sandbox waits; and
    # a spare.
    depth = round(1.05 * look_ahead.LIMIT / look_ahead.WINDOW * look_ahead.LATENCY) + 1
    lines = [
        Line(
            text=f"at once: {costs.most_out} requests under way, {costs.most_held} answers in memory of {pages}",
            target=f"at most the look-ahead of {depth}, and the page that is being read",
            is_reached=costs.most_out <= depth + 1 and costs.most_held <= depth + 1,
        ),
        Line(
            text=f"pages decoded at once: {costs.most_decoded}",
            target=f"at most {_MOST_DECODED}, the one in the reader's hands included",
            is_reached=costs.most_decoded <= _MOST_DECODED,
        ),
        Line(
            text=f"a break after the first row: {costs.after_break} requests",
            target=f"at most the first and the look-ahead, {depth + 1}",
            is_reached=costs.after_break <= depth + 1,
        ),
        Line(text=f"first(): {costs.first} request", target="1", is_reached=costs.first == 1),
    ]
    for wanted, requests in costs.max_items.items():
        fewest = look_ahead.pages_of(wanted)
        own = look_ahead.pages_of(wanted, overlap=look_ahead.OVERLAP) if wanted > look_ahead.PAGE_SIZE else 1
        lines.append(
            Line(
                text=f"max_items={wanted}: {requests} requests, where {fewest} pages hold as many",
                target=f"{own}, with the overlap",
                is_reached=requests == own,
            )
        )
    return lines


def kept_lines(kept: list[Kept]) -> list[Line]:
    """Tell what a walk keeps above the pages in flight."""
    lines: list[Line] = []
    for walk in kept:
        text = (
            f"{walk.rows:,} rows, {walk.consistency + ':':<7} peak {walk.peak / 1e6:7.2f} MB, of which "
            f"{walk.in_flight / 1e6:.2f} MB may be pages in flight; above {walk.above / 1e6:.2f} MB"
        )
        if walk.consistency == "none":
            target, is_reached = "under 5 MB above", walk.above < _MOST_BYTES_FLAT
        else:
            a_row = walk.above / walk.rows
            text = f"{text}, {a_row:.1f} bytes a row"
            target, is_reached = f"at most {_MOST_BYTES_A_ROW} bytes a row", a_row <= _MOST_BYTES_A_ROW
        lines.append(Line(text=text, target=target, is_reached=is_reached))
    return lines


def held_lines(held: list[Held]) -> list[Line]:
    """Tell how long another task had to wait for its turn."""
    lines: list[Line] = []
    for job in held:
        rows = f"pages of {job.page_rows:,}" if job.page_rows else ""
        text = (
            f"{job.name:<33}{rows:<16} held for {job.median:6.1f} ms at the longest "
            f"(median of {len(job.gaps)} rounds, {min(job.gaps):.1f} to {max(job.gaps):.1f})"
        )
        if not job.page_rows:
            lines.append(Line(text=text))
        else:
            is_reached = job.median <= _MOST_HELD_MS
            lines.append(Line(text=text, target=f"about {_MOST_HELD_MS:.0f} ms at most", is_reached=is_reached))
    return lines


def machine() -> str:
    """Say what ran on what."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("periskope-async", "aiohttp", "msgspec"))
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {packages}; "
        f"{platform.system()} {platform.machine()}"
    )


def read_table(path: Path) -> str:
    """Give part one as Markdown: the worst of the seeds, and the middle of their requests."""
    rows = [row for row in json.decode(path.read_bytes(), type=Results).moving if not row.is_paced]
    heads = ("before each request", *(f"{name}: lost / doubled / requests" for name in CONTENDERS))
    lines = [heads, ("---",) * len(heads)]
    for scenario in dict.fromkeys(row.scenario.title for row in rows):
        of = {row.contender: row.runs for row in rows if row.scenario.title == scenario}
        lines.append((scenario, *(_told(of[name]) for name in CONTENDERS)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _told(runs: list[Run]) -> str:
    lost, doubled = max(run.lost for run in runs), max(run.doubled for run in runs)
    failed = " (fails)" if any(run.failure for run in runs) else ""
    return f"{lost:,} / {doubled:,} / {statistics.median(run.requests for run in runs):,.0f}{failed}"


def write_json(path: Path, results: Results) -> None:
    """Write everything, a line for each row of part one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {name: getattr(results, name) for name in results.__struct_fields__}
    moving = b",\n".join(json.encode(row) for row in fields.pop("moving"))
    head = b",\n".join(b"%b: %b" % (json.encode(name), json.encode(value)) for name, value in fields.items())
    path.write_bytes(b"{" + head + b',\n"moving": [\n' + moving + b"\n]}\n")
