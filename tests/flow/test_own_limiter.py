"""A limiter that is none of ours."""
# ruff: noqa: ARG002 - the names are the limiter's

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import (
    ConfigError,
    PeriskopeClient,
    Permit,
    RateLimiter,
    RateLimitSnapshot,
    RetryPolicy,
)
from periskope_async.events import Retried
from periskope_async.sandbox import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.events import Event, Hook
    from periskope_async.limits.headers import LimitHeaders
    from tests.flow.conftest import Opened


class CountingLimiter:
    requests_per_second = 1_000.0
    requests_at_once = 1_000
    acquired = 0
    is_closed = False

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:
        self.acquired += 1
        return Permit()

    def snapshot(self) -> RateLimitSnapshot:
        return RateLimitSnapshot(limit=1_000, window=1.0, remaining=1_000 - self.acquired)

    def close(self) -> None:
        self.is_closed = True


class BookingLimiter(CountingLimiter):
    """It is told what becomes of each request."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:
        self.acquired += 1
        return Permit(self, self.acquired)

    def sent(self, token: int) -> None:
        self.told.append(("sent", token))

    def settle(self, token: int, headers: LimitHeaders, *, status: int, variation: float | None) -> None:
        assert headers.limit == 1000
        self.told.append((f"answered {status}", token))

    def lose(self, token: int) -> None:
        self.told.append(("lost", token))

    def give_back(self, token: int) -> None:
        self.told.append(("unused", token))


async def test_a_fake_limiter_serves_a_client(opened: Opened) -> None:
    limiter = CountingLimiter()
    async with opened(limiter=limiter) as (sandbox, client):
        chats = await client.iter_chats(page_size=100).collect()
        assert len(chats) == 250
        assert limiter.acquired == len(sandbox.requests)
        assert client.rate_limit.remaining == 1_000 - limiter.acquired
    assert not limiter.is_closed, "what is lent is not closed"


async def test_a_permit_tells_its_books_once(opened: Opened) -> None:
    limiter = BookingLimiter()
    async with opened(limiter=limiter) as (_, client):
        await client.list_chats(limit=1)
    assert limiter.told == [("sent", 1), ("answered 200", 1)]


def test_a_class_is_no_limiter() -> None:
    limiter: Any = RateLimiter
    with pytest.raises(ConfigError, match=r"^limiter is the class RateLimiter; make a RateLimiter"):
        PeriskopeClient("key", limiter=limiter)


@pytest.mark.parametrize("no_limiter", [3, object(), "redis://localhost"])
def test_what_is_no_limiter_is_refused(no_limiter: Any) -> None:
    with pytest.raises(ConfigError, match=r"make a RateLimiter\(…\)"):
        PeriskopeClient("key", limiter=no_limiter)


async def test_a_refusal_is_waited_for_where_the_limiter_has_no_books(opened: Opened) -> None:
    """Nobody else holds the next try back then."""
    retries: list[Event] = []
    async with opened(limiter=CountingLimiter(), hooks=[retries.append]) as (sandbox, client):
        sandbox.script(Status(429, headers={"Retry-After": "0.2"}))
        await client.list_chats(limit=1)
    (retried,) = [event for event in retries if isinstance(event, Retried)]
    assert retried.wait >= 0.2


class SlowLimiter(CountingLimiter):
    """It holds each request back for longer than retries may take."""

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:
        await asyncio.sleep(0.3)
        permit = Permit()
        permit.seconds_waited = 0.3
        return permit


async def test_a_wait_for_the_limit_takes_no_retry_away(opened: Opened) -> None:
    policy = RetryPolicy(max_elapsed=0.2, base=0.0)
    async with opened(limiter=SlowLimiter(), retry=policy) as (sandbox, client):
        sandbox.script(Status(503))
        await client.list_chats(limit=1)
        assert [record.status for record in sandbox.requests] == [503, 200]
