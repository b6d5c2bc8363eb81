"""Limit headers of several parties, of caches, and in the forms of the IETF's drafts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from periskope_async.limits.headers import LimitHeaders, parse_limit_headers

if TYPE_CHECKING:
    from collections.abc import Callable

DATE = "Fri, 24 Jan 2025 05:50:32 GMT"
EPOCH = 1737697832

Line = tuple[str, str]


def read(*lines: Line) -> LimitHeaders:
    return parse_limit_headers(CIMultiDict([("Date", DATE), *lines]))


def numbers(told: LimitHeaders) -> tuple[int | None, int | None, float | None, float | None]:
    return told.limit, told.remaining, told.resets_in, told.window


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [("RateLimit-Limit", "10"), ("RateLimit-Remaining", "7"), ("RateLimit-Reset", "1")],
            (10, 7, 1.0, None),
            id="draft 6",
        ),
        pytest.param(
            [
                ("RateLimit-Policy", "10;w=1"),
                ("RateLimit-Limit", "10"),
                ("RateLimit-Remaining", "7"),
                ("RateLimit-Reset", "1"),
            ],
            (10, 7, 1.0, 1.0),
            id="draft 6, with its policy",
        ),
        pytest.param(
            [
                ("RateLimit-Policy", "30;w=5, 1000;w=600"),
                ("RateLimit-Limit", "30, 30;w=5, 1000;w=600"),
                ("RateLimit-Remaining", "7"),
                ("RateLimit-Reset", "1"),
            ],
            (30, 7, 1.0, 5.0),
            id="draft 6, with two policies",
        ),
        pytest.param(
            [("RateLimit-Policy", "30;w=5"), ("RateLimit", "limit=30, remaining=29, reset=5")],
            (30, 29, 5.0, 5.0),
            id="draft 7",
        ),
        pytest.param([("RateLimit", "reset=5, remaining=29, limit=30")], (30, 29, 5.0, None), id="draft 7, turned"),
        pytest.param([("RateLimit", "limit=30,remaining=29")], (30, 29, None, None), id="draft 7, no reset"),
        pytest.param([("RateLimit", "limit=30")], (30, None, None, None), id="draft 7, the limit alone"),
        pytest.param(
            [("RateLimit", '"10-in-1sec"; r=9; t=1'), ("RateLimit-Policy", '"10-in-1sec"; q=10; w=1; pk=:ab==:')],
            (10, 9, 1.0, 1.0),
            id="draft 8",
        ),
        pytest.param(
            [("RateLimit", '"b";r=90;t=50, "a";r=3;t=1'), ("RateLimit-Policy", '"a";q=10;w=1, "b";q=100;w=60')],
            (10, 3, 1.0, 1.0),
            id="draft 8, several in another order",
        ),
        pytest.param(
            [
                ("RateLimit", '"b";r=90;t=50'),
                ("RateLimit", '"a";r=3;t=1'),
                ("RateLimit-Policy", '"a";q=10;w=1'),
                ("RateLimit-Policy", '"b";q=100;w=60'),
            ],
            (10, 3, 1.0, 1.0),
            id="draft 8, several lines",
        ),
        pytest.param(
            [("RateLimit", '"a, b; c";r=3;t=1'), ("RateLimit-Policy", '"a, b; c";q=10;w=1')],
            (10, 3, 1.0, 1.0),
            id="draft 8, a name with commas",
        ),
        pytest.param([("RateLimit", '"a";r=3;t=1')], (None, None, None, None), id="draft 8, no policy"),
        pytest.param([("RateLimit-Policy", '"a";q=10;w=1')], (None, None, None, None), id="draft 8, a policy alone"),
        pytest.param(
            [("RateLimit", '"a";r=3'), ("RateLimit-Policy", '"a";q=10')], (10, 3, None, None), id="draft 8, no times"
        ),
        pytest.param(
            [("RateLimit", '"a";r=11;t=1'), ("RateLimit-Policy", '"a";q=10;w=1')],
            (None, None, 1.0, 1.0),
            id="draft 8, more left than there are",
        ),
        pytest.param(
            [("RateLimit", '"a";r=3;t=1'), ("RateLimit-Policy", '"a";q=10;w=90000')],
            (10, 3, 1.0, None),
            id="draft 8, a window of a day",
        ),
        pytest.param([("RateLimit", "???"), ("RateLimit-Policy", ";;;,,")], (None, None, None, None), id="junk"),
        pytest.param(
            [
                ("X-RateLimit-Limit", "10"),
                ("X-RateLimit-Remaining", "9"),
                ("RateLimit", "limit=5, remaining=1, reset=5"),
                ("RateLimit-Policy", "10;w=1"),
            ],
            (5, 1, 5.0, None),
            id="draft 7, tighter than the recorded set",
        ),
    ],
)
def test_the_forms_of_the_drafts(lines: list[Line], expected: tuple[object, ...]) -> None:
    """Seconds left are rounded once, unlike a moment beside a Date."""
    told = read(*lines)
    assert numbers(told) == expected
    if told.resets_in is not None:
        assert told.rounded_by == 1.0


def a_set(limit: int, remaining: int, reset: int) -> list[Line]:
    return [
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(remaining)),
        ("X-RateLimit-Reset", str(EPOCH + reset)),
    ]


def joined(first: list[Line], second: list[Line], comma: str = ", ") -> list[Line]:
    """Give the two sets as a gateway writes them that joins lines."""
    return [(name, value + comma + other) for (name, value), (_, other) in zip(first, second, strict=True)]


TIGHT, WIDE = a_set(10, 3, 1), a_set(500, 480, 55)


@pytest.mark.parametrize(
    "lines",
    [
        TIGHT + WIDE,
        WIDE + TIGHT,
        joined(TIGHT, WIDE),
        joined(WIDE, TIGHT),
        joined(TIGHT, WIDE, ","),
    ],
    ids=["twice", "twice, turned", "joined", "joined, turned", "joined without blanks"],
)
def test_of_two_parties_the_tighter_counts(lines: list[Line]) -> None:
    """With its own remaining and reset, in any order."""
    assert numbers(read(*lines)) == (10, 3, 1.0, None)


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize("junk", ["", "ten", "-1", "nan", "9" * 40])
def test_beside_a_limit_that_cannot_be_read_the_other_counts(junk: str, *, is_turned: bool) -> None:
    sets = [TIGHT, [("X-RateLimit-Limit", junk), ("X-RateLimit-Remaining", "5"), ("X-RateLimit-Reset", str(EPOCH))]]
    if is_turned:
        sets.reverse()
    assert numbers(read(*sets[0], *sets[1])) == (10, 3, 1.0, None)


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_remaining_of_nobody_knows_whom_is_the_lowest(*, is_turned: bool) -> None:
    """Two parties wrote it, and one of them no limit."""
    remaining = [("X-RateLimit-Remaining", "3"), ("X-RateLimit-Remaining", "480")]
    if is_turned:
        remaining.reverse()
    assert numbers(read(("X-RateLimit-Limit", "500"), *remaining))[:2] == (500, 3)


def plain(prefix: str, limit: object, remaining: object, reset: object) -> list[Line]:
    """Write a set, with the seconds left to its reset."""
    parts = {"Limit": limit, "Remaining": remaining, "Reset": reset}
    return [(f"{prefix}RateLimit-{part}", str(value)) for part, value in parts.items()]


def draft_7(limit: int, remaining: int, reset: int) -> list[Line]:
    return [("RateLimit", f"limit={limit}, remaining={remaining}, reset={reset}")]


def draft_8(limit: int, remaining: int, reset: int) -> list[Line]:
    return [("RateLimit", f'"default";r={remaining};t={reset}'), ("RateLimit-Policy", f'"default";q={limit}')]


def draft_6(limit: int, remaining: int, reset: int) -> list[Line]:
    return plain("", limit, remaining, reset)


FORMS: dict[str, Callable[[int, int, int], list[Line]]] = {
    "recorded": a_set,
    "draft 6": draft_6,
    "draft 7": draft_7,
    "draft 8": draft_8,
}


def every_order(*lines: Line) -> list[list[Line]]:
    """Give the lines as they are, turned, and with equal names joined by commas in both orders."""
    orders = [list(lines), list(reversed(lines))]
    for order in list(orders):
        names = dict.fromkeys(name for name, _ in order)
        orders.append([(name, ", ".join(value for other, value in order if other == name)) for name in names])
    return orders


@pytest.mark.parametrize("wide", FORMS)
@pytest.mark.parametrize("tight", FORMS)
def test_of_two_parties_in_any_forms_the_tighter_counts(tight: str, wide: str) -> None:
    """With its own remaining and reset. Both call themselves alike in draft 8."""
    for lines in every_order(*FORMS[tight](10, 3, 1), *FORMS[wide](1000, 990, 60)):
        assert numbers(read(*lines)) == (10, 3, 1.0, None)


@pytest.mark.parametrize("other", FORMS)
@pytest.mark.parametrize("one", FORMS)
def test_of_equal_limits_the_lower_remaining_and_the_later_reset_count(one: str, other: str) -> None:
    for lines in every_order(*FORMS[one](10, 9, 60), *FORMS[other](10, 2, 1)):
        assert numbers(read(*lines)) == (10, 2, 60.0, None)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [*plain("X-", 10, 9, 1), ("X-RateLimit-Reset", "60")], (10, 9, 60.0, None), id="one limit, two resets"
        ),
        pytest.param(
            [*plain("X-", 10, 9, 60), ("X-RateLimit-Reset", str(EPOCH + 2))],
            (10, 9, 60.0, None),
            id="resets in two dialects",
        ),
        pytest.param(
            [
                *plain("X-", 10, 9, "Fri, 24 Jan 2025 05:50:34 GMT"),
                ("X-RateLimit-Reset", "Friday, 24-Jan-25 05:50:39 GMT"),
            ],
            (10, 9, 7.0, None),
            id="resets as dates",
        ),
        pytest.param(
            [*plain("X-", 10, 9, 1), ("X-RateLimit-Reset", "soon")], (10, 9, 1.0, None), id="a reset of words"
        ),
        pytest.param(
            [*plain("X-", 10, 9, 1), ("X-RateLimit-Remaining", "some")], (10, 9, 1.0, None), id="a remaining of words"
        ),
        pytest.param([*plain("X-", 10, 9, 1), *plain("", 0, 0, 0)], (10, 9, 1.0, None), id="a limit of nothing"),
        pytest.param(
            [*plain("X-", 10, 990, 1), *draft_7(1000, 990, 60)], (None, None, 1.0, None), id="more left than 10"
        ),
        pytest.param(
            [("X-RateLimit-Remaining", "990"), *draft_7(10, 9, 1)], (10, 9, 1.0, None), id="no limit beside one"
        ),
        pytest.param(
            [*draft_7(10, 9, 1), ("RateLimit", "limit=1000, remaining=990")], (10, 9, 1.0, None), id="a part less often"
        ),
        pytest.param(
            [("RateLimit-Limit", "1000, 1000;w=60"), ("RateLimit-Limit", "10, 10;w=1"), ("RateLimit-Remaining", "3")],
            (10, 3, None, None),
            id="draft 6, each with its policy",
        ),
        pytest.param(
            [("RateLimit", '"a";r=3;r=7;t=1;t=60'), ("RateLimit-Policy", '"a";q=1000;q=10;q=1000')],
            (10, 3, 60.0, None),
            id="a parameter given twice",
        ),
    ],
)
def test_a_doubtful_number_never_widens_a_budget(lines: list[Line], expected: tuple[object, ...]) -> None:
    for order in every_order(*lines):
        assert numbers(read(*order)) == expected


@pytest.mark.parametrize(
    ("policies", "window"),
    [
        pytest.param(["10;w=1", "10;w=60"], 60.0, id="of one limit"),
        pytest.param(["10;w=1", "1000;w=60"], 1.0, id="of another limit"),
        pytest.param(['"a";q=10;w=1', '"b";q=10;w=60'], 60.0, id="with names"),
        pytest.param(['"a";q=10;w=1', '"a";q=1000;w=60'], 1.0, id="with one name"),
        pytest.param(["10;w=1", '"a";q=10;w=60'], 60.0, id="of two drafts"),
        pytest.param(["10;w=1", "10;w=90000"], None, id="of a day"),
        pytest.param(["10;w=1", '10;comment="x;w=60"'], 1.0, id="in quotes"),
    ],
)
def test_the_longest_window_of_a_limit_counts(policies: list[str], window: float | None) -> None:
    for lines in every_order(*(("RateLimit-Policy", policy) for policy in policies)):
        assert read(*TIGHT, *lines).window == window


@pytest.mark.parametrize(
    "comment", ['comment="x;q=1;w=9;r=0;t=9"', r'comment="\";q=1;w=9;r=0;t=9;\""', 'comment="x;q=1;w=9, r=0']
)
def test_what_stands_in_quotes_is_no_number(comment: str) -> None:
    told = read(("RateLimit", f'"a";r=3;t=1;{comment}'), ("RateLimit-Policy", f'"a";q=10;w=1;{comment}'))
    assert numbers(told) == (10, 3, 1.0, 1.0)


@pytest.mark.parametrize(
    ("waits", "longest"),
    [
        (["1", "30"], 30.0),
        (["1", "Fri, 24 Jan 2025 05:51:02 GMT"], 30.0),
        (["30", "Fri, 24 Jan 2025 05:50:33 GMT"], 30.0),
        (["30", "soon"], 30.0),
        (["-1", "0"], 0.0),
        (["", "soon"], None),
    ],
)
def test_of_several_retry_after_the_longest_counts(waits: list[str], longest: float | None) -> None:
    for lines in every_order(*(("Retry-After", wait) for wait in waits)):
        assert read(*lines).retry_after == longest


@pytest.mark.parametrize(
    ("age", "is_cached"),
    [(None, False), ("0", False), ("1", True), ("86400", True), ("junk", False), ("", False), ("-5", False)],
)
def test_an_age_tells_of_a_cache(age: str | None, *, is_cached: bool) -> None:
    """The numbers beside it are of an earlier answer."""
    told = read(*TIGHT, *([] if age is None else [("Age", age)]))
    assert told.is_cached is is_cached
    assert numbers(told) == (10, 3, 1.0, None)


_PARTY = st.integers(1, 1_000).flatmap(
    lambda limit: st.tuples(st.just(limit), st.integers(0, limit), st.integers(0, 600))
)


@given(
    parties=st.lists(_PARTY, min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
    form=st.sampled_from("tj8"),
)
def test_no_order_or_form_widens_a_limit(parties: list[tuple[int, int, int]], order: object, form: str) -> None:
    """The lowest limit, and its own remaining: whoever came first, in lines, in one line or in the drafts' form."""
    lowest = min(limit for limit, _, _ in parties)
    left = {remaining for limit, remaining, _ in parties if limit == lowest}
    order.shuffle(parties)  # type: ignore[attr-defined]
    if form == "8":
        lines = [("RateLimit", f'"{number}";r={each[1]};t={each[2]}') for number, each in enumerate(parties)]
        lines += [("RateLimit-Policy", f'"{number}";q={each[0]};w=60') for number, each in enumerate(parties)]
        order.shuffle(lines)  # type: ignore[attr-defined]
    elif form == "t":
        lines = [line for each in parties for line in a_set(*each)]
    else:
        columns = zip(*(a_set(*each) for each in parties), strict=True)
        lines = [(column[0][0], ", ".join(value for _, value in column)) for column in columns]
    told = read(*lines)
    assert told.limit == lowest
    assert told.remaining in left


@given(limit=st.integers(1, 999), copies=st.integers(2, 4), remaining=st.integers(0, 999))
def test_copies_of_one_set_are_one_set(limit: int, copies: int, remaining: int) -> None:
    remaining = min(limit, remaining)
    once = a_set(limit, remaining, 3)
    assert read(*once * copies) == read(*once)


_NAMES = st.sampled_from(
    [
        "Date",
        "Age",
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
        *(f"{prefix}RateLimit-{part}" for prefix in ("", "X-") for part in ("Limit", "Remaining", "Reset")),
    ]
)
_VALUES = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.text('";=,.:-0123456789 abqrtwWZ', max_size=40),
    st.sampled_from([DATE, "10", "10, 5", "10;w=1", '"a";q=10;w=1', '"a";r=3;t=1', "limit=5, remaining=1, reset=9"]),
)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=14))
def test_no_junk_raises_or_gives_a_number_that_makes_no_sense(lines: list[Line]) -> None:
    """Over all names, each as often as it likes."""
    told = parse_limit_headers(CIMultiDict(lines))
    assert told.limit is None or told.limit > 0
    assert told.remaining is None or told.remaining >= 0
    assert told.limit is None or told.remaining is None or told.remaining <= told.limit
    for seconds in (told.resets_in, told.retry_after):
        assert seconds is None or 0 <= seconds < math.inf
    assert told.window is None or 0 < told.window <= 900
    assert told.rounded_by in {1.0, 2.0}
    assert all(isinstance(said, str) and said for said in told.unusable)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=14))
def test_names_are_read_in_any_case(lines: list[Line]) -> None:
    lower = [(name.lower(), value) for name, value in lines]
    assert parse_limit_headers(CIMultiDict(lower)) == parse_limit_headers(CIMultiDict(lines))
