"""How long the window is taken to be, by what was told of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from periskope_async.limits.hints import Trust
from periskope_async.limits.window import WindowEstimate

if TYPE_CHECKING:
    from collections.abc import Sequence

Event = tuple[str, Any]


def estimate(*events: Event, assumed: float = 1.0, is_callers_word: bool = False) -> WindowEstimate:
    """Tell an estimate so many things, one after the other."""
    window = WindowEstimate(assumed, is_callers_word=is_callers_word)
    tell(window, events)
    return window


def tell(window: WindowEstimate, events: Sequence[Event]) -> None:
    for what, value in events:
        match what:
            case "hint":
                window.hint(float(value), late_by=0, ends_by=-math.inf)
            case "late hint":
                window.hint(float(value[0]), late_by=value[1], ends_by=-math.inf)
            case "ended":
                window.ended(value, at_most=value)
            case "lasted":
                window.lasted(value)
            case "exact":
                window.trust_hints(Trust.ONE_CLOCK if value else Trust.NOTHING)
            case "reset":
                window.observe_reset(value, 0.0, rounded_by=2.0, late_by=0)
            case _:
                window.doubt()


DOUBT: Event = ("doubt", None)


@pytest.mark.parametrize(
    ("events", "seconds", "is_relied_on", "is_proven"),
    [
        pytest.param([], 1.0, True, False, id="assumed"),
        pytest.param([("hint", 1)], 1.0, True, False, id="hinted as assumed"),
        pytest.param([("ended", 1.01)], 1.0, True, True, id="assumed and passed"),
        pytest.param([DOUBT], 1.0, False, False, id="doubted"),
        pytest.param([("hint", 2)], 2.0, False, False, id="hinted longer"),
        pytest.param([("late hint", (1, 1))], 1.0, True, False, id="Date may be late"),
        pytest.param([DOUBT, ("late hint", (1, 1))], 2.0, False, False, id="doubted, and Date may be late"),
        pytest.param([("hint", 2), ("ended", 2.02)], 2.0, True, True, id="hinted and passed"),
        pytest.param([("hint", 2), ("ended", 3.4)], 2.0, False, False, id="ended too late to tell"),
        pytest.param([("hint", 60), ("ended", 60.02)], 60.0, True, True, id="a minute"),
        pytest.param([("exact", True), ("hint", 5)], 5.0, True, True, id="exact"),
        pytest.param([("exact", True), ("hint", 5), ("hint", 6)], 6.0, False, False, id="exact, yet two"),
        pytest.param([("exact", True), ("hint", 5), ("exact", False)], 5.0, False, False, id="no more exact"),
        pytest.param([("lasted", 1.5)], 2.0, False, False, id="lasted longer"),
        pytest.param([("lasted", 2.5)], 3.0, False, False, id="lasted to the next usual length"),
        pytest.param([("lasted", 1_000.0)], 2_000.0, False, False, id="longer than usual"),
        pytest.param([("hint", 3), ("lasted", 3.5)], 5.0, False, False, id="longer than hinted"),
        pytest.param([("hint", 4), ("ended", 2.02)], 2.0, False, False, id="shorter than hinted, once"),
        pytest.param([("hint", 4), ("ended", 2.02)] * 4, 2.0, True, True, id="shorter than hinted, again and again"),
        pytest.param([("ended", 0.52)], 0.5, False, False, id="half a second"),
        pytest.param([("ended", 0.52)] * 3, 0.5, True, True, id="half a second, again and again"),
        pytest.param([("lasted", 1.4), ("ended", 1.52)], 1.5, False, False, id="between whole seconds"),
        pytest.param([("lasted", 1.6), ("ended", 1.7)], 1.7, False, False, id="between halves"),
    ],
)
def test_what_is_told_and_what_is_taken(
    events: list[Event], seconds: float, *, is_relied_on: bool, is_proven: bool
) -> None:
    window = estimate(*events)
    assert (window.seconds, window.is_relied_on, window.is_proven) == (seconds, is_relied_on, is_proven)


def test_the_callers_word_is_proof() -> None:
    window = estimate(("hint", 1), assumed=60.0, is_callers_word=True)
    assert (window.seconds, window.is_relied_on, window.is_proven) == (60.0, True, True)


def test_the_callers_word_gives_way_to_counts() -> None:
    """The server was asked, and said otherwise."""
    assert estimate(("lasted", 61.0), assumed=60.0, is_callers_word=True).seconds > 61.0
    assert estimate(("ended", 30.5), assumed=60.0, is_callers_word=True).seconds <= 30.5


@pytest.mark.parametrize(("first", "then"), [("ended", "lasted"), ("lasted", "ended")])
def test_of_two_that_contradict_each_other_the_later_counts(first: str, then: str) -> None:
    """Windows that became longer, or shorter."""
    window = estimate(DOUBT, (first, 2.1 if first == "ended" else 5.0), (then, 5.0 if then == "lasted" else 2.1))
    assert window.seconds > 5.0 if then == "lasted" else window.seconds <= 2.1


def test_what_is_shorter_than_the_known_is_no_news() -> None:
    window = estimate(("lasted", 2.5))
    assert [window.is_news(after) for after in (1.0, 2.5, 2.9)] == [False, False, True]


def test_hints_that_change_are_followed() -> None:
    """The latest few of them count."""
    window = estimate(*[("hint", 2)] * 10, *[("hint", 5)] * 4)
    assert window.seconds == 5.0


@pytest.mark.parametrize("limit", [1, 3, 4, 10, 40])
def test_few_are_kept_to_ask_with(limit: int) -> None:
    """Not more than a quarter of a window for lengths that are only possible, with one or two for those hinted at."""
    window = estimate(DOUBT, ("reset", 61.0), ("hint", 60))
    for now in (0.0, 0.5, 7.0, 59.0, 61.0):
        assert 0 <= window.held(0.0, now, limit, free=limit, asked_at=now) <= limit // 4


def test_none_are_kept_once_the_length_is_proven() -> None:
    window = estimate(("exact", True), ("hint", 10), ("ended", 10.02))
    assert [window.held(0.0, now, 100, free=100, asked_at=now) for now in (0.0, 5.0, 9.9, 10.0)] == [0, 0, 0, 0]
    assert window.next_moment(0.0, 0.0, 100, spare=9) == math.inf


def test_a_length_that_two_clocks_may_have_made_is_asked_about() -> None:
    """A window that was found where its hint has it may have ended long before."""
    window = estimate(("hint", 10), ("ended", 10.02))
    for asked in (1.0, 2.0, 3.0, 5.0):
        assert window.next_moment(0.0, 0.0, 4, spare=1) == asked
        assert window.is_news(asked)
        window.lasted(asked)
    assert window.held(0.0, 0.0, 4, free=4, asked_at=0.0) == 0


@pytest.mark.parametrize(
    ("events", "after"),
    [
        ([("hint", 31)], 1.0),
        ([("hint", 31), ("lasted", 1.0)], 2.0),
        ([("hint", 31), ("lasted", 30.5)], 31.0),
        ([("hint", 31), ("ended", 31.1)], 31.0),
        ([("exact", True), ("hint", 31)], 31.0),
        ([("hint", 2)], 2.0),
    ],
    ids=["once", "refused", "to the end", "ended", "one clock", "short"],
)
def test_a_long_hint_is_tried_before_it_is_waited_for(events: list[Event], after: float) -> None:
    """Where no request is left to ask with: one may be refused, and says how long the wait is."""
    assert estimate(*events).asks_after(10) == after


def test_a_low_limit_risks_no_refusal() -> None:
    assert estimate(("hint", 31)).asks_after(3) == 31.0


def test_those_kept_go_one_by_one() -> None:
    """At each moment at which a shorter window would be over, one."""
    window = estimate(DOUBT, ("lasted", 4.0), ("hint", 60))
    now, kept = 0.0, window.held(0.0, 0.0, 40, free=40, asked_at=0.0)
    assert kept > 0
    while (moment := window.next_moment(0.0, now, 40, spare=kept + 1)) < math.inf:
        assert now < moment < 60.0
        assert moment > 4.0
        now = moment
        assert window.held(0.0, now, 40, free=40, asked_at=now) < kept
        kept = window.held(0.0, now, 40, free=40, asked_at=now)
    assert kept == 0


def test_nobody_knows_when_a_window_opened() -> None:
    """Then there is no moment to ask at."""
    window = estimate(DOUBT, ("hint", 60))
    assert window.next_moment(None, 0.0, 40, spare=9) == math.inf


_SECONDS = st.floats(0.01, 2_000)
_EVENT: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.just("hint"), st.integers(0, 900)),
    st.tuples(st.just("late hint"), st.tuples(st.integers(0, 900), st.integers(0, 30))),
    st.tuples(st.sampled_from(["ended", "lasted", "reset"]), _SECONDS),
    st.tuples(st.just("exact"), st.booleans()),
    st.just(DOUBT),
)


@given(events=st.lists(_EVENT, max_size=30), assumed=_SECONDS, is_callers_word=st.booleans(), limit=st.integers(1, 99))
def test_it_stands_whatever_is_told(events: list[Event], assumed: float, limit: int, *, is_callers_word: bool) -> None:
    """However the headers and counts contradict each other: a length above 0, and no more kept than there are."""
    window = WindowEstimate(assumed, is_callers_word=is_callers_word)
    for event in events:
        tell(window, [event])
        assert 0 < window.seconds < math.inf
        assert window.is_relied_on or not window.is_proven
        for opened in (None, 100.0):
            for now in (100.0, 101.7, 500.0, 1e5):
                assert 0 <= window.held(opened, now, limit, free=limit, asked_at=now) <= limit // 4
                assert window.next_moment(opened, now, limit, spare=3) > now


@given(events=st.lists(_EVENT, max_size=10), seconds=st.sampled_from([1.0, 2.0, 3.0, 7.0, 10.0, 60.0]))
def test_true_counts_win_in_the_end(events: list[Event], seconds: float) -> None:
    """Whatever was told before: windows that are found where they are make their length sure."""
    window = estimate(*events)
    for _ in range(8):
        window.hint(seconds, late_by=0, ends_by=-math.inf)
        if window.is_news(seconds - 0.01):
            window.lasted(seconds - 0.01)
        window.ended(seconds + 0.02, at_most=seconds + 0.02)
    assert window.is_relied_on
    assert window.seconds == pytest.approx(seconds, rel=0.05)


@given(st.lists(st.floats(0.02, 0.4), min_size=6, max_size=6), st.sampled_from([1.0, 2.0, 3.0, 10.0, 60.0]))
def test_one_that_is_too_short_is_never_sure(late: list[float], seconds: float) -> None:
    """As long as counts and headers tell of the true one."""
    window = estimate(DOUBT)
    for each in late:
        window.hint(seconds, late_by=0, ends_by=-math.inf)
        window.ended(seconds + each, at_most=seconds + each)
        assert not (window.is_relied_on and window.seconds < seconds)
