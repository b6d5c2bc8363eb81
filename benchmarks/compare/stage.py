"""Where contenders meet: runs in turn, each checked for having done the very same work."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from msgspec import Struct

from benchmarks.compare.programs.harness import Job
from benchmarks.compare.report import Bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.compare.contest import Contender, Contest
    from benchmarks.compare.programs.harness import Outcome
    from benchmarks.compare.server import Started

__all__ = ["FULL", "SMOKE", "Sizes", "Stage", "milliseconds"]


class Sizes(Struct, frozen=True, kw_only=True):
    """How much of everything."""

    rows: int
    """Of the list that is walked, each row another one."""
    large_page: int
    small_page: int
    rounds: int
    rounds_aside: int
    """Of what has no target of its own."""
    stalls: int
    """Walks for the question of stalls."""
    firsts: int
    calls: int
    distinct: int
    """Rows of the lists for the question of memory, each served several times over, with other ids."""
    copies: tuple[int, ...]
    list_copies: tuple[int, ...]
    """The same for the contender that collects a list."""
    imports: int
    is_smoke: bool


FULL = Sizes(
    rows=100_000,
    large_page=2_000,
    small_page=100,
    rounds=5,
    rounds_aside=2,
    stalls=4,
    firsts=20,
    calls=6_000,
    distinct=20_000,
    copies=(2, 10, 50),
    list_copies=(1, 2),
    imports=15,
    is_smoke=False,
)
SMOKE = Sizes(
    rows=500,
    large_page=200,
    small_page=50,
    rounds=1,
    rounds_aside=1,
    stalls=1,
    firsts=1,
    calls=200,
    distinct=500,
    copies=(1, 2),
    list_copies=(1, 2),
    imports=1,
    is_smoke=True,
)


class Stage:
    """One server, and the contenders that have walked its list."""

    def __init__(self, contest: Contest, started: Started, sizes: Sizes) -> None:
        self.contest = contest
        self.sizes = sizes
        self.started = started
        self._runs: dict[tuple[str, int], list[Outcome]] = {}
        self._met: dict[str, tuple[str, str]] = {}
        self._kept: dict[tuple[str, Job], Outcome] = {}

    def run(self, contender: Contender, **settings: object) -> Outcome:
        """Run it once. Raises RuntimeError where it has not read every chat once, in the order of the list.

        A smoke run asks whether it works, and so never twice.
        """
        job = Job(base_url="", **settings)  # type: ignore[arg-type]
        key = contender.name, job
        if self.sizes.is_smoke and key in self._kept:
            return self._kept[key]
        outcome = self._kept[key] = self.contest.run(contender, self.started, job)
        self._check(contender, job, outcome)
        if job == Job(base_url="", task="walk", page_size=job.page_size):
            self._runs.setdefault((contender.name, job.page_size), []).append(outcome)
        return outcome

    def pairs(
        self, one: Contender, other: Contender, rounds: int, figure: Callable[[Outcome], float], **settings: object
    ) -> list[tuple[float, float]]:
        """Run two in turn, and give a figure of each; nothing where one of them cannot run."""
        if not (self.contest.can_run(one) and self.contest.can_run(other)):
            return []
        return [(figure(self.run(one, **settings)), figure(self.run(other, **settings))) for _ in range(rounds)]

    def bars(self) -> list[Bar]:
        """Give what every contender took to walk, from all of its runs."""
        return [
            Bar(
                contender=name,
                page_size=page_size,
                cpu_ms=[milliseconds(run) for run in runs],
                wall_ms=[round(run.wall / run.rows * 1e6, 3) for run in runs],
                peak_bytes=round(statistics.median(run.peak for run in runs)),
            )
            for (name, page_size), runs in self._runs.items()
        ]

    def _check(self, contender: Contender, job: Job, outcome: Outcome) -> None:
        if job.task == "first":
            return
        rows = job.repeat * job.page_size if job.task in {"calls", "profile_calls"} else self.started.rows
        if outcome.rows != rows:
            raise RuntimeError(f"{contender.name} read {outcome.rows} chats instead of {rows}")
        if not outcome.checksum:
            return
        # A walk whose rows are thrown away is summed up in another way.
        kind = "thrown away" if job.task == "memory" else "kept"
        first, checksum = self._met.setdefault(kind, (contender.name, outcome.checksum))
        if outcome.checksum != checksum:
            raise RuntimeError(f"{contender.name} read other chats, or in another order, than {first}")


def milliseconds(outcome: Outcome) -> float:
    """Give the CPU time for 1,000 chats."""
    return round(outcome.cpu / outcome.rows * 1e6, 3)
