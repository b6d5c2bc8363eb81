"""Closing: cancelled on its way, twice at once, in each stage of a call, in a group, after a fork."""

from __future__ import annotations

import asyncio
import contextlib
import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ClosedError, PeriskopeClient, RateLimit, RateLimiter
from periskope_async.sandbox import Sandbox, Slow, StallBody, Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@contextlib.asynccontextmanager
async def running(
    *faults: Any, steps: int | None = None, **options: Any
) -> AsyncGenerator[tuple[PeriskopeClient, asyncio.Task[Any]]]:
    """Give a client with a call on its way: for a tenth of a second, or for so many turns of the loop."""
    async with Sandbox(chats=50, limit=1000) as sandbox:
        sandbox.script(*faults)
        client = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, **options)
        call = asyncio.create_task(client.list_chats(limit=20))
        if steps is None:
            await asyncio.sleep(0.1)
        for _ in range(steps or 0):
            await asyncio.sleep(0)
        yield client, call


def is_all_closed(client: PeriskopeClient) -> bool:
    manager = client._manager
    return (manager._session is None or manager._session.closed) and not manager._running


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_close_closes_all_the_same(nothing_left_over: None, turns: int) -> None:
    """At each await of it; a close that follows finds nothing to do."""
    async with running(Slow(30)) as (client, call):
        closing = asyncio.create_task(client.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        was_done = closing.done()
        closing.cancel()
        (ended,) = await asyncio.gather(closing, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError) or was_done
        if turns:
            # With no turn at all, it had not even begun.
            assert client._manager._session is not None
            assert client._manager._session.closed
        await client.close()
        assert is_all_closed(client)
        assert call.done()
        with pytest.raises(ClosedError):
            await call
        with pytest.raises(ClosedError):
            await client.list_chats()


async def test_a_timeout_around_close_closes_too(nothing_left_over: None) -> None:
    async with running(Slow(30)) as (client, call):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await client.close()
        await client.close()
        assert is_all_closed(client)
        with pytest.raises(ClosedError):
            await call


async def test_many_closes_at_once_all_wait_for_the_end(nothing_left_over: None) -> None:
    async with running(Slow(30)) as (client, call):

        async def close() -> bool:
            await client.close()
            return is_all_closed(client)

        assert all(await asyncio.gather(close(), close(), close()))
        with pytest.raises(ClosedError):
            await call
        assert not call.cancelling()


@pytest.mark.parametrize("fault", [Slow(30), StallBody(10, 30), Status(503, headers={"Retry-After": "30"})])
async def test_a_call_is_ended_in_each_of_its_stages(nothing_left_over: None, fault: Any) -> None:
    """In the wait for the headers, in the body, between two tries."""
    async with running(fault) as (client, call):
        await client.close()
        assert is_all_closed(client)
        with pytest.raises(ClosedError):
            await call
        assert not call.cancelling()


@pytest.mark.parametrize("steps", range(0, 40, 2))
async def test_a_call_is_ended_at_each_of_its_awaits(nothing_left_over: None, steps: int) -> None:
    async with running(StallBody(10, 30), steps=steps) as (client, call):
        await client.close()
        assert is_all_closed(client)
        with pytest.raises(ClosedError):
            await call
        assert not call.cancelling()


async def test_a_call_that_waits_for_the_limit_is_ended(nothing_left_over: None) -> None:
    async with running(Slow(30), limiter=None) as (client, call):
        waiting = [asyncio.create_task(client.list_chats(limit=1)) for _ in range(30)]
        await asyncio.sleep(0)
        await client.close()
        ended = await asyncio.gather(call, *waiting, return_exceptions=True)
        assert {type(error) for error in ended} == {ClosedError}
        assert client.rate_limit.waiting == client.rate_limit.in_flight == 0


async def test_a_cancelled_body_of_async_with_closes(nothing_left_over: None) -> None:
    clients: list[PeriskopeClient] = []

    async def work(sandbox: Sandbox) -> None:
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
            clients.append(client)
            await client.list_chats(limit=1)

    async with Sandbox(chats=5) as sandbox:
        sandbox.script(Slow(30))
        task = asyncio.create_task(work(sandbox))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0)
        # Once more, in the midst of cleaning up.
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert is_all_closed(clients[0])


async def test_closing_inside_a_group_ends_the_group(nothing_left_over: None) -> None:
    async with Sandbox(chats=5) as sandbox:
        sandbox.script(Slow(30), Slow(30))
        client = PeriskopeClient(
            sandbox.api_key, base_url=sandbox.base_url, limiter=RateLimiter(assume=RateLimit(9, 1))
        )

        async def work() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(client.list_chats(limit=1))
                await asyncio.sleep(0.1)
                await client.close()

        with pytest.raises(ExceptionGroup) as caught:
            await work()
        assert {type(error) for error in caught.value.exceptions} == {ClosedError}
        assert is_all_closed(client)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_closing_in_the_child_of_a_fork_closes_nothing(nothing_left_over: None) -> None:
    """The calls that ran when the process forked are the parent's, and so are its connections."""
    async with running(Slow(0.3)) as (client, call):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            said = "nothing"
            try:
                # By hand, since the loop is the parent's copy: it must end without waiting for anything.
                client.close().send(None)
            except StopIteration:
                said = "closed" if client._manager._running else "no call runs"
            except BaseException as error:  # noqa: BLE001 - whatever it is, the child must say it and end
                said = repr(error)
            finally:
                os.write(writer, said.encode())
                os._exit(0)
        await asyncio.to_thread(os.waitpid, pid, 0)
        assert os.read(reader, 1000) == b"closed"
        os.close(reader)
        os.close(writer)
        assert len((await call).chats) == 20
        await client.close()


WAITS = 3


def waits_of(client: PeriskopeClient) -> list[float]:
    """Draw waits as a child of a fork does: of a retry, and of the gate after a refusal."""
    gate = client._manager.limiter
    assert isinstance(gate, RateLimiter)
    return [rng.uniform(0, 1) for rng in (client._manager._rng, gate._rng) for _ in range(WAITS)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_children_of_a_fork_draw_other_waits() -> None:
    """All workers of one server may be made of one client, and must not come back in step."""
    client = PeriskopeClient("key")
    drawn: set[str] = {repr(waits_of(client))}
    for _ in range(3):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, repr(waits_of(client)).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        drawn.add(os.read(reader, 10_000).decode())
        os.close(reader)
        os.close(writer)
    assert len(drawn) == 4
    assert all(len(set(waits.strip("[]").split(", "))) == 2 * WAITS for waits in drawn)


def test_a_given_rng_is_the_one_that_draws() -> None:
    assert RateLimiter(rng=Random(7))._rng.random() == Random(7).random()
