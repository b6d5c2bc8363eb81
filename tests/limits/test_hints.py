"""What the headers' lengths of the latest windows say together."""

from __future__ import annotations

import pytest

from periskope_async.limits.hints import Hints, Trust


def after(*lengths: float, late_by: int = 0, trust: Trust = Trust.ONE_CLOCK) -> Hints:
    hints = Hints()
    hints.trust(trust)
    for length in lengths:
        hints.add(length, late_by=late_by)
    return hints


@pytest.mark.parametrize(
    ("hints", "are_exact"),
    [
        (after(), False),
        (after(2), False),
        (after(2, 2, 2), True),
        (after(1, 2, 1, 2), False),
        (after(1, 2, 2, 2, 2), True),
        (after(10), True),
        (after(1, trust=Trust.TOLD), True),
        (after(10, 10, 10, trust=Trust.NOTHING), False),
    ],
)
def test_equal_hints_of_one_clock_are_exact(hints: Hints, *, are_exact: bool) -> None:
    assert hints.are_exact is are_exact


def test_the_bounds_are_the_largest_of_all_hints() -> None:
    hints = after(1, late_by=5)
    hints.add(3, late_by=0)
    assert (hints.shortest, hints.longest, hints.are_quick) == (3, 6, False)
    assert hints.drop_latest()
    assert (hints.shortest, hints.longest) == (1, 6)
    assert hints.drop_latest()
    assert (hints.shortest, hints.longest, hints.are_quick) == (0, 0, True)
    assert not hints.drop_latest()


def test_trust_says_whether_it_is_new() -> None:
    hints = Hints()
    trusts = (Trust.NOTHING, Trust.ONE_CLOCK, Trust.ONE_CLOCK, Trust.NOTHING)
    assert [hints.trust(trust) for trust in trusts] == [False, True, False, True]
