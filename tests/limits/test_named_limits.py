"""Several limits in one answer: with names at the end of their headers' names, of two parties, or of a draft."""

from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict

from periskope_async.limits.gate import RateLimiter
from periskope_async.limits.headers import LimitHeaders, parse_limit_headers

DATE = "Fri, 24 Jan 2025 05:50:32 GMT"


def read(*lines: tuple[str, object]) -> LimitHeaders:
    return parse_limit_headers(CIMultiDict([("Date", DATE), *((name, str(value)) for name, value in lines)]))


def told(limit: int, remaining: object, reset: object, suffix: str = "") -> list[tuple[str, object]]:
    """Write a set as ``@nestjs/throttler`` does."""
    values = {"Limit": limit, "Remaining": remaining, "Reset": reset}
    return [(f"X-RateLimit-{part}{suffix}", value) for part, value in values.items()]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(told(20, 19, 5, "-short"), (20, 19, 5.0, 0.0), id="one named"),
        pytest.param(told(10, 9, 1) + told(40, 39, 10, "-long"), (10, 9, 1.0, 0.0), id="default and long"),
        pytest.param(told(10, 6, 1) + told(40, 0, 7, "-long"), (10, 6, 1.0, 7.0), id="long is spent"),
        pytest.param(told(10, 0, 1) + told(40, 36, 7, "-long"), (10, 0, 1.0, 0.0), id="the tightest is spent"),
        pytest.param(
            told(20, 0, 9, "-medium") + told(3, 2, 1, "-short") + told(100, 0, 41, "-LONG"),
            (3, 2, 1.0, 41.0),
            id="two are spent",
        ),
        pytest.param(told(10, 6, 1) + told(40, 0, "6m0s", "-long"), (10, 6, 1.0, 0.0), id="an unreadable reset"),
        pytest.param(told(10, 6, 1) + told(40, "?", 7, "-long"), (10, 6, 1.0, 0.0), id="an unreadable remaining"),
        pytest.param(told(10, 6, 1) + told(0, 0, 7, "-long"), (10, 6, 1.0, 0.0), id="no limit"),
        pytest.param(told(10, 6, 1) + told(40, 0, 86_400, "-day"), (10, 6, 1.0, 0.0), id="beyond all windows"),
        pytest.param(
            [("X-RateLimit-Limit-Minute", 600), ("X-RateLimit-Remaining-Minute", 599)],
            (600, 599, None, 0.0),
            id="Kong's, without a reset",
        ),
        pytest.param(
            [
                *[("X-RateLimit-Limit-Second", 10), ("X-RateLimit-Remaining-Second", 6)],
                *[("X-RateLimit-Limit-Minute", 100), ("X-RateLimit-Remaining-Minute", 0)],
                *[("RateLimit-Limit", 100), ("RateLimit-Remaining", 0), ("RateLimit-Reset", 28)],
            ],
            (10, 6, None, 28.0),
            id="Kong's minute is spent",
        ),
        pytest.param(told(100, 0, 28) + told(10, 6, 1), (10, 6, 1.0, 28.0), id="a gateway's is spent"),
        pytest.param(
            [
                *[("X-RateLimit-Limit", "10, 100"), ("X-RateLimit-Remaining", 0)],
                ("X-RateLimit-Reset", "1, 28"),
            ],
            (10, 0, 1.0, 0.0),
            id="nobody knows whose it is",
        ),
        pytest.param(told(100, 36, 28) + told(10, 6, 1), (10, 6, 1.0, 0.0), id="a gateway's has some left"),
        pytest.param(
            [
                ("RateLimit-Policy", '"burst"; q=10; w=1, "minute"; q=100; w=60'),
                ("RateLimit", '"burst"; r=6; t=1, "minute"; r=0; t=28'),
            ],
            (10, 6, 1.0, 28.0),
            id="a draft's is spent",
        ),
        pytest.param([("X-RateLimit-Remaining-long", 0)], (None, None, None, 0.0), id="no limit for it"),
    ],
)
def test_a_wider_limit_counts_while_it_is_spent(
    lines: list[tuple[str, object]], expected: tuple[int | None, int | None, float | None, float]
) -> None:
    headers = read(*lines)
    assert (headers.limit, headers.remaining, headers.resets_in, headers.wider_spent_for) == expected


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([("Retry-After-long", 10)], 10.0),
        ([("retry-after-LONG", 10), ("Retry-After-short", 1), ("Retry-After", 2)], 10.0),
        ([("Retry-After-long", "Fri, 24 Jan 2025 05:50:42 GMT")], 10.0),
        ([("Retry-After-long", "soon"), ("Retry-After", 2)], 2.0),
        ([("Retry-After-long", 30 * 86_400)], None),
        ([("Retry-After-ms", 20_000), ("Retry-After", 20)], 20.0),
        ([("Retry-After-ms", 20_000)], None),
    ],
)
def test_the_longest_named_wait_counts(lines: list[tuple[str, object]], seconds: float | None) -> None:
    assert read(*lines).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (200, LimitHeaders(limit=10, remaining=6, resets_in=1.0, wider_spent_for=7.0), 7.0),
        (200, LimitHeaders(limit=10, remaining=6, resets_in=1.0, wider_spent_for=7.0, is_cached=True), 0.0),
        (429, read(("Retry-After-long", 10)), 10.0),
        (503, read(("Retry-After-long", 10)), 10.0),
    ],
)
async def test_the_gate_waits_for_it(status: int, headers: LimitHeaders, seconds: float) -> None:
    """A write and a read alike: the next request waits, whoever sends it."""
    gate, loop = RateLimiter(), asyncio.get_running_loop()
    permit = await gate.acquire()
    permit.sent()
    permit.answered(headers, status=status)
    began = loop.time()
    await gate.acquire()
    assert seconds <= loop.time() - began <= seconds + 0.2
