"""The questions, each put to our client and to what stands beside it, in turn."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks import import_time
from benchmarks.compare.contest import BARE, BARE_UVLOOP, BY_HAND, LIMIT, OFFICIAL, OURS, OURS_UVLOOP, PYDANTIC, STDLIB
from benchmarks.compare.report import Line, Profile, Rung, Step
from benchmarks.compare.stage import Stage, milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.compare.contest import Contender, Contest
    from benchmarks.compare.programs.harness import Outcome
    from benchmarks.compare.rows import KeyOrder
    from benchmarks.compare.stage import Sizes

__all__ = ["account", "calls", "calls_account", "first_chat", "imports", "memory", "profiles", "stall", "walks"]

# What iter_chats asks for where nobody says otherwise.
_DEFAULT_PAGE = 1_000


def walks(stage: Stage, key_order: KeyOrder) -> list[Line]:
    """Ask what CPU time typed chats take, in large pages and in small ones."""
    sizes = stage.sizes
    large, small = sizes.large_page, sizes.small_page
    wanted: list[tuple[Contender, Contender, int, int, float | None]] = [
        (OURS, BARE, large, sizes.rounds, 0.9),
        (OURS, STDLIB, large, sizes.rounds, 0.45),
        (OURS, PYDANTIC, large, sizes.rounds, 0.3),
        (OURS, OFFICIAL, large, sizes.rounds, 0.5),
        (OURS, LIMIT, large, sizes.rounds, 1.6),
        (OURS_UVLOOP, OURS, large, sizes.rounds, None),
        (OURS_UVLOOP, BARE_UVLOOP, large, sizes.rounds, None),
        (OURS, BARE, small, sizes.rounds, 1.25),
        (OURS, STDLIB, small, sizes.rounds_aside, None),
        (OURS, PYDANTIC, small, sizes.rounds_aside, None),
        (OURS, OFFICIAL, small, sizes.rounds_aside, None),
        (OURS, LIMIT, small, sizes.rounds_aside, None),
    ]
    return [_walk(stage, *one, keys=f", keys {key_order}") for one in wanted]


def _walk(
    stage: Stage, one: Contender, other: Contender, page_size: int, rounds: int, at_most: float | None, *, keys: str
) -> Line:
    pairs = stage.pairs(one, other, rounds, milliseconds, task="walk", page_size=page_size)
    uvloop = ", uvloop" if one is OURS_UVLOOP else ""
    return Line(
        question=f"CPU for 1,000 chats, {page_size:,}-row pages{uvloop}{keys}",
        ours=_middle(pairs, 0, "ms"),
        beside=f"{other.name}{_after(_middle(pairs, 1, 'ms'))}",
        pairs=[round(ours / theirs, 3) for ours, theirs in pairs],
        at_most=at_most,
        note=_absence(stage.contest, one, other),
    )


def first_chat(stage: Stage) -> Line:
    """Ask how long a new client takes to its first chat; the bare loop has it as soon as one answer is decoded."""
    pairs = stage.pairs(
        OURS,
        BARE,
        stage.sizes.rounds,
        lambda outcome: statistics.median(outcome.seconds) * 1e3,
        task="first",
        page_size=_DEFAULT_PAGE,
        repeat=stage.sizes.firsts,
    )
    return Line(
        question=f"time to the first chat, {_DEFAULT_PAGE:,}-row pages, a new client",
        ours=_middle(pairs, 0, "ms"),
        beside=f"bare loop, one answer: {_middle(pairs, 1, 'ms')}",
        pairs=[round(ours - theirs, 3) for ours, theirs in pairs],
        unit=" ms more",
        at_most=2,
    )


def calls(stage: Stage) -> list[Line]:
    """Ask how many calls a second one client makes for 100 tasks at once, one row each."""
    number = stage.sizes.calls
    settings = {"task": "calls", "page_size": 1, "repeat": number}
    runs = [(stage.run(OURS, **settings), stage.run(BARE, **settings)) for _ in range(stage.sizes.rounds)]
    rates = [(number / ours.wall, number / theirs.wall) for ours, theirs in runs]
    costs = [(ours.cpu / number * 1e6, theirs.cpu / number * 1e6) for ours, theirs in runs]
    return [
        Line(
            question="calls a second, 100 tasks at once, one row each",
            ours=_middle(rates, 0, "/s", digits=0),
            beside=f"bare aiohttp session: {_middle(rates, 1, '/s', digits=0)}",
            pairs=[round(ours / theirs, 3) for ours, theirs in rates],
            at_least=0.85,
        ),
        Line(
            question="CPU for one such call",
            ours=_middle(costs, 0, "us", digits=0),
            beside=f"bare aiohttp session: {_middle(costs, 1, 'us', digits=0)}",
            pairs=[round(ours / theirs, 3) for ours, theirs in costs],
        ),
    ]


def stall(stage: Stage) -> list[Line]:
    """Ask how long other tasks wait for their turn while large pages stream in."""
    page_size = stage.sizes.large_page
    settings = {"task": "stall", "page_size": page_size, "repeat": stage.sizes.stalls}
    rounds = range(stage.sizes.rounds_aside + 1)
    runs = [(stage.run(OURS, **settings), stage.run(BARE, **settings)) for _ in rounds]
    # What a pass of the collector takes depends on all else that is in the process, and where it falls on chance.
    settings["gc"] = False
    runs_without = [(stage.run(OURS, **settings), stage.run(BARE, **settings)) for _ in rounds]
    lines: list[Line] = []
    for what, outcomes, figure in (
        ("longest", runs, _longest),
        ("99th percentile", runs, _late),
        ("longest, were there no garbage collector", runs_without, _longest),
    ):
        pairs = [(figure(ours), figure(theirs)) for ours, theirs in outcomes]
        lines.append(
            Line(
                question=f"stall of the event loop, {page_size:,}-row pages: {what}",
                ours=_middle(pairs, 0, "ms"),
                beside=f"bare loop: {_middle(pairs, 1, 'ms')}",
                pairs=[round(ours / theirs, 3) for ours, theirs in pairs],
                at_most=1,
            )
        )
    return lines


def _longest(outcome: Outcome) -> float:
    return outcome.longest_gap * 1e3


def _late(outcome: Outcome) -> float:
    return outcome.late_gap * 1e3


def memory(contest: Contest, sizes: Sizes) -> tuple[list[Line], dict[str, dict[str, float]]]:
    """Ask what a walk keeps of each row: the growth of the peak between a short list and a long one."""
    grown: dict[str, dict[int, int]] = {}
    # Small pages, one at a time: how many are held at once is bounded, and would only blur what is kept of each row.
    walk: dict[str, object] = {"task": "memory", "page_size": sizes.small_page, "prefetch": 1}
    collect: dict[str, object] = {"task": "collect", "page_size": sizes.large_page}
    wanted: list[tuple[str, Contender, dict[str, object], tuple[int, ...]]] = [
        ('iter_chats(consistency="none")', OURS, {**walk, "consistency": "none"}, sizes.copies),
        ('iter_chats(), that is "exact"', OURS, walk, sizes.copies),
        ("httpx + pydantic, a list", PYDANTIC, collect, sizes.list_copies),
        ("iter_chats().collect(), a list", OURS, collect, sizes.list_copies),
    ]
    for copies in sorted({*sizes.copies, *sizes.list_copies}):
        with contest.serve(sizes.distinct, copies=copies) as started:
            stage = Stage(contest, started, sizes)
            for name, contender, settings, lengths in wanted:
                if copies in lengths and contest.can_run(contender):
                    outcome = stage.run(contender, **settings)
                    grown.setdefault(name, {})[started.rows] = outcome.grown
    slopes = {name: _slope(sizes_) for name, sizes_ in grown.items()}
    lists = "; ".join(f"{name}: {slopes[name]:,.0f} B" for name, *_ in wanted[2:] if name in slopes)
    lines = [
        Line(
            question=f"memory for each chat of a walk, {name}",
            ours=f"{slopes[name]:,.1f} B",
            beside=lists,
            pairs=[round(slopes[name], 1)],
            unit=" B/row",
            at_most=at_most,
        )
        for (name, *_), at_most in zip(wanted[:2], (5, 100), strict=True)
    ]
    a_row = {
        name: {str(rows): round(size / rows, 1) for rows, size in sizes_.items()} for name, sizes_ in grown.items()
    }
    return lines, a_row


def imports(sizes: Sizes) -> list[Line]:
    """Ask what the import costs, above that of aiohttp and beside that of httpx and pydantic."""
    rounds = import_time.measure(("periskope_async", "aiohttp", "httpx, pydantic"), sizes.imports)
    ours = f"{statistics.median(one[0] for one in rounds):,.0f} ms"
    aiohttp, rivals = (f"{statistics.median(one[side] for one in rounds):,.0f} ms" for side in (1, 2))
    return [
        Line(
            question="import time",
            ours=ours,
            beside=f"aiohttp alone: {aiohttp}",
            pairs=[round(one[0] - one[1], 1) for one in rounds],
            unit=" ms more",
            at_most=import_time.TARGET_MS,
        ),
        Line(
            question="import time",
            ours=ours,
            beside=f"httpx + pydantic: {rivals}",
            pairs=[round(one[0] / one[2], 3) for one in rounds],
        ),
    ]


def account(stage: Stage) -> list[Step]:
    """Climb from what the machine allows to our client, a rung at a time, and say what each adds."""
    rungs: list[tuple[str, Contender, dict[str, object]]] = [
        ("a blocking socket reads into one buffer", LIMIT, {"task": "read"}),
        ("and msgspec decodes it: the physical limit", LIMIT, {"task": "walk"}),
        ("with an event loop, aiohttp and bodies of bytes: the bare loop", BARE, {"task": "walk"}),
        ("with the limiter, the session and the pager", OURS, {"task": "walk", "consistency": "none", "prefetch": 1}),
        ("with the proof that nothing was lost", OURS, {"task": "walk", "prefetch": 1}),
        ("with look-ahead: as a user gets it", OURS, {"task": "walk"}),
        ("the same, were there no garbage collector", OURS, {"task": "walk", "gc": False}),
    ]
    steps: list[Step] = []
    for page_size in (stage.sizes.large_page, stage.sizes.small_page):
        rounds = [
            [milliseconds(stage.run(contender, page_size=page_size, **settings)) for _, contender, settings in rungs]
            for _ in range(stage.sizes.rounds_aside + 1)
        ]
        before = 0.0
        for (what, *_), figures in zip(rungs, zip(*rounds, strict=True), strict=True):
            cpu_ms = round(statistics.median(figures), 3)
            steps.append(Step(what=what, page_size=page_size, cpu_ms=cpu_ms, more_ms=round(cpu_ms - before, 3)))
            before = cpu_ms
    return steps


def calls_account(stage: Stage) -> list[Rung]:
    """Climb from a bare call to one of our client, and say how many calls a second are left on each rung."""
    number = stage.sizes.calls
    settings = {"task": "calls", "page_size": 1, "repeat": number}
    rungs: list[tuple[str, Contender, dict[str, object]]] = [
        ("a bare aiohttp session, as somebody would use it by hand", BARE, {}),
        ("with deadlines for connecting and for each read", BY_HAND, {"up_to": "deadlines"}),
        ("with the facts of the answer: limit, trace, ETag, bytes, seconds", BY_HAND, {"up_to": "facts"}),
        ("with aiolimiter's AsyncLimiter, at a rate that makes nobody wait", BY_HAND, {"up_to": "limiter"}),
        ("periskope_async's transport alone, each answer decoded as a bare call's", OURS, {"up_to": "transport"}),
        ("periskope_async, with a limiter that keeps no books", OURS, {"up_to": "client"}),
        ("periskope_async", OURS, {}),
    ]
    rounds = [
        [stage.run(contender, **settings, **more) for _, contender, more in rungs] for _ in range(stage.sizes.rounds)
    ]
    bare = [runs[0].wall for runs in rounds]
    return [
        Rung(
            what=what,
            rate=round(statistics.median(number / run.wall for run in runs)),
            cpu_us=round(statistics.median(run.cpu / number * 1e6 for run in runs), 1),
            of_bare=round(statistics.median(wall / run.wall for wall, run in zip(bare, runs, strict=True)), 2),
        )
        for (what, *_), runs in zip(rungs, zip(*rounds, strict=True), strict=True)
    ]


def profiles(stage: Stage) -> list[Profile]:
    """Look into our client and the bare loop: the walks, and the calls of 100 tasks."""
    sizes = stage.sizes
    wanted: list[dict[str, object]] = [
        {"task": "profile", "page_size": sizes.large_page},
        {"task": "profile", "page_size": sizes.small_page},
        {"task": "profile_calls", "page_size": 1, "repeat": sizes.calls},
    ]
    found: list[Profile] = []
    for settings in wanted:
        for contender in (OURS, BARE):
            outcome = stage.run(contender, **settings)
            found.append(
                Profile(
                    what=f"{contender.name}, {settings['task']}, page_size {settings['page_size']}",
                    microseconds=milliseconds(outcome),
                    functions=outcome.hot,
                    own_calls=outcome.own_calls,
                )
            )
    return found


def _slope(grown: dict[int, int]) -> float:
    """Give the bytes that each further row costs."""
    short, long = min(grown), max(grown)
    return (grown[long] - grown[short]) / (long - short)


def _middle(pairs: Sequence[tuple[float, float]], side: int, unit: str, *, digits: int = 2) -> str:
    if not pairs:
        return "-"
    return f"{statistics.median(pair[side] for pair in pairs):,.{digits}f} {unit}".replace(" /s", "/s")


def _after(figure: str) -> str:
    return "" if figure == "-" else f": {figure}"


def _absence(contest: Contest, *both: Contender) -> str:
    return next((f"left out: {contest.absent[one.name]}" for one in both if not contest.can_run(one)), "")
