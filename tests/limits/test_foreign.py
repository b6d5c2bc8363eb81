"""What somebody else on the same key is expected to spend."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st

from periskope_async.limits.foreign import ForeignUse


def test_nobody_was_seen() -> None:
    foreign = ForeignUse()
    assert foreign.is_quiet
    assert (foreign.spent(0.0), foreign.expected(1e9, 1.0), foreign.next_change()) == (0, 0, -math.inf)


def test_what_they_spent_is_gone_until_the_window_is_over() -> None:
    foreign = ForeignUse()
    foreign.seen(4, 10.0, 1.0)
    assert (foreign.is_quiet, foreign.spent(10.9), foreign.spent(11.0)) == (False, 4, 0)
    assert foreign.next_change() == 11.0


def test_what_was_missed_is_expected_and_not_spent() -> None:
    """It was of a window that is over."""
    foreign = ForeignUse()
    foreign.missed(3, 10.0, 1.0)
    assert (foreign.spent(10.5), foreign.expected(10.5, 1.0)) == (0, 3)


def test_what_ended_is_soon_expected_no_more() -> None:
    """A little less with each window that passes, and it is quiet in the end."""
    foreign = ForeignUse()
    foreign.seen(4, 10.0, 1.0)
    expected: list[int] = []
    for window in range(1, 40):
        foreign.pass_windows(10.0 + window, 1.0)
        expected.append(foreign.expected(10.0 + window, 1.0))
    assert expected[0] == 4
    assert expected == sorted(expected, reverse=True)
    assert expected[-1] == 0
    assert foreign.is_quiet


def test_what_goes_on_is_expected_longer_than_what_ended() -> None:
    """An answer shows the use before it. If most of what is expected was seen, it has hardly become less."""
    windows: list[int] = []
    for seen in (0, 3, 4, 5):
        foreign = ForeignUse()
        foreign.seen(6, 10.0, 1.0)
        window = 0
        while foreign.expected(10.0 + window, 1.0) > 4 + (seen == 5):
            window += 1
            foreign.pass_windows(10.0 + window, 1.0)
            foreign.seen(seen, 10.5 + window, 1.0)
        windows.append(window)
    assert windows == [5, 5, 11, 8]


def test_a_long_rest_is_many_windows() -> None:
    """What nobody looked at passes all the same."""
    foreign = ForeignUse()
    foreign.seen(5, 10.0, 1.0)
    assert foreign.expected(12.5, 1.0) <= 5
    assert foreign.expected(60.0, 1.0) == 0
    foreign.pass_windows(60.0, 1.0)
    assert foreign.is_quiet


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.floats(0, 5)), max_size=40))
def test_it_never_expects_more_than_was_seen(events: list[tuple[bool, int, float]]) -> None:
    foreign, now, most = ForeignUse(), 100.0, 0
    for is_seen, count, gap in events:
        now += gap
        (foreign.seen if is_seen else foreign.missed)(count, now, 1.0)
        most = max(most, count)
        for later in (0.0, 0.5, 1.5, 7.0):
            assert 0 <= foreign.expected(now + later, 1.0) <= most
            assert 0 <= foreign.spent(now + later) <= most
