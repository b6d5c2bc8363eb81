"""Life in an app: cancels, breaks, closing, other loops, forks; nothing is ever left over."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from periskope_async import (
    ClosedError,
    PeriskopeClient,
    RateLimit,
    RateLimiter,
    RetryPolicy,
    WrongLoopError,
    connection,
)
from periskope_async.events import PageRead, RequestSent, ResponseReceived, Retried, Throttled
from periskope_async.sandbox import Sandbox, Slow, StallBody, Status

if TYPE_CHECKING:
    from tests.flow.conftest import Opened


def own_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("periskope")]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_break_leaves_no_task_and_no_place_in_line(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1000, "latency": 0.05}) as (_, client):
        async for _chat in client.iter_chats(page_size=50, prefetch=6):
            break
        await settle()
        assert own_tasks() == []
        assert client.rate_limit.waiting == 0
        # What was cut off in flight was given up, and the client goes on.
        assert len((await client.list_chats(limit=3)).chats) == 3


async def test_an_error_in_the_loop_body_leaves_nothing(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1000, "latency": 0.05}) as (_, client):

        async def work() -> None:
            async for _chat in client.iter_chats(page_size=50, prefetch=6):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await work()
        gc.collect()
        await settle()
        assert own_tasks() == []


async def test_async_with_on_a_pager_waits_until_nothing_is_left(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1000, "latency": 0.05}) as (_, client):
        async with client.iter_chats(page_size=50, prefetch=6) as pager:
            rows = aiter(pager)
            await anext(rows)
            assert own_tasks()
        assert own_tasks() == []
        with pytest.raises(ClosedError):
            _ = [row async for row in rows]


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03, 0.06, 0.1, 0.15])
async def test_a_cancel_at_any_moment_leaves_nothing(opened: Opened, after: float) -> None:
    async with opened(
        sandbox={"chats": 2000, "latency": 0.02, "limit": 10}, limiter=RateLimiter(assume=RateLimit(10, 1.0))
    ) as (_, client):
        task = asyncio.create_task(client.iter_chats(page_size=50, prefetch=20).collect())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert own_tasks() == []
        view = client.rate_limit
        assert (view.waiting, view.in_flight) == (0, 0)


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_a_cancel_at_every_await_point_leaves_nothing(opened: Opened, steps: int) -> None:
    """Not after a time but after so many turns of the loop, so that each await gets its cancel."""
    async with opened() as (sandbox, client):
        sandbox.script(Status(503), Slow(0), StallBody(10, 0.01))
        task = asyncio.create_task(client.list_chats(limit=20))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        view = client.rate_limit
        assert (view.waiting, view.in_flight) == (0, 0)
        assert client._manager._session is None or not client._manager._session.connector._acquired  # type: ignore[union-attr]
        assert len((await client.list_chats(limit=3)).chats) == 3


async def test_a_timeout_on_one_step_loses_nothing(opened: Opened) -> None:
    async with opened(sandbox={"chats": 200}) as (sandbox, client):
        sandbox.script(Slow(0), Slow(0.3))
        rows = aiter(client.iter_chats(page_size=50, prefetch=2))
        ids: list[str] = []
        timeouts = 0
        while True:
            try:
                ids.append((await asyncio.wait_for(anext(rows), 0.1)).chat_id)
            except StopAsyncIteration:
                break
            except TimeoutError:
                timeouts += 1
        assert timeouts >= 1
        assert ids == sandbox.chat_ids()


async def test_closing_ends_what_waits_and_what_runs(opened: Opened) -> None:
    async with opened(sandbox={"limit": 2, "window": 30.0}, limiter=None, retry=RetryPolicy(tries=3, base=0.0)) as (
        sandbox,
        _,
    ):
        client = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url)
        await client.list_chats(limit=1)
        sandbox.script(Slow(30.0))
        calls = [asyncio.create_task(client.list_chats(limit=1)) for _ in range(4)]
        await asyncio.sleep(0.1)
        await client.close()
        await client.close()
        ended = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 2.0)
        assert [type(error) for error in ended] == [ClosedError] * 4
        with pytest.raises(ClosedError, match="make a new"):
            await client.list_chats()


async def test_closing_ends_a_wait_between_two_tries(opened: Opened) -> None:
    async with opened() as (sandbox, _):
        client = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url)
        sandbox.script(Status(503, headers={"Retry-After": "60"}))
        call = asyncio.create_task(client.list_chats(limit=1))
        await asyncio.sleep(0.1)
        await client.close()
        with pytest.raises(ClosedError):
            await asyncio.wait_for(call, 2.0)


async def test_a_walk_ends_with_its_client(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1000, "latency": 0.05}) as (sandbox, _):
        client = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url)
        rows = aiter(client.iter_chats(page_size=20, prefetch=4))
        await anext(rows)
        await client.close()
        with pytest.raises(ClosedError):
            _ = [row async for row in rows]


async def test_a_lent_session_and_limiter_are_not_closed(opened: Opened) -> None:
    async with opened() as (sandbox, _), aiohttp.ClientSession() as session:
        limiter = RateLimiter(assume=RateLimit(1000, 1.0))
        for _ in range(2):
            async with PeriskopeClient(
                sandbox.api_key, base_url=sandbox.base_url, session=session, limiter=limiter
            ) as client:
                assert len((await client.list_chats(limit=2)).chats) == 2
        assert not session.closed
        (await limiter.acquire()).unused()


async def test_with_phone_shares_session_and_limiter(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        await client.list_chats(limit=1)
        other = client.with_phone(None)
        await other.list_chats(limit=1)
        assert len({request.connection for request in sandbox.requests}) == 1
        assert other._manager is client._manager


async def test_idle_connections_are_let_go_before_the_server_closes_them(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server does it after 5 s."""
    assert connection._KEEP_ALIVE_SECONDS < 5.0
    monkeypatch.setattr(connection, "_KEEP_ALIVE_SECONDS", 0.05)
    async with opened(sandbox={"keep_alive": 5.0}) as (sandbox, client):
        await client.list_chats(limit=1)
        await asyncio.sleep(0.1)
        await client.list_chats(limit=1)
        assert len({request.connection for request in sandbox.requests}) == 2
        assert [request.status for request in sandbox.requests] == [200, 200]


def test_a_second_loop_is_told_what_to_do() -> None:
    async def main(client: PeriskopeClient, sandbox: Sandbox) -> None:
        async with sandbox:
            client._config = client._manager._config = _with_url(client, sandbox)
            await client.list_chats(limit=1)
            await client._manager._session.close()  # type: ignore[union-attr]

    client = PeriskopeClient("key", base_url="http://127.0.0.1:1/v1")
    asyncio.run(main(client, Sandbox(chats=3)))
    with pytest.raises(WrongLoopError, match=r"inside each asyncio\.run\(\)"):
        asyncio.run(main(client, Sandbox(chats=3)))


def test_closing_in_another_loop_is_told_what_to_do() -> None:
    """The loop may run in another thread; a call there would never be waited to its end from here."""

    async def main() -> None:
        async with Sandbox(chats=3) as sandbox:
            sandbox.script(Slow(60))
            began = asyncio.Event()
            client = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, hooks=[lambda _: began.set()])
            call = asyncio.ensure_future(client.list_chats(limit=1))
            await began.wait()
            with pytest.raises(WrongLoopError, match="run_coroutine_threadsafe"):
                await asyncio.to_thread(asyncio.run, client.close())
            await client.close()
            with pytest.raises(ClosedError):
                await call

    asyncio.run(main())


def test_a_client_of_an_ended_loop_closes_in_another() -> None:
    async def ask(client: PeriskopeClient, sandbox: Sandbox) -> None:
        async with sandbox:
            client._config = client._manager._config = _with_url(client, sandbox)
            await client.list_chats(limit=1)

    client = PeriskopeClient("key", base_url="http://127.0.0.1:1/v1")
    asyncio.run(ask(client, Sandbox(chats=3)))
    asyncio.run(client.close())
    assert client._manager._session is not None
    assert client._manager._session.closed


def _with_url(client: PeriskopeClient, sandbox: Sandbox) -> Any:
    from msgspec.structs import replace

    return replace(client._config, base_url=sandbox.base_url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_after_a_fork_it_is_told_what_to_do(opened: Opened) -> None:
    async with opened() as (_, client):
        await client.list_chats(limit=1)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            # The child: the loop is the parent's copy and does not run here, so step into the call by hand.
            said = "nothing"
            try:
                client._manager._open()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the child must say it and end
                said = repr(error)
            finally:
                os.write(writer, said.encode())
                os._exit(0)
        await asyncio.to_thread(os.waitpid, pid, 0)
        said = os.read(reader, 1000).decode()
        os.close(reader)
        os.close(writer)
        assert "WrongLoopError" in said
        assert "after the fork" in said
        await client.list_chats(limit=1)


async def test_a_client_that_is_never_used_opens_nothing(opened: Opened) -> None:
    client = PeriskopeClient("key")
    await client.close()
    with pytest.raises(ClosedError):
        await client.list_chats()


async def test_hooks_are_told_of_each_request_wait_retry_and_page(opened: Opened) -> None:
    told: list[Any] = []
    async with opened(
        sandbox={"chats": 100, "limit": 3}, limiter=RateLimiter(assume=RateLimit(3, 1.0)), hooks=[told.append]
    ) as (sandbox, client):
        sandbox.script(Status(500))
        await client.iter_chats(page_size=40, prefetch=1).collect()
        kinds: list[type[Any]] = [type(event) for event in told]
        assert kinds.count(RequestSent) == kinds.count(ResponseReceived) == len(sandbox.requests)
        assert kinds.count(Retried) == 1
        assert Throttled in kinds
        pages = [event for event in told if isinstance(event, PageRead)]
        assert pages[-1].delivered == 100
        assert sum(page.placed for page in pages) == 100
        assert told[0].target == "/chats?offset=0&limit=40"


async def test_a_hook_that_raises_breaks_nothing_and_is_logged(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: object) -> None:
        raise RuntimeError("hook of mine")

    async with opened(hooks=[broken]) as (_, client):
        assert len((await client.list_chats(limit=2)).chats) == 2
    assert "hook of mine" in caplog.text


async def test_the_key_shows_in_no_log_and_no_traceback(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    import traceback

    key = "sk-never-to-be-seen"
    told: list[Any] = []
    with caplog.at_level(logging.DEBUG):
        async with opened(sandbox={"api_key": key}, hooks=[told.append]) as (sandbox, client):
            sandbox.script(Status(500), Status(500), Status(500), Status(500))
            with pytest.raises(Exception, match="500") as caught:
                await client.list_chats()
            sandbox.script(Status(401))
            with pytest.raises(Exception, match="401") as refused:
                await client.list_chats()
            shown = "".join(traceback.format_exception(caught.value) + traceback.format_exception(refused.value))
            assert key not in shown
            assert key not in repr(client)
    records = [
        record
        for record in caplog.records
        if record.name.startswith("periskope_async.") and "sandbox" not in record.name
    ]
    assert any("failed" in record.getMessage() for record in records)
    assert key not in "".join(record.getMessage() for record in records)
    assert key not in repr(told)


def test_a_program_that_forgets_to_close_exits_quietly() -> None:
    """asyncio.run ends with a client open: aiohttp may warn of it, nothing may hang or trace back."""
    import subprocess

    code = (
        "import asyncio\n"
        "from periskope_async import PeriskopeClient\n"
        "from periskope_async.sandbox import Sandbox\n"
        "async def main():\n"
        "    async with Sandbox(chats=10) as sandbox:\n"
        "        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:\n"
        "            async for chat in client.iter_chats(): break\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
