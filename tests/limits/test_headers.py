"""The limit's headers in every dialect that servers and gateways write."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from periskope_async.limits.headers import MOST_RETRY_AFTER_SECONDS, LimitHeaders, parse_limit_headers

DATE = "Fri, 24 Jan 2025 05:50:32 GMT"
EPOCH = 1737697832


def read(**headers: str) -> LimitHeaders:
    return parse_limit_headers({name.replace("_", "-"): value for name, value in headers.items()})


def test_the_recorded_answer() -> None:
    told = read(
        Date=DATE, **{"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "1737697834"}
    )
    assert told == LimitHeaders(limit=10, remaining=9, resets_in=2.0, server_time=float(EPOCH))
    assert told


@pytest.mark.parametrize(
    ("reset", "resets_in"),
    [
        (str(EPOCH + 2), 2.0),
        (f"{EPOCH + 1}.5", 1.5),
        (f"{(EPOCH + 2) * 1000}", 2.0),
        ("2", 2.0),
        ("0", 0.0),
        ("59.25", 59.25),
        ("Fri, 24 Jan 2025 05:50:34 GMT", 2.0),
        ("2025-01-24T05:50:34Z", 2.0),
        ("2025-01-24T11:20:34+05:30", 2.0),
        (str(EPOCH - 1), 0.0),  # a slow handler writes its Date after the window has ended
    ],
)
def test_a_reset_in_any_form_becomes_a_difference(reset: str, resets_in: float) -> None:
    told = parse_limit_headers({"Date": DATE, "X-RateLimit-Reset": reset})
    assert told.resets_in == resets_in
    assert told.unusable == ()


@pytest.mark.parametrize(
    "reset", ["soon", "-2", "nan", "inf", "1e9", "1_737_697_834", "", "12345678", str(EPOCH - 7200), "١٢٣", "9" * 400]
)
def test_a_reset_that_cannot_be_trusted_reads_as_none_and_is_named(reset: str) -> None:
    told = parse_limit_headers({"Date": DATE, "X-RateLimit-Reset": reset})
    assert told.resets_in is None
    assert "X-RateLimit-Reset" in told.unusable[0]


def test_an_epoch_without_a_date_is_never_compared_with_our_clock() -> None:
    told = parse_limit_headers({"X-RateLimit-Reset": str(EPOCH)})
    assert told.resets_in is None
    assert "no Date header" in told.unusable[0]


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"),
    [
        ("10", "9", (10, 9)),
        ("100, 100;w=60", "99", (100, 99)),
        ("10.0", "0", (10, 0)),
        (" 10 ", "10", (10, 10)),
        ("10", "11", (None, None)),
        ("0", "0", (None, 0)),
        ("ten", "9", (None, 9)),
        ("10", "-1", (10, None)),
        ("10", "9.5", (10, None)),
    ],
)
def test_limit_and_remaining(limit: str, remaining: str, expected: tuple[int | None, int | None]) -> None:
    told = parse_limit_headers({"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining})
    assert (told.limit, told.remaining) == expected
    assert bool(told.unusable) is (None in expected)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1.0),
        ("2.5", 2.5),
        ("120", 120.0),
        ("Fri, 24 Jan 2025 05:50:35 GMT", 3.0),
        ("0", 0.0),
        ("604800", 604_800.0),  # seven days
        ("Fri, 31 Jan 2025 05:50:32 GMT", 604_800.0),
        (str(EPOCH + 3), 3.0),
        (f"{EPOCH + 3}.25", 3.25),
        (str((EPOCH + 3) * 1000), 3.0),
        ("2025-01-24T05:50:35Z", 3.0),
        (str(EPOCH - 2), 0.0),
        ("Fri, 24 Jan 2025 05:50:30 GMT", 0.0),
        ("604801, 3", 3.0),
    ],
)
def test_a_retry_after_in_any_form_becomes_a_difference(text: str, seconds: float) -> None:
    assert parse_limit_headers({"Date": DATE, "Retry-After": text}).retry_after == seconds


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "later",
        "",
        "1m",
        "604801",
        "1000000",
        "12345678",
        "Fri, 31 Jan 2025 05:50:33 GMT",
        "Sun, 06 Nov 2094 08:49:37 GMT",
        str(EPOCH + 604_801),
        str((EPOCH + 604_801) * 1000),
        "9" * 18,
        "Thu, 01 Jan 1970 00:00:00 GMT",
    ],
)
def test_a_retry_after_that_makes_no_sense_is_named(text: str) -> None:
    told = parse_limit_headers({"Date": DATE, "Retry-After": text})
    assert told.retry_after is None
    assert "Retry-After" in told.unusable[0]


@pytest.mark.parametrize("text", [DATE, str(EPOCH), str(EPOCH * 1000)])
def test_a_retry_after_moment_without_a_date_header_is_not_guessed(text: str) -> None:
    told = parse_limit_headers({"Retry-After": text})
    assert told.retry_after is None
    assert "no Date header" in told.unusable[0]


def test_no_headers_at_all_say_nothing() -> None:
    told = parse_limit_headers({})
    assert told == LimitHeaders()
    assert not told


NAMES = ["Date", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text() | st.integers().map(str) | st.floats().map(str)))
def test_no_junk_raises_or_gives_a_number_that_makes_no_sense(headers: dict[str, str]) -> None:
    told = parse_limit_headers(headers)
    assert told.resets_in is None or 0 <= told.resets_in < float("inf")
    assert told.retry_after is None or 0 <= told.retry_after <= MOST_RETRY_AFTER_SECONDS
    assert told.limit is None or told.limit > 0
    assert told.limit is None or told.remaining is None or 0 <= told.remaining <= told.limit
