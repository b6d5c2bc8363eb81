"""Which failures are worth another try, and when."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import pytest

from periskope_async import (
    APIError,
    BodyError,
    ConnectError,
    DecodeError,
    PeriskopeError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    TimeoutError_,
    WaitTooLong,
)
from periskope_async.limits.headers import LimitHeaders
from periskope_async.meta import ResponseMeta
from periskope_async.retry import may_ask_again, next_wait

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = RetryPolicy(tries=6, base=0.5, ceiling=20.0, max_elapsed=180.0)


def wait(
    error: Exception, *, is_write: bool = False, attempt: int = 1, elapsed: float = 0.0, seed: int = 1
) -> float | None:
    rng = random.Random(seed)
    return next_wait(POLICY, is_write=is_write, attempt=attempt, error=error, elapsed=elapsed, rng=rng)


def status(code: int, retry_after: float | None = None) -> APIError:
    meta = ResponseMeta(status=code, rate_limit=LimitHeaders(retry_after=retry_after))
    return APIError("x", status=code, meta=meta)


@pytest.mark.parametrize(
    "code", [408, 421, 425, 429, 500, 502, 503, 504, 511, 520, 521, 522, 523, 524, 527, 529, 530, 598, 599]
)
def test_passing_statuses_are_tried_again(code: int) -> None:
    assert wait(status(code)) is not None


@pytest.mark.parametrize("code", [301, 302, 307, 400, 401, 403, 404, 409, 422, 501, 505, 525, 526])
def test_lasting_statuses_are_not(code: int) -> None:
    assert wait(status(code)) is None


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectError("x"), True),
        (TimeoutError_("x", phase="read"), True),
        (BodyError("cut"), True),
        (BodyError("too large", retryable=False), False),
        (ConnectError("certificate", retryable=False), False),
        (DecodeError("x"), False),
        (DecodeError("a gateway's", retryable=True), True),
        (ServerError("x", status=500), True),
        (APIError("a captive portal's", status=302, is_detour=True), True),
    ],
)
def test_transport_errors(error: Exception, again: bool) -> None:  # noqa: FBT001 - a table's column
    assert (wait(error) is not None) is again


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectError("x"), True),
        (RateLimitError("x", status=429), True),
        (status(408), False),
        (status(425), False),
        (status(421), False),
        (status(503), False),
        (APIError("a captive portal's", status=302, is_detour=True), False),
        (DecodeError("a gateway's", retryable=True), False),
    ],
)
def test_writes_are_tried_again_only_after_nothing(error: Exception, again: bool) -> None:  # noqa: FBT001 - as above
    """Only no connection and a 429 are worth another try; the caller has sorted out what is in doubt."""
    assert (wait(error, is_write=True) is not None) is again


@pytest.mark.parametrize("is_write", [False, True])
def test_who_may_not_wait_that_long_is_told_at_once(is_write: bool) -> None:  # noqa: FBT001 - as above
    """The limiter raises it, not the server: the wait would be the same at the next try."""
    too_long = WaitTooLong("x", needed=60.0, limit=10, remaining=0, resets_in=60.0)
    assert wait(too_long, is_write=is_write) is None


def test_the_jitter_is_full_and_the_ceiling_doubles() -> None:
    for attempt, most in [(1, 0.5), (2, 1.0), (3, 2.0), (5, 8.0)]:
        drawn = [wait(ConnectError("x"), attempt=attempt, seed=seed) or 0.0 for seed in range(500)]
        assert 0 <= min(drawn) < most * 0.02
        assert most * 0.98 < max(drawn) <= most


def test_the_ceiling_holds_for_any_number_of_tries() -> None:
    policy = RetryPolicy(tries=10_000, max_elapsed=1e9)
    rng = random.Random(1)
    waits = [next_wait(policy, attempt=n, error=ConnectError("x"), elapsed=0, rng=rng) for n in range(1, 9999)]
    assert max(each for each in waits if each is not None) <= policy.ceiling


def test_retry_after_is_a_lower_bound_and_jitter_adds_to_it() -> None:
    drawn = [wait(status(503, retry_after=7.0), seed=seed) for seed in range(100)]
    assert all(each is not None and 7.0 <= each <= 7.5 for each in drawn)


@pytest.mark.parametrize(
    "kind", [BodyError, partial(DecodeError, retryable=True), partial(TimeoutError_, phase="read")]
)
def test_retry_after_is_obeyed_with_any_failure(kind: Callable[..., PeriskopeError]) -> None:
    meta = ResponseMeta(status=202, rate_limit=LimitHeaders(retry_after=7.0))
    drawn = [wait(kind("x", meta=meta), seed=seed) for seed in range(100)]
    assert all(each is not None and 7.0 <= each <= 7.5 for each in drawn)


def test_a_retry_after_that_is_too_long_is_not_cut_but_given_up() -> None:
    assert wait(status(503, retry_after=181.0)) is None


@pytest.mark.parametrize(
    ("refused_for", "asked", "again"),
    [(0.0, None, True), (180.0, None, True), (180.1, None, False), (120.0, 60.0, True), (121.0, 60.0, False)],
)
def test_refusals_end_a_call_by_time_alone(refused_for: float, asked: float | None, *, again: bool) -> None:
    """The server did nothing, and the limiter waits as it is asked to."""
    refusal = RateLimitError("x", status=429, meta=status(429, asked).meta)
    assert may_ask_again(POLICY, refusal, refused_for=refused_for) is again
    assert not may_ask_again(RetryPolicy(tries=1), refusal, refused_for=0.0)
    too_long = WaitTooLong("x", needed=1.0, limit=1, remaining=0, resets_in=1.0)
    assert not may_ask_again(POLICY, too_long, refused_for=0.0)


def test_the_last_try_is_the_last() -> None:
    assert wait(ConnectError("x"), attempt=5) is not None
    assert wait(ConnectError("x"), attempt=6) is None


def test_no_wait_is_begun_that_ends_too_late() -> None:
    assert wait(ConnectError("x"), elapsed=179.4) is not None
    assert wait(ConnectError("x"), elapsed=180.0) is None
