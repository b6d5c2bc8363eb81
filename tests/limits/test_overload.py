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
        ([200, 503, 503], True),
        ([200, 529, 529], True),
        ([200, 529, 503], True),
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
    """Several 503s beside a pass are; one alone, or nothing but 503s, may be anything."""
    assert verdicts(*statuses)[-1] is is_limit


def test_a_limit_may_be_as_slow_as_four_a_minute() -> None:
    assert verdicts(200, 503, 503, every=14.0)[-1]


def test_what_is_half_a_minute_old_counts_no_more() -> None:
    assert not any(verdicts(200, 200, 503, 503, every=16.0))


def test_a_server_that_went_down_is_one_limits_worth_at_the_most() -> None:
    """After the passes before it are forgotten, it is what it is."""
    told = verdicts(*[200] * 30, *[503] * 60)
    assert not any(told[30 + 20 :])
    assert not any(verdicts(*[200] * 30, *[503] * 60, every=5.0)[30 + 6 :])


@given(st.lists(st.tuples(st.sampled_from([200, 404, 429, 500, 502, 503, 504, 529]), st.floats(0, 9)), max_size=60))
def test_only_a_503_or_a_529_ever_is(answers: list[tuple[int, float]]) -> None:
    """And only with another one, and a pass, in the last half minute."""
    overload, now = Overload(), 0.0
    seen: list[tuple[float, int]] = []
    for status, gap in answers:
        now += gap
        seen.append((now, status))
        recent = [each for at, each in seen if at > now - 30.0]
        if overload.is_limit(status, now):
            assert status in {503, 529}
            assert recent.count(503) + recent.count(529) >= 2
            assert 200 in recent
