"""A SharedLimiter and a client, over real sockets: what users see."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ClosedError, ConfigError, PeriskopeClient, RateLimit, WaitTooLong, WrongLoopError
from periskope_async.limits.shared import SharedLimiter
from periskope_async.sandbox import Sandbox
from tests.shared.clients import PLENTY, calls, client_of, said

if TYPE_CHECKING:
    from tests.shared.stores import Store

pytestmark = pytest.mark.usefixtures("nothing_left_over")


async def test_two_limiters_share_a_budget(any_store: Store) -> None:
    async with (
        # A long window, for the sandbox and both clients take turns in one loop, maybe on a busy machine.
        Sandbox(chats=10, limit=20, window=2.0) as sandbox,
        client_of(sandbox, any_store.url) as one,
        client_of(sandbox, any_store.url) as two,
    ):
        await asyncio.gather(calls(one, 12), calls(two, 12))
        assert sandbox.refusals == 0
        assert one.rate_limit.limit == two.rate_limit.limit == 20
        assert one.rate_limit.in_flight == 0


async def test_max_wait_bounds_the_wait_for_redis_too(store: Store) -> None:
    """It gets its half second in any case: nobody knows before what is free."""
    async with (
        Sandbox(chats=10, limit=1, window=20.0) as sandbox,
        client_of(sandbox, store.url, max_wait=0.1) as one,
        client_of(sandbox, store.url, max_wait=1.0) as two,
    ):
        await one.list_chats(limit=1)
        began = asyncio.get_running_loop().time()
        with pytest.raises(WaitTooLong):
            await two.list_chats(limit=1)
        assert asyncio.get_running_loop().time() - began < 3.0


async def test_the_environment_names_redis(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERISKOPE_REDIS_URL", store.url)
    async with Sandbox(chats=10, limit=PLENTY) as sandbox:
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            await calls(client, 5)
            assert isinstance(client._manager.limiter, SharedLimiter)
        with store.admin() as admin:
            keys = admin.keys("*")
        assert keys
        assert all(key.startswith("periskope:{") for key in keys)
        assert not any(sandbox.api_key in key for key in keys)


async def test_one_trip_serves_all_who_wait(store: Store) -> None:
    async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, store.url) as client:
        await client.list_chats(limit=1)
        with store.admin() as admin:
            before = admin.info("commandstats")["cmdstat_evalsha"]["calls"]
            await calls(client, 100)
            after = admin.info("commandstats")["cmdstat_evalsha"]["calls"]
        assert after - before < 20


async def test_a_user_who_may_no_more_than_needed(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Without PING, among others."""
    with store.admin() as admin:
        commands = "zadd zcard zcount zrange zrank zrem zremrangebyscore zscore hget hset pexpire time evalsha eval"
        admin.execute_command(
            "ACL", "SETUSER", "limiter", "on", ">s3cr:t", "~periskope:*",
            *(f"+{command}" for command in commands.split()), "+script|load", "+hello", "-ping",
        )  # fmt: skip
    url = store.url.replace("unix://", "unix://limiter:s3cr%3At@")
    async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, url) as client:
        await calls(client, 5)
        assert not said(caplog)
        assert "s3cr" not in repr(client._manager.limiter) + repr(client)


async def test_a_wrong_password_is_shown_nowhere(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    url = store.url.replace("unix://", "unix://limiter:s3cr%3At@")
    async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, url) as client:
        await calls(client, 2)
        assert said(caplog, "Redis is away") == 1
        assert "s3cr" not in caplog.text


@pytest.mark.parametrize("url", ["http://user:s3cret@host", "redis://user:s3cret@host:port/0", "", 5, None])
def test_a_url_that_cannot_be_used(url: Any) -> None:
    with pytest.raises(ConfigError, match="rediss://") as caught:
        SharedLimiter(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_cancels_spoil_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, store.url) as client:
        await client.list_chats(limit=1)
        for turns in range(12):
            tasks = [asyncio.create_task(client.list_chats(limit=1)) for _ in range(5)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await calls(client, 10)
        assert client.rate_limit.waiting == client.rate_limit.in_flight == 0
        assert not said(caplog)


async def test_closing_ends_all_waits(store: Store) -> None:
    async with Sandbox(chats=10, limit=1, window=30.0) as sandbox, client_of(sandbox, store.url) as client:
        await client.list_chats(limit=1)
        waiting = asyncio.create_task(client.list_chats(limit=1))
        await asyncio.sleep(0.05)
        client._manager.limiter.close()
        with pytest.raises(ClosedError):
            await waiting
        with pytest.raises(ClosedError):
            await client.list_chats(limit=1)


async def test_a_wait_that_is_too_long_is_refused(store: Store) -> None:
    async with (
        Sandbox(chats=10, limit=1, window=30.0) as sandbox,
        client_of(sandbox, store.url, assume=RateLimit(1, 30.0), max_wait=0.3) as client,
    ):
        await client.list_chats(limit=1)
        with pytest.raises(WaitTooLong):
            async with asyncio.timeout(5):
                await client.list_chats(limit=1)


async def test_each_key_has_a_limiter_of_its_own(store: Store) -> None:
    async with SharedLimiter(store.url) as limiter, PeriskopeClient("first-key", limiter=limiter):
        with pytest.raises(ConfigError, match="one API key"):
            PeriskopeClient("second-key", limiter=limiter)


async def test_a_key_that_was_pasted_in_another_way_is_the_same() -> None:
    """Else a process that has it from another file would have a budget of its own."""
    names: set[str] = set()
    for pasted in ("one-key-of-many", " one-key-of-many\n", "Bearer one-key-of-many"):
        async with SharedLimiter("redis://127.0.0.1:1") as limiter, PeriskopeClient(pasted, limiter=limiter):
            names.update(limiter._link._keys)
    assert len(names) == 4


def test_a_second_loop_is_told(store: Store) -> None:
    limiter = SharedLimiter(store.url)
    PeriskopeClient("key", limiter=limiter)

    async def acquire() -> None:
        (await limiter.acquire()).unused()

    async def use() -> None:
        await acquire()
        await limiter.close()
        limiter._is_closed = False

    asyncio.run(use())
    with pytest.raises(WrongLoopError):
        asyncio.run(acquire())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
async def test_a_fork_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SharedLimiter(store.url) as limiter, PeriskopeClient("key", limiter=limiter):
        (await limiter.acquire()).unused()
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(WrongLoopError, match="process"):
                await limiter.acquire()


async def test_one_that_no_call_has_used_is_closed_in_the_same_way() -> None:
    for _ in range(2):
        await SharedLimiter("redis://127.0.0.1:1").close()


async def test_without_a_client_there_is_no_key(store: Store) -> None:
    async with SharedLimiter(store.url) as limiter:
        with pytest.raises(ConfigError, match="lend it to a PeriskopeClient"):
            await limiter.acquire()


async def test_redis_hears_all_before_the_end(store: Store) -> None:
    """What was never sent is given back when the limiter closes, and no other process waits for it."""
    async with Sandbox(chats=10, limit=5, window=30.0) as sandbox:
        async with client_of(sandbox, store.url, assume=RateLimit(5, 30.0)) as client:
            await calls(client, 5)
            tasks = [asyncio.create_task(client.list_chats(limit=1)) for _ in range(5)]
            await asyncio.sleep(0.1)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with store.admin() as admin:
            (key,) = admin.keys("*:tokens")
            assert admin.zcard(key) == 5 + len(["mark"])


async def test_a_process_that_has_closed_counts_no_more(store: Store) -> None:
    """Else a job that runs every second would leave a share of a sixtieth to each, without Redis."""
    async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, store.url) as client:
        for _ in range(3):
            async with client_of(sandbox, store.url) as other:
                await calls(other, 1)
        await calls(client, 1)
        assert client._manager.limiter._remote.processes == 1  # type: ignore[attr-defined]
