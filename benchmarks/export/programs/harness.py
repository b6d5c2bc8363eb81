"""What every contender does around its export: read the job, run the clock, say what came of it.

With the standard library only, since some contenders run in an environment of their own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KEY", "Job", "Outcome", "main"]

KEY = "benchmark-key"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to export, and where to."""

    base_url: str
    out: str
    page_size: int
    is_held: bool = False
    """Whether a task takes note of how long the event loop is held up."""


@dataclass(kw_only=True)
class Outcome:
    """What it took."""

    cpu: float = 0.0
    """Seconds of user and system time, those of child processes included, without imports."""
    wall: float = 0.0
    peak: int = 0
    """Most bytes resident in the life of the process; 0 where the system does not say."""
    held_ms: float = 0.0
    """The 99th percentile of what a task that sleeps 1 ms waits for its turn."""
    held_most_ms: float = 0.0


def main(export: Callable[[Job, Outcome], object]) -> None:
    """Do the job of the command line."""
    job, outcome = Job(**json.loads(sys.argv[1])), Outcome()
    began, before = time.perf_counter(), os.times()
    export(job, outcome)
    after = os.times()
    outcome.cpu = sum(after[:4]) - sum(before[:4])
    outcome.wall = time.perf_counter() - began
    outcome.peak = _most_resident()
    print(json.dumps(asdict(outcome)), flush=True)


def _most_resident() -> int:
    # ru_maxrss would not do: a new process inherits that of the one that started it.
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM:"))
