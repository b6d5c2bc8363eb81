"""How the sandbox counts requests: as tables with made-up clocks, by models, and over HTTP."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from itertools import accumulate
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given, strategies as st

from periskope_async.sandbox.limiter import Kind, Limiter, limiter_of
from tests.sandbox.conftest import Clock

if TYPE_CHECKING:
    from tests.sandbox.conftest import Reply, Served

KINDS: tuple[Kind, ...] = get_args(Kind)

# Each row: the request's milliseconds → (remaining, resets at, refused).
Table = list[tuple[int, tuple[int, int, bool]]]

FIXED: Table = [
    (250, (2, 1_250, False)),
    (900, (1, 1_250, False)),
    (1_100, (0, 1_250, False)),
    (1_249, (0, 1_250, True)),
    (1_249, (0, 1_250, True)),
    # The first request at the end opens the next window; those refused took nothing of it.
    (1_250, (2, 2_250, False)),
    # After a pause the window does not go by the last one's end, but by the request.
    (9_777, (2, 10_777, False)),
]
SLIDING: Table = [
    (0, (2, 1_000, False)),
    (400, (1, 1_000, False)),
    (800, (0, 1_000, False)),
    (999, (0, 1_000, True)),
    (1_000, (0, 1_400, False)),
    (1_399, (0, 1_400, True)),
    (1_400, (0, 1_800, False)),
    (5_000, (2, 6_000, False)),
]
BUCKET: Table = [
    # 3 in 1 000 ms: a token needs 333⅓ ms.
    (0, (2, 334, False)),
    (0, (1, 667, False)),
    (0, (0, 1_000, False)),
    (0, (0, 334, True)),
    (333, (0, 334, True)),
    (334, (0, 1_334, False)),
    (666, (0, 667, True)),
    (667, (0, 1_667, False)),
    (1_000, (0, 2_000, False)),
    # It holds a whole bucket, not more.
    (90_000, (2, 90_334, False)),
]


@pytest.mark.parametrize(("kind", "table"), [("fixed", FIXED), ("sliding", SLIDING), ("bucket", BUCKET)])
def test_table(kind: Kind, table: Table) -> None:
    limiter = limiter_of(kind, 3, 1_000)
    for now_ms, expected in table:
        verdict = limiter.hit("key", now_ms)
        assert (verdict.remaining, verdict.resets_at_ms, verdict.refused) == expected, now_ms
        assert (verdict.limit, verdict.now_ms) == (3, now_ms)


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_has_its_own_count(kind: Kind) -> None:
    limiter = limiter_of(kind, 1, 1_000)
    assert [limiter.hit(key, 0).refused for key in "abab"] == [False, False, True, True]


@pytest.mark.parametrize(
    ("now_ms", "reset", "retry_after"),
    [(5_000, 6, 1), (5_001, 7, 1), (5_999, 7, 1), (6_000, 7, 1)],
)
def test_reset_and_retry_after_are_rounded_up(now_ms: int, reset: int, retry_after: int) -> None:
    verdict = limiter_of("fixed", 1, 1_000).hit("key", now_ms)
    assert (verdict.reset, verdict.retry_after) == (reset, retry_after)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="kind='leaky' is no limiter: use one of fixed, sliding, bucket"):
        limiter_of("leaky", 1, 1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


moments = st.lists(st.integers(0, 700), min_size=1, max_size=60).map(lambda gaps: list(accumulate(gaps)))


def passed(limiter: Limiter, times: list[int]) -> list[int]:
    return [now_ms for now_ms in times if not limiter.hit("key", now_ms).refused]


@given(moments, st.integers(1, 5))
def test_fixed_windows_follow_one_another_and_each_lets_its_first_ones_through(times: list[int], limit: int) -> None:
    expected, opened, hits = list[int](), -1_000, 0
    for now_ms in times:
        if now_ms >= opened + 1_000:
            opened, hits = now_ms, 0
        hits += 1
        if hits <= limit:
            expected.append(now_ms)
    assert passed(limiter_of("fixed", limit, 1_000), times) == expected


@given(moments, st.integers(1, 5))
def test_no_stretch_of_a_window_holds_more_than_the_sliding_limit(times: list[int], limit: int) -> None:
    through = passed(limiter_of("sliding", limit, 1_000), times)
    for now_ms in times:
        recent = [other for other in through if now_ms - 1_000 < other <= now_ms]
        assert len(recent) <= limit
        # Nor was any refused without cause.
        assert now_ms in through or len(recent) == limit


@given(moments, st.integers(1, 5))
def test_a_bucket_gives_no_more_than_it_held_and_what_flowed_in(times: list[int], limit: int) -> None:
    through = passed(limiter_of("bucket", limit, 1_000), times)
    for number, first in enumerate(through):
        for more, last in enumerate(through[number:], 1):
            assert more * 1_000 <= limit * 1_000 + (last - first) * limit


@pytest.mark.parametrize("kind", KINDS)
@given(times=moments, limit=st.integers(1, 5))
def test_who_waits_until_the_reset_passes(kind: Kind, times: list[int], limit: int) -> None:
    limiter, now_ms = limiter_of(kind, limit, 1_000), 0
    for gap in times:
        now_ms += gap % 700
        verdict = limiter.hit("key", now_ms)
        assert 0 <= verdict.remaining < limit
        assert verdict.resets_at_ms > now_ms
        if verdict.refused:
            now_ms = verdict.resets_at_ms
            assert not limiter.hit("key", now_ms).refused


def limits(reply: Reply) -> tuple[int, str, str, str]:
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    assert [len(reply.headers.getall(name)) for name in names] == [1, 1, 1]
    limit, remaining, reset = (reply.headers[name] for name in names)
    return reply.status, limit, remaining, reset


async def test_the_first_request_opens_the_window(served: Served) -> None:
    clock = Clock(1_737_697_832.25)
    async with served(clock=clock, limit=3) as wire:
        assert limits(await wire.ask()) == (200, "3", "2", "1737697834")
        clock.at += 0.75
        assert limits(await wire.ask()) == (200, "3", "1", "1737697834")
        assert limits(await wire.ask()) == (200, "3", "0", "1737697834")
        assert limits(await wire.ask()) == (429, "3", "0", "1737697834")
        clock.at += 0.25
        assert limits(await wire.ask()) == (200, "3", "2", "1737697835")
        assert wire.sandbox.refusals == 1
        assert [request.remaining for request in wire.sandbox.requests] == [2, 1, 0, 0, 2]


@pytest.mark.parametrize(("fraction", "ahead"), [(0.0, 1), (0.001, 2), (0.5, 2), (0.999, 2)])
async def test_reset_is_two_seconds_after_date_inside_a_second(served: Served, fraction: float, ahead: int) -> None:
    async with served(clock=Clock(1_737_697_832 + fraction)) as wire:
        reply = await wire.ask()
        assert reply.headers["Date"] == "Fri, 24 Jan 2025 05:50:32 GMT"
        assert int(reply.headers["X-RateLimit-Reset"]) - 1_737_697_832 == ahead


async def test_every_answer_is_counted_and_says_so(served: Served) -> None:
    async with served(clock=Clock(1_000.5), limit=10) as wire:
        first = await wire.ask(limit=1)
        replies = [
            first,
            await wire.ask(limit=10_000),
            await wire.ask("/nothing"),
            await wire.ask("/chats/1@c.us"),
            await wire.ask(headers={"x-phone": "1"}),
            await wire.ask(limit=1, headers={"If-None-Match": first.headers["ETag"]}),
            await wire.ask(method="HEAD"),
            await wire.ask(method="OPTIONS"),
            await wire.ask(method="POST"),
        ]
        assert [limits(reply) for reply in replies] == [
            (status, "10", str(9 - number), "1002")
            for number, status in enumerate([200, 422, 404, 404, 401, 304, 200, 200, 404])
        ]


async def test_a_refusal(served: Served) -> None:
    async with served(clock=Clock(1_000.9), limit=1) as wire:
        await wire.ask()
        reply = await wire.ask(limit=10_000)
        assert (reply.status, reply.reason) == (429, "Too Many Requests")
        assert (
            reply.body
            == b'{"code":"RATE_LIMIT_ERROR","message":"You can only make 1 requests per second","status":429}'
        )
        assert reply.headers["Retry-After"] == "1"
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert "Retry-After" not in (await wire.ask(key="another")).headers


async def test_another_window_is_named_in_the_refusal(served: Served) -> None:
    async with served(clock=Clock(1_000.0), limit=1, window=2.5) as wire:
        assert (await wire.ask()).headers["X-RateLimit-Reset"] == "1003"
        reply = await wire.ask()
        assert reply.json["message"] == "You can only make 1 requests per 2.5 seconds"
        assert reply.headers["Retry-After"] == "3"


async def test_keys_are_counted_apart_the_wrong_ones_too(served: Served) -> None:
    async with served(clock=Clock(1_000.0), limit=1, api_key="right") as wire:
        keys = ["right", "wrong", None, "right", "wrong", None]
        assert [(await wire.ask(key=key)).status for key in keys] == [200, 401, 401, 429, 429, 429]


async def test_phones_of_a_key_are_counted_together(served: Served) -> None:
    async with served(clock=Clock(1_000.0), limit=1) as wire:
        phones = ["918527184400", "919971844008"]
        assert [(await wire.ask(headers={"x-phone": phone})).status for phone in phones] == [200, 429]


async def test_a_sliding_log_over_http(served: Served) -> None:
    clock = Clock(1_000.0)
    async with served(clock=clock, limit=2, kind="sliding") as wire:
        assert limits(await wire.ask()) == (200, "2", "1", "1001")
        clock.at = 1_000.5
        assert limits(await wire.ask()) == (200, "2", "0", "1001")
        assert limits(await wire.ask()) == (429, "2", "0", "1001")
        clock.at = 1_001.0
        assert limits(await wire.ask()) == (200, "2", "0", "1002")
        assert limits(await wire.ask()) == (429, "2", "0", "1002")


async def test_a_bucket_over_http(served: Served) -> None:
    clock = Clock(1_000.0)
    async with served(clock=clock, limit=2, kind="bucket") as wire:
        assert limits(await wire.ask()) == (200, "2", "1", "1001")
        assert limits(await wire.ask()) == (200, "2", "0", "1001")
        refused = await wire.ask()
        assert limits(refused) == (429, "2", "0", "1001")
        assert refused.headers["Retry-After"] == "1"
        clock.at = 1_000.5
        assert limits(await wire.ask()) == (200, "2", "0", "1002")


@pytest.mark.parametrize("skew", [-3_600.0, 0.0, 90.0])
async def test_a_skewed_clock_shifts_date_and_reset_alike(served: Served, skew: float) -> None:
    async with served(clock_skew=skew) as wire:
        before = time.time()
        reply = await wire.ask()
        date = parsedate_to_datetime(reply.headers["Date"]).timestamp()
        assert int(before + skew) - 1 <= date <= time.time() + skew + 1
        assert int(reply.headers["X-RateLimit-Reset"]) - date in {1, 2}


async def test_on_the_real_clock_a_burst_beyond_the_limit_is_refused_until_the_window_ends(served: Served) -> None:
    async with served(limit=4, window=0.5) as wire:
        replies = await asyncio.gather(*[wire.ask(limit=1) for _ in range(9)])
        assert sorted(reply.status for reply in replies) == [200] * 4 + [429] * 5
        opened = wire.sandbox.requests[0].at
        assert [request.number for request in wire.sandbox.requests] == list(range(1, 10))
        await asyncio.sleep(opened + 0.51 - time.monotonic())
        assert (await wire.ask(limit=1)).headers["X-RateLimit-Remaining"] == "3"
