"""What users and servers do that nobody planned for."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from periskope_async import (
    APIError,
    ClosedError,
    ConfigError,
    ConnectError,
    DecodeError,
    NotFoundError,
    PaginationError,
    PeriskopeClient,
    RateLimit,
    RateLimiter,
    Timeout,
    TimeoutError_,
    WrongLoopError,
)
from periskope_async.events import Event, RequestSent
from periskope_async.sandbox import Body, HeaderChange, Redirect, Sandbox, Slow, Status

if TYPE_CHECKING:
    from tests.flow.conftest import Opened

KEY = "sk-periskope-0123456789"
# What every server with ten requests a second would let through.
TEN = RateLimit(10, 1.0)


@pytest.mark.parametrize("after", [0, 1])
async def test_a_reset_an_hour_off_changes_nothing_and_is_reported_once(
    opened: Opened, caplog: pytest.LogCaptureFixture, after: int
) -> None:
    async with opened(sandbox={"limit": 10}, limiter=RateLimiter()) as (sandbox, client):
        off = HeaderChange(set={"X-RateLimit-Reset": str(int(time.time()) + 3600)})
        sandbox.script(*[HeaderChange(set={})] * after, *[off] * 20)
        with caplog.at_level(logging.WARNING, "periskope_async"):
            await asyncio.wait_for(asyncio.gather(*(client.list_chats(limit=1) for _ in range(13))), 8)
        assert client.rate_limit.window == 1.0
        assert sandbox.refusals == 0
    assert len([record for record in caplog.records if "X-RateLimit-Reset" in record.getMessage()]) == 1


async def test_a_lent_session_that_raises_for_status_does_not_here(opened: Opened) -> None:
    async with opened() as (sandbox, _), aiohttp.ClientSession(raise_for_status=True) as session:
        client = PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, session=session)
        async with client:
            with pytest.raises(NotFoundError) as caught:
                await client.get_chat("1@c.us")
        assert caught.value.trace_id
        assert [request.status for request in sandbox.requests] == [404]


async def test_a_lent_session_is_given_back_as_it_was(opened: Opened) -> None:
    async with opened() as (sandbox, _), aiohttp.ClientSession() as session:
        before = list(session.trace_configs)
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, session=session) as client:
            await client.list_chats(limit=1)
        assert session.trace_configs == before


@pytest.mark.parametrize("is_lent", [True, False])
async def test_a_request_counts_from_its_sending_on_any_session(opened: Opened, is_lent: bool) -> None:  # noqa: FBT001
    limiter = RateLimiter(assume=RateLimit(5, 1.0))
    async with opened(sandbox={"limit": 5, "latency": 0.8}) as (sandbox, _), aiohttp.ClientSession() as session:
        lent = session if is_lent else None
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, session=lent, limiter=limiter) as client:
            began = time.monotonic()
            await asyncio.gather(*(client.list_chats(limit=1) for _ in range(10)))
            # Counted from its answer, the second five would go at 1.8 s and be there at 2.6 s.
            assert time.monotonic() - began < 2.4
        assert sandbox.refusals == 0


@pytest.mark.parametrize("lends", ["nothing", "session", "limiter"])
async def test_closing_ends_calls_in_flight_and_in_line(opened: Opened, lends: str) -> None:
    limiter = RateLimiter(assume=RateLimit(2, 1.0))
    async with opened(sandbox={"latency": 2.0}) as (sandbox, _), aiohttp.ClientSession() as session:
        client = PeriskopeClient(
            sandbox.api_key,
            base_url=sandbox.base_url,
            session=session if lends == "session" else None,
            limiter=limiter if lends == "limiter" else None,
        )
        calls = [asyncio.create_task(client.list_chats(limit=1)) for _ in range(5)]
        await asyncio.sleep(0.4)
        began = time.monotonic()
        await client.close()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - began < 1.0
        assert [type(error) for error in ended] == [ClosedError] * 5
        assert not any(task.cancelling() for task in calls)
        assert limiter.snapshot().waiting == limiter.snapshot().in_flight == 0


async def test_a_callers_own_cancel_stays_a_cancel(opened: Opened) -> None:
    async with opened(sandbox={"latency": 2.0}) as (_, client):
        call = asyncio.create_task(client.list_chats(limit=1))
        await asyncio.sleep(0.1)
        call.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_lent_session_that_is_closed_is_told_so(opened: Opened) -> None:
    async with opened() as (sandbox, _):
        async with aiohttp.ClientSession() as session:
            pass
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, session=session) as client:
            with pytest.raises(ClosedError, match="lent"):
                await client.list_chats(limit=1)
            assert client.rate_limit.in_flight == 0


def test_a_session_of_another_loop_and_a_walk_from_another_loop_are_told_so() -> None:
    with Sandbox(chats=50, limit=1000) as sandbox:

        async def lend() -> aiohttp.ClientSession:
            session = aiohttp.ClientSession()
            await session.close()
            return session

        async def use(session: aiohttp.ClientSession) -> None:
            await PeriskopeClient(KEY, base_url=sandbox.base_url, session=session).list_chats()

        with pytest.raises(WrongLoopError, match="lent"):
            asyncio.run(use(asyncio.run(lend())))

        walks: list[Any] = []

        async def begin() -> None:
            async with PeriskopeClient(KEY, base_url=sandbox.base_url) as client:
                walks.append(aiter(client.iter_chats(page_size=10, prefetch=1).pages()))
                await anext(walks[0])

        async def go_on() -> None:
            await anext(walks[0])

        asyncio.run(begin())
        with pytest.raises(WrongLoopError, match="resume"):
            asyncio.run(go_on())


async def test_errors_without_an_answer_of_their_own_bear_the_last_ones_facts(opened: Opened) -> None:
    page = (
        b'{"from":1,"to":10,"count":100,"chats":[' + b",".join(b'{"chat_id":"%d@g.us"}' % n for n in range(10)) + b"]}"
    )
    async with opened(timeout=Timeout(total=0.5)) as (sandbox, client):
        sandbox.script(*[Body(page, "application/json")] * 5)
        with pytest.raises(PaginationError) as ignored:
            await client.iter_chats(page_size=10, prefetch=1).collect()
        assert ignored.value.trace_id
        sandbox.clear()
        sandbox.script(Status(503), Slow(5.0))
        with pytest.raises(TimeoutError_) as late:
            await client.list_chats(limit=1)
        assert late.value.phase == "total"
        assert late.value.attempts == 2
        assert late.value.meta is not None
        assert late.value.meta.status == 503


async def test_more_calls_at_once_than_aiohttp_likes_to_pool(opened: Opened) -> None:
    async with opened(sandbox={"latency": 60.0}) as (sandbox, client):
        calls = [asyncio.ensure_future(client.list_chats(limit=1)) for _ in range(150)]
        # All are at the server before the first one is answered.
        while len(sandbox.requests) < len(calls):  # noqa: ASYNC110 - it tells nobody else
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_waiting_for_a_connection_is_its_own_timeout(opened: Opened) -> None:
    async with opened(sandbox={"latency": 1.0}) as (sandbox, _):
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            client = PeriskopeClient(
                sandbox.api_key, base_url=sandbox.base_url, session=session, retry=1, timeout=Timeout(connect=0.2)
            )
            async with client:
                first = asyncio.create_task(client.list_chats(limit=1))
                await asyncio.sleep(0.05)
                with pytest.raises(TimeoutError_) as caught:
                    await client.list_chats(limit=1)
                assert caught.value.phase == "connect"
                await first


@pytest.mark.parametrize(
    "fault",
    [
        Status(401, b'{"message":"Invalid token: Bearer %s","code":"UNAUTHORIZED_ERROR"}' % KEY.encode()),
        Status(503, b"<html>Authorization: Bearer %s</html>" % KEY.encode()),
        Body(b"<html>Authorization: Bearer %s</html>" % KEY.encode(), "text/html"),
    ],
)
async def test_a_server_that_quotes_the_key_does_not_get_it_into_an_error_or_a_log(
    opened: Opened, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    async with opened(sandbox={"api_key": KEY}) as (sandbox, client):
        sandbox.script(*[fault] * 6)
        with caplog.at_level(logging.DEBUG), pytest.raises((APIError, DecodeError)) as caught:
            await client.list_chats(limit=1)
    error = caught.value
    assert KEY not in f"{error!r} {error} {vars(error)!r} {caplog.text}"


async def test_no_report_of_a_crash_shows_the_key(unused_tcp_port: int) -> None:
    async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 what\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(no_http, "127.0.0.1", unused_tcp_port)
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    async with server, PeriskopeClient(KEY, base_url=url, retry=1) as client:
        with pytest.raises(ConnectError) as caught:
            await client.list_chats(limit=1)
        await done.wait()
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(report.format())
    with pytest.raises(ConfigError) as refused:
        PeriskopeClient(f"{KEY} and a space")
    # The report asks the half-made client for its repr.
    assert "ConfigError" in "".join(
        traceback.TracebackException.from_exception(refused.value, capture_locals=True).format()
    )


async def test_a_redirect_that_brings_a_user_of_its_own(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        location = sandbox.base_url.replace("http://", "http://somebody:else@") + "/chats?limit=3"
        sandbox.script(Redirect(location))
        assert len((await client.list_chats(limit=3)).chats) == 3


async def test_a_hook_that_is_cancelled_leaves_no_token_out(opened: Opened) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, RequestSent):
            raise asyncio.CancelledError

    async with opened(hooks=[stop]) as (_, client):
        with pytest.raises(asyncio.CancelledError):
            await client.list_chats(limit=1)
        assert client.rate_limit.in_flight == 0


@pytest.mark.parametrize("hooks", [print, None, 3])
def test_hooks_are_several(hooks: Any) -> None:
    with pytest.raises(ConfigError, match=r"give a list of callables, such as hooks=\[print\]$"):
        PeriskopeClient(KEY, hooks=hooks)


@pytest.mark.parametrize("session", [aiohttp.ClientSession, "session"])
def test_what_is_no_session_is_refused(session: Any) -> None:
    with pytest.raises(ConfigError, match=r"lend an aiohttp.ClientSession\(\), or leave it out$"):
        PeriskopeClient(KEY, session=session)


def test_an_async_callable_object_is_no_hook() -> None:
    class Hook:
        async def __call__(self, event: Event) -> None:
            """Never awaited by anybody."""

    with pytest.raises(ConfigError, match="hook"):
        PeriskopeClient(KEY, hooks=[Hook()])


@pytest.mark.parametrize(
    "wrong",
    [
        {"chat_id": 919876543210},
        {"phone": 919876543210},
        {"label": 1},
        {"label": "\ud83d"},
        {"start_time": 1_700_000_000},
        {"max_items": "5"},
        {"max_items": 2.5},
        {"prefetch": "2"},
    ],
)
def test_wrong_types_are_told_before_anything_is_sent(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PeriskopeClient(KEY).iter_chats(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": "5"},
        {"retry": 2.5},
        {"limiter": 5},
        {"session": 5},
        {"base_url": "https://ex ample.com"},
        {"base_url": "https://example.com/a b"},
    ],
)
def test_wrong_settings_are_told_when_the_client_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PeriskopeClient(KEY, **wrong)
    with pytest.raises(ConfigError, match="API key"):
        PeriskopeClient(5)  # type: ignore[arg-type]
