"""A limit's 503 and that of a server that is down."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from periskope_async.limits.overload import Overload


def verdicts(*statuses: int, every: float = 0.1) -> list[bool]:
    overload = Overload()
    return [overload.is_limit(status, number * every) for number, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "is_limit"),
    [
        ([503], False),
        ([200, 200, 503], False),
        ([503, 503, 503, 503], False),
        ([200, 503, 503], False),
        ([200, 200, 503, 503], True),
        ([503, 200, 503, 200, 503], True),
        ([201, 204, 503, 503], True),
        ([404, 404, 503, 503], False),
        ([500, 502, 503, 503], False),
        ([200, 200, 503, 500], False),
        ([200, 200, 503, 429], False),
        ([200, 200, 503, 503, 200], False),
    ],
)
def test_the_last_answer_is_a_limits(statuses: list[int], *, is_limit: bool) -> None:
    """Several 503s with several passes in between are; one alone, or nothing but 503s, may be anything."""
    assert verdicts(*statuses)[-1] is is_limit


def test_what_is_seconds_old_counts_no_more() -> None:
    assert not any(verdicts(200, 200, 503, 503, every=3.0))


def test_a_server_that_went_down_is_one_limits_worth_at_the_most() -> None:
    """After the passes before it are forgotten, it is what it is."""
    told = verdicts(*[200] * 30, *[503] * 60)
    assert not any(told[30 + 20 :])


@given(st.lists(st.tuples(st.sampled_from([200, 404, 429, 500, 502, 503, 504]), st.floats(0, 3)), max_size=60))
def test_only_a_503_ever_is(answers: list[tuple[int, float]]) -> None:
    """And only with another one, and two passes, in the last five seconds."""
    overload, now = Overload(), 0.0
    seen: list[tuple[float, int]] = []
    for status, gap in answers:
        now += gap
        seen.append((now, status))
        recent = [each for at, each in seen if at > now - 5.0]
        if overload.is_limit(status, now):
            assert status == 503
            assert recent.count(503) >= 2
            assert recent.count(200) >= 2
