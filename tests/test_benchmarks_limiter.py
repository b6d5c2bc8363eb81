"""The limiter's benchmark counts from honest floors, holds our client to its bounds, and reads its servers' books."""

from __future__ import annotations

from argparse import ArgumentParser
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace

from benchmarks.limiter.command import add_arguments
from benchmarks.limiter.contenders import OURS
from benchmarks.limiter.fronts import read_book
from benchmarks.limiter.measure import Run
from benchmarks.limiter.programs import NoServerError, redis_here
from benchmarks.limiter.report import Row, to_text
from benchmarks.limiter.scenario import Front, Group, Scenario
from benchmarks.limiter.scenarios import LONG, SCENARIOS, SMOKE

if TYPE_CHECKING:
    from pathlib import Path

LEAKY = Front(program="nginx", date="own", refuses_with=503)
CACHE = Front(program="proxy.js", cache="age")


def scenario(**settings: Any) -> Scenario:
    return replace(Scenario(name="n", title="t", latency=(0.0, 0.0)), **settings)


@pytest.mark.parametrize(
    ("settings", "floor"),
    [
        ({"pages": 10}, 0.0),
        ({"pages": 11}, 1.0),
        ({"pages": 101}, 10.0),
        ({"pages": 116, "limit": 23, "window": 2.0}, 10.0),
        ({"pages": 30, "change": (0.5, 20)}, 1.0),
        ({"pages": 101, "kind": "bucket"}, 9.1),
        ({"pages": 101, "front": LEAKY}, 10.0),
        ({"pages": 101, "front": replace(LEAKY, burst=3)}, 9.7),
        ({"pages": 22, "front": CACHE}, 1.0),
        ({"pages": 20, "front": CACHE}, 0.0),
        ({"pages": 15, "has_failures": True}, 0.0),
        ({"pages": 17, "has_failures": True}, 1.0),
        ({"groups": (Group(0.0, 10), Group(0.5, 2))}, 0.5),
        ({"groups": (Group(0.0, 10), Group(1.5, 10))}, 0.0),
        ({"groups": (Group(0.0, 15), Group(1.5, 10))}, 1.5),
    ],
)
def test_a_floor_is_what_the_limit_allows(settings: dict[str, Any], floor: float) -> None:
    assert scenario(**settings).floor() == pytest.approx(floor)


@pytest.mark.parametrize("pages", [1, 22, 23, 24, 46, 47, 100])
@pytest.mark.parametrize("latency", [(0.02, 0.02), (0.7, 1.3)])
def test_one_group_has_the_floor_of_a_pile(pages: int, latency: tuple[float, float]) -> None:
    pile = scenario(limit=23, window=2.0, pages=pages, latency=latency)
    group = replace(pile, pages=0, groups=(Group(0.0, pages),))
    assert group.floor() == pytest.approx(pile.floor())


def test_the_last_answer_is_the_slowest_of_its_window() -> None:
    """One latency is added once: the mean of the slowest of those that go last."""
    assert scenario(pages=11, latency=(1.0, 2.0)).floor() == pytest.approx(1 + 1.5)
    assert scenario(pages=13, latency=(1.0, 2.0)).floor() == pytest.approx(1 + 1.75)


def test_the_others_requests_and_windows_count() -> None:
    assert scenario(pages=10).floor(taken=1) == pytest.approx(1.0)
    late = scenario(pages=60, limit=60, window=20.0, opened_before=17.0)
    assert late.floor(taken=1) == pytest.approx(3.0)
    assert scenario(pages=10).floor(asked=21) == pytest.approx(2.0)


def run(**found: Any) -> Run:
    settings: dict[str, Any] = {
        "contender": OURS,
        "seconds": 10.0,
        "floor": 10.0,
        "failure": "",
        "served": 101,
        "refused": 0,
        "refused_learning": 0,
        "most_refused_a_window": 0,
        "foreign_refused": 0,
        "windows": [],
        "passed_at": [],
        "refused_at": [],
    }
    return Run(**{**settings, **found})


@pytest.mark.parametrize(
    ("bounds", "found", "misses"),
    [
        ({}, {"seconds": 10.4}, []),
        ({}, {"seconds": 10.6}, ["over 5%"]),
        ({}, {"refused": 1}, ["1 refused, 0 allowed"]),
        ({}, {"refused": 1, "refused_learning": 1}, ["1 refused while learning, 0 allowed"]),
        ({"at_most_in_all": 3}, {"refused": 3, "refused_learning": 2}, []),
        ({"at_most_in_all": 3}, {"refused": 4, "refused_learning": 2}, ["4 refused, 3 allowed"]),
        ({"at_most_of_foreign": 0.1}, {"foreign_share": 0.1}, []),
        ({"at_most_of_foreign": 0.1}, {"foreign_share": 0.125}, ["0.125 of the others' refused, 0.1 allowed"]),
        ({"half_within": 20.0}, {"half_after": 20.0}, []),
        ({"half_within": 20.0}, {"half_after": 21.0}, ["21 s to half of the limit, 20 allowed"]),
        ({"half_within": 20.0}, {}, ["inf s to half of the limit, 20 allowed"]),
        ({"at_most_over": inf}, {"failure": "calls failed: 2 ServerError"}, ["calls failed: 2 ServerError"]),
    ],
)
def test_a_missed_bound_is_said(bounds: dict[str, Any], found: dict[str, Any], misses: list[str]) -> None:
    row = Row(scenario=scenario(**bounds), contender=OURS, runs=[run(**found)])
    assert row.misses == misses
    assert ("MISSED" in to_text(row)) is bool(misses)


def test_nginx_tells_when_a_request_came(tmp_path: Path) -> None:
    book = tmp_path / "access.log"
    book.write_text("1000.500 0.250 200 -\n1000.600 0.000 503 foreign\n", encoding="utf-8")
    first, second = read_book(book, 10)
    assert (first.who, first.status, second.who, second.status) == ("", 200, "foreign", 503)
    assert second.counted - first.counted == pytest.approx(350)


def test_a_program_that_is_not_here_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(NoServerError, match="no redis-server here"):
        redis_here()


def test_scenarios_are_chosen_by_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    everything = (*SCENARIOS, *LONG, *SMOKE)
    assert len({each.name for each in everything}) == len(everything)
    parser = ArgumentParser()
    add_arguments(parser)
    assert parser.parse_args(["--only", "forty,nginx-date"]).only == ["forty", "nginx-date"]
    with pytest.raises(SystemExit):
        parser.parse_args(["--only", "forty,fifty"])
    assert "no scenario is called fifty" in capsys.readouterr().err


def test_a_scenario_survives_its_file() -> None:
    for each in SCENARIOS:
        assert msgspec.json.decode(msgspec.json.encode(each), type=Scenario) == each
