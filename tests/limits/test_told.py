"""The latest word on the limit: which answers it is taken from."""

from __future__ import annotations

import math

import pytest

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.tokens import Token
from periskope_async.limits.told import Told


def token(number: int, sent_at: float = 0.0) -> Token:
    return Token(sent_at, number, sent_at, sent_at)


def limits(told: Told, *answers: tuple[float, int], window: float = 1.0) -> list[int]:
    """Give the limit that is kept to after each answer."""
    return [told.take_limit(token(number), limit, at, window=window) for number, (at, limit) in enumerate(answers)]


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ([(0.0, 100)], [100]),
        ([(0.0, 10), (0.1, 5)], [10, 5]),
        ([(0.0, 10), (0.1, 20), (0.9, 20), (1.0, 20), (1.1, 20)], [10, 10, 10, 10, 20]),
        ([(0.0, 10), (0.1, 20), (0.5, 10), (1.2, 20), (1.9, 20), (2.2, 20)], [10, 10, 10, 10, 10, 20]),
        ([(0.0, 10), (0.1, 30), (0.5, 20), (1.1, 30), (2.1, 30)], [10, 10, 10, 20, 20]),
        ([(0.0, 10), (0.1, 20), (9.0, 20)], [10, 10, 20]),
    ],
    ids=["first", "lower at once", "higher after a window", "begun anew", "lowest of the window", "after a rest"],
)
def test_the_limit_to_keep_to(answers: list[tuple[float, int]], kept: list[int]) -> None:
    assert limits(Told(), *answers) == kept


def test_of_two_limits_in_turn_the_lower_counts() -> None:
    """They are those of two parties, as long as it goes on."""
    answers = [(number * 0.3, 10 if number % 2 else 100) for number in range(100)]
    assert set(limits(Told(), *answers)[1:]) == {10}


def test_an_older_answer_lowers_nothing() -> None:
    """It was sent before the window that the latest one speaks of."""
    told = Told()
    told.take_limit(token(5), 10, 0.0, window=1.0)
    told.take_end(token(5), 0.0, LimitHeaders(limit=10, remaining=5, resets_in=1.0))
    assert told.take_limit(token(3), 4, 0.1, window=1.0) == 10
    assert told.take_limit(token(6), 4, 0.2, window=1.0) == 4


def test_the_windows_end_is_of_the_latest_request() -> None:
    told = Told()
    told.take_end(token(5), 10.0, LimitHeaders(resets_in=3.0))
    told.take_end(token(4), 10.1, LimitHeaders(resets_in=30.0))
    assert (told.ends_by, told.at) == (13.0, 10.0)
    told.take_end(token(6), 10.2, LimitHeaders())
    assert (told.ends_by, told.at) == (math.inf, 10.2)


@pytest.mark.parametrize(
    ("date", "sent_at", "is_cached", "is_older", "is_stale"),
    [
        (100.0, 11.0, False, False, False),
        (101.0, 11.0, False, False, False),
        (99.0, 11.0, False, True, False),  # two servers' clocks may be a second apart
        (98.0, 11.0, False, True, True),
        (98.0, 9.0, False, False, False),  # under way together: the other one was only quicker
        (None, 11.0, False, False, False),
        (100.0, 11.0, True, False, True),
        (None, 11.0, True, False, True),
    ],
)
def test_an_answer_that_was_not_made_for_its_request(
    date: float | None, sent_at: float, *, is_cached: bool, is_older: bool, is_stale: bool
) -> None:
    """It says that a cache kept it, or its Date is older than one that was there before the request was sent."""
    told = Told()
    told.take_end(token(1), 10.0, LimitHeaders(server_time=100.0))
    headers = LimitHeaders(limit=10, remaining=3, server_time=date, is_cached=is_cached)
    assert told.is_older(token(2, sent_at), headers) is is_older
    assert told.is_stale(token(2, sent_at), headers) is is_stale


def test_an_older_date_does_not_turn_back_the_latest() -> None:
    told = Told()
    for date in (100.0, 50.0):
        told.take_end(token(1), 10.0, LimitHeaders(server_time=date))
    assert told.is_stale(token(2, 11.0), LimitHeaders(server_time=60.0))
