"""The comparison's server gives pages as the API does, and its judges notice other work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from benchmarks.compare.contest import BARE, OURS, Contender, Contest
from benchmarks.compare.picture import draw
from benchmarks.compare.programs.harness import Job, Outcome
from benchmarks.compare.report import Bar, Line, Profile, Results, Rung, read_results, read_table, to_text
from benchmarks.compare.rows import MOST_COPIES, Rows
from benchmarks.compare.server import Started
from benchmarks.compare.stage import FULL, SMOKE, Stage
from periskope_async.wire.answer import read_meta
from tests.reading import read_chat_page

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.compare.rows import KeyOrder
    from periskope_async.models import ChatPage


def read(rows: Rows, offset: int, limit: int) -> ChatPage:
    return read_chat_page(b"".join(rows.page(offset, limit)), read_meta(200, {}))


@pytest.mark.parametrize("key_order", ["sorted", "mixed"])
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("limit", [7, 20, 1000])
def test_pages_join_to_the_whole_list_with_every_id_once(copies: int, limit: int, key_order: KeyOrder) -> None:
    rows = Rows(20, copies=copies, key_order=key_order)
    pages = [read(rows, offset, limit) for offset in range(0, len(rows), limit)]
    ids = [chat.chat_id for page in pages for chat in page]
    assert len(set(ids)) == len(ids) == len(rows) == 20 * copies
    assert [page.from_ for page in pages] == list(range(1, len(rows) + 1, limit))
    assert [page.to for page in pages] == [min(first + limit, len(rows)) for first in range(0, len(rows), limit)]
    assert {page.count for page in pages} == {len(rows)}


def test_both_key_orders_tell_the_same_of_each_chat() -> None:
    in_order, mixed = Rows(20), Rows(20, key_order="mixed")
    assert b"".join(in_order.page(0, 20)) != b"".join(mixed.page(0, 20))
    assert read(in_order, 0, 20).chats == read(mixed, 0, 20).chats


def test_a_page_beyond_the_end_is_empty() -> None:
    page = read(Rows(20), 20, 7)
    assert (len(page), page.from_, page.to, page.count) == (0, 21, 20, 20)


def test_copies_that_two_digits_cannot_number_are_refused() -> None:
    with pytest.raises(ValueError, match="two digits"):
        Rows(1, copies=MOST_COPIES + 1)


class Scripted(Contest):
    """A contest whose contenders tell what they are told to."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.absent = {}
        self.ran = 0
        self._outcomes = iter(outcomes)

    def run(self, contender: Contender, started: Started, job: Job) -> Outcome:
        del contender, started, job
        self.ran += 1
        return next(self._outcomes)


def stage(contest: Scripted, *, is_smoke: bool = False) -> Stage:
    return Stage(contest, Started([1], 10, 2000.0), SMOKE if is_smoke else FULL)


def test_a_contender_that_reads_too_few_chats_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="read 9 chats instead of 10"):
        stage(Scripted(Outcome(rows=9, checksum="a"))).run(OURS, task="walk")


def test_a_contender_that_reads_other_chats_is_found_out() -> None:
    judges = stage(Scripted(Outcome(rows=10, checksum="a"), Outcome(rows=10, checksum="b")))
    judges.run(OURS, task="walk")
    with pytest.raises(RuntimeError, match="read other chats, or in another order, than periskope_async"):
        judges.run(BARE, task="walk")


def test_a_contender_that_makes_too_few_calls_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="read 3 chats instead of 4"):
        stage(Scripted(Outcome(rows=3))).run(OURS, task="calls", page_size=1, repeat=4)


def test_pairs_run_in_turn_and_a_smoke_run_repeats_nothing() -> None:
    contest = Scripted(*(Outcome(rows=10, checksum="a", cpu=cpu) for cpu in (1.0, 2.0, 3.0, 4.0)))
    judges = stage(contest)
    assert judges.pairs(OURS, BARE, 2, lambda outcome: outcome.cpu, task="walk") == [(1.0, 2.0), (3.0, 4.0)]
    assert [(bar.contender, len(bar.cpu_ms)) for bar in judges.bars()] == [(OURS.name, 2), (BARE.name, 2)]
    contest = Scripted(*(Outcome(rows=10, checksum="a", cpu=cpu) for cpu in (1.0, 2.0)))
    judges = stage(contest, is_smoke=True)
    assert judges.pairs(OURS, BARE, 2, lambda outcome: outcome.cpu, task="walk") == [(1.0, 2.0)] * 2
    assert contest.ran == 2


def test_who_cannot_run_has_no_pairs() -> None:
    contest = Scripted()
    contest.absent[BARE.name] = "it is not here"
    assert stage(contest).pairs(OURS, BARE, 2, lambda outcome: outcome.cpu, task="walk") == []


@pytest.mark.parametrize(
    ("bounds", "pairs", "verdict"),
    [
        ({"at_most": 1.15}, [1.2, 1.1, 1.15], "yes"),
        ({"at_most": 1.15}, [1.2, 1.1, 1.16], "NO"),
        ({"at_least": 0.85}, [0.9, 0.84, 0.8], "NO"),
        ({"at_least": 0.85}, [0.9, 0.85, 0.8], "yes"),
        ({}, [0.9], "reported"),
        ({"at_most": 1.0, "note": "left out: no node"}, [], "left out: no node"),
    ],
)
def test_a_line_says_whether_the_median_reaches_its_target(
    bounds: dict[str, Any], pairs: list[float], verdict: str
) -> None:
    assert Line(question="q", ours="o", beside="b", pairs=pairs, **bounds).verdict == verdict


def test_the_results_come_back_from_their_file(tmp_path: Path) -> None:
    line = Line(question="how long", ours="1 ms", beside="bare loop: 2 ms", pairs=[0.5, 0.4, 0.6], at_most=1)
    bar = Bar(contender=OURS.name, page_size=100, cpu_ms=[1.0, 1.2], wall_ms=[1.1, 1.3], peak_bytes=1)
    results = Results(
        machine="m",
        versions="v",
        row="r",
        lines=[line],
        bars=[bar],
        account=[],
        memory={},
        profiles=[],
        absent={"somebody": "it is not here"},
    )
    path = tmp_path / "compare.json"
    path.write_bytes(msgspec.json.encode(results))
    assert read_results(path) == results
    assert "| how long | 1 ms | bare loop: 2 ms | 0.50 [0.40 to 0.60] | at most 1 | yes |" in read_table(path)
    assert "left out: somebody: it is not here" in to_text(results)
    assert ">1.1 ms</text>" in draw(results)


def test_a_missed_rate_of_calls_is_told_in_what_was_measured() -> None:
    rates = [
        ("bare", 100.0, 1.0),
        ("deadlines", 90.0, 1.1),
        ("limiter", 110.0, 0.9),
        ("transport", 115.0, 0.8),
        ("client", 160.0, 0.6),
        ("ours", 200.0, 0.5),
    ]
    rungs = [Rung(what=what, rate=1e6 / cpu, cpu_us=cpu, of_bare=part) for what, cpu, part in rates]
    results = Results(
        machine="m",
        versions="v",
        row="r",
        lines=[
            Line(question="calls a second", ours="o", beside="b", pairs=[0.5], at_least=0.8),
            Line(question="import time", ours="o", beside="b", pairs=[2.0], at_most=1),
            Line(question="memory", ours="o", beside="b", pairs=[1.0], at_most=1),
        ],
        bars=[],
        account=[],
        memory={},
        profiles=[Profile(what="p", microseconds=1.0, functions=[], own_calls=50.0)],
        absent={},
        calls_account=rungs,
    )
    (calls, why), (imports, _) = results.misses
    assert (calls.question, imports.question) == ("calls a second", "import time")
    # 125 us would do; it takes 100 more than the bare call's 100, in 50 functions, of which 12 would fit.
    for part in (
        "leaves 25 us",
        "takes 10 of them (0.90)",
        "takes 100 us more",
        "15 for the transport",
        "45 for the client",
        "40 for the limiter",
        "alone it would be 0.80, without the limiter 0.60",
        "2.0 us each",
        "room for 12",
    ):
        assert part in why
    assert "1.0% of a CPU" in why


def test_a_job_survives_the_command_line() -> None:
    job = Job(task="calls", base_url="http://127.0.0.1:1/v1", page_size=1, repeat=200, loop="uvloop")
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job
