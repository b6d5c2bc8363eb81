"""Put all questions, print the table, and after a full run keep its JSON and its picture."""

from __future__ import annotations

from pathlib import Path

from msgspec import json

from benchmarks.compare import questions
from benchmarks.compare.contest import OFFICIAL, Contest, contenders
from benchmarks.compare.picture import draw
from benchmarks.compare.report import Results, machine, to_text, versions
from benchmarks.compare.stage import FULL, SMOKE, Sizes, Stage

__all__ = ["measure", "run"]

_RESULTS = Path(__file__).parents[1] / "results" / "compare.json"


def run(*, is_smoke: bool, path: Path | None = None) -> None:
    """Measure and print. ``path`` is where the JSON and the SVG go, by default with the results after a full run."""
    results = measure(SMOKE if is_smoke else FULL)
    if is_smoke:
        took_part = {bar.contender for bar in results.bars}
        print(f"read the same chats in the same order: {', '.join(sorted(took_part))}")
        for name, why in results.absent.items():
            print(f"left out: {name}: {why}")
    else:
        print(to_text(results))
    path = path or (None if is_smoke else _RESULTS)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(json.format(json.encode(results), indent=1) + b"\n")
        path.with_suffix(".svg").write_text(draw(results), encoding="utf-8")


def measure(sizes: Sizes) -> Results:
    """Put every question. Raises RuntimeError where a contender fails, or does other work than the rest."""
    contest = Contest()
    with contest.serve(sizes.rows) as started:
        stage = Stage(contest, started, sizes)
        lines = questions.walks(stage, "sorted")
        lines.append(questions.first_chat(stage))
        lines += questions.calls(stage)
        lines += questions.stall(stage)
        account = questions.account(stage)
        calls_account = questions.calls_account(stage)
        profiles = questions.profiles(stage)
        row = (
            f"a row is a chat as the sandbox makes it after the recorded answers: {started.row_bytes:,.0f} bytes of "
            f"JSON on average, its latest message included; the list has {started.rows:,}. CPU is user and system time "
            "of the contender's process; ratios are of runs made one right after the other, median [least to most]. In "
            "the calls no process gives the top of its heap back to the system, as glibc does where it lies so"
        )
    with contest.serve(sizes.rows, key_order="mixed") as started:
        stage = Stage(contest, started, sizes)
        lines += questions.walks(stage, "mixed")
        # The picture shows the dearer ones.
        bars = stage.bars()
    in_memory, memory = questions.memory(contest, sizes)
    others = [contest.node.version, contest.official] if contest.node and contest.can_run(OFFICIAL) else []
    return Results(
        machine=machine(),
        versions=versions(others),
        row=row,
        lines=[*lines, *in_memory, *questions.imports(sizes)],
        bars=bars,
        account=account,
        memory=memory,
        calls_account=calls_account,
        profiles=profiles,
        absent={one.name: contest.absent[one.name] for one in contenders() if one.name in contest.absent},
    )
