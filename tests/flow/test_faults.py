"""Each fault ends in the right result or the right typed error, with nothing left over."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import (
    APIError,
    AuthenticationError,
    BodyError,
    ConnectError,
    DecodeError,
    PeriskopeClient,
    RateLimit,
    RateLimiter,
    RateLimitError,
    RetryPolicy,
    ServerError,
    Timeout,
    TimeoutError_,
    TransportError,
    ValidationError,
)
from periskope_async.events import Event, Retried
from periskope_async.sandbox import (
    Body,
    CutBody,
    HeaderChange,
    Pass,
    Redirect,
    ResetConnection,
    Slow,
    StallBody,
    Status,
)
from tests.flow.raw_server import compressed
from tests.reading import RECORDED

if TYPE_CHECKING:
    from periskope_async.sandbox import Fault
    from tests.flow.conftest import Opened

QUICK = Timeout(connect=5.0, read=0.3)
NO_RETRY = 1


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 527, 529, 530, 598, 599])
async def test_a_passing_status_is_tried_again(opened: Opened, status: int) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Status(status), Status(status))
        page = await client.list_chats(limit=5)
        assert len(page.chats) == 5
        assert page.meta.attempts == 3
        assert [request.status for request in sandbox.requests] == [status, status, 200]


async def test_a_status_that_lasts_is_raised_after_every_try(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(*[Status(503, body=b"<html>down</html>")] * 10)
        with pytest.raises(ServerError, match="503 on GET /chats") as caught:
            await client.list_chats()
        assert len(sandbox.requests) == 4
        assert caught.value.body == b"<html>down</html>"
        assert "given up after 4 tries" in caught.value.__notes__[0]


async def test_a_foreign_refusal_is_waited_out(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Status(429, headers={"Retry-After": "1"}))
        began = asyncio.get_running_loop().time()
        page = await client.list_chats(limit=1)
        assert asyncio.get_running_loop().time() - began >= 1.0
        # Its wait begins when the refusal has been read, a little after its headers came.
        assert page.meta.waited >= 0.9
        assert client.rate_limit.refusals == 1
        assert [request.status for request in sandbox.requests] == [429, 200]


async def test_a_429_without_headers_is_waited_for_by_the_limiter(opened: Opened) -> None:
    """A wait of the call's own would be the second one."""
    waits: list[float] = []

    def hook(event: Event) -> None:
        if isinstance(event, Retried):
            waits.append(event.wait)

    bare = HeaderChange(drop=("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"))
    settings = {"limit": 1, "window": 0.1, "always": bare}
    limiter = RateLimiter(assume=RateLimit(1000, 0.1))
    async with opened(sandbox=settings, hooks=[hook], limiter=limiter) as (_, client):
        await client.list_chats(limit=1)
        page = await client.list_chats(limit=1)
    assert waits
    assert max(waits) == 0.0
    assert page.meta.waited >= 0.05


async def test_a_429_that_lasts_is_a_rate_limit_error(opened: Opened) -> None:
    async with opened(retry=NO_RETRY) as (sandbox, client):
        sandbox.script(Status(429, headers={"Retry-After": "7"}))
        with pytest.raises(RateLimitError) as caught:
            await client.list_chats()
        assert caught.value.meta is not None
        assert caught.value.meta.rate_limit.retry_after == 7.0


async def test_a_retry_after_beyond_patience_is_not_shortened(opened: Opened) -> None:
    async with opened(retry=RetryPolicy(max_elapsed=5.0)) as (sandbox, client):
        sandbox.script(Status(503, headers={"Retry-After": "60"}))
        with pytest.raises(ServerError):
            await client.list_chats()
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize("after", [0, 1, 5_000])
async def test_a_cut_body_is_read_again(opened: Opened, after: int) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(CutBody(after))
        assert len((await client.list_chats(limit=100)).chats) == 100
        assert len(sandbox.requests) == 2


async def test_a_body_that_is_always_cut_is_a_body_error(opened: Opened) -> None:
    async with opened(retry=NO_RETRY) as (sandbox, client):
        sandbox.script(CutBody(100))
        with pytest.raises(BodyError, match="broke off") as caught:
            await client.list_chats()
        assert caught.value.trace_id
        assert caught.value.attempts == 1


async def test_a_stalled_body_times_out_and_is_read_again(opened: Opened) -> None:
    async with opened(timeout=QUICK) as (sandbox, client):
        sandbox.script(StallBody(100, 30.0))
        assert len((await client.list_chats(limit=100)).chats) == 100
        assert len(sandbox.requests) == 2


async def test_silence_before_the_answer_is_a_read_timeout(opened: Opened) -> None:
    async with opened(timeout=QUICK, retry=NO_RETRY) as (sandbox, client):
        sandbox.script(Slow(30.0))
        with pytest.raises(TimeoutError_, match=r"timeout\.read") as caught:
            await client.list_chats()
        assert caught.value.phase == "read"
        assert isinstance(caught.value, TimeoutError)


async def test_a_slow_answer_that_keeps_coming_is_no_failure(opened: Opened) -> None:
    async with opened(timeout=Timeout(read=2.0)) as (sandbox, client):
        sandbox.script(Slow(0.5))
        assert len((await client.list_chats(limit=5)).chats) == 5


async def test_the_total_bounds_a_call_with_all_its_tries(opened: Opened) -> None:
    async with opened(timeout=Timeout(read=0.2, total=0.7), retry=RetryPolicy(tries=100, base=0.0)) as (
        sandbox,
        client,
    ):
        sandbox.script(*[Slow(30.0)] * 50)
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError_, match=r"timeout\.total") as caught:
            await client.list_chats()
        assert caught.value.phase == "total"
        assert 0.6 < asyncio.get_running_loop().time() - began < 3.0
        assert len(sandbox.requests) > 1


async def test_a_reset_connection_is_tried_again(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        await client.list_chats(limit=1)  # so that the next request meets a kept-alive connection
        sandbox.script(ResetConnection())
        assert len((await client.list_chats(limit=5)).chats) == 5
        # One request met the reset and one the answer: aiohttp resent nothing by itself.
        assert len(sandbox.requests) == 3


async def test_a_reset_is_not_resent_unseen(opened: Opened) -> None:
    async with opened(retry=NO_RETRY) as (sandbox, client):
        await client.list_chats(limit=1)
        sandbox.script(ResetConnection())
        with pytest.raises(ConnectError):
            await client.list_chats(limit=5)
        assert len(sandbox.requests) == 2


async def test_nobody_there_is_a_connect_error(nothing_left_over: None, unused_tcp_port: int) -> None:
    async with PeriskopeClient("key", base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", retry=2) as client:
        with pytest.raises(ConnectError) as caught:
            await client.list_chats()
        assert caught.value.attempts == 2
        # Nothing was sent, so nothing was spent.
        assert client.rate_limit.in_flight == 0


@pytest.mark.parametrize(
    ("body", "said"), [(b"[]", r"\[\]"), (b'{"chats":', "broken JSON"), (b'"ok"', "ok"), (b'{"error":"no"}', "chats")]
)
async def test_a_success_that_is_none_is_a_decode_error(opened: Opened, body: bytes, said: str) -> None:
    """The server's own, which would come again."""
    async with opened() as (sandbox, client):
        sandbox.script(*[Body(body, "application/json")] * 3)
        with pytest.raises(DecodeError, match=said):
            await client.list_chats()
        with pytest.raises(DecodeError, match=said):
            await client.get_chat("919876543210")
        with pytest.raises(DecodeError, match=said):
            await client.iter_chats().collect()
        assert len(sandbox.requests) == 3


@pytest.mark.parametrize("status", [501, 505, 525, 526])
async def test_a_status_that_stays_is_not_tried_again(opened: Opened, status: int) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Status(status))
        with pytest.raises(ServerError):
            await client.list_chats()
        assert len(sandbox.requests) == 1


async def test_a_422_has_its_fields_and_is_not_tried_again(opened: Opened) -> None:
    async with opened(sandbox={"max_limit": 100}) as (sandbox, client):
        with pytest.raises(ValidationError, match="Limit should be less than") as caught:
            await client.list_chats(limit=1000)
        assert set(caught.value.fields) == {"limit"}
        assert caught.value.org_id
        assert len(sandbox.requests) == 1


async def test_a_wrong_key_says_so(opened: Opened) -> None:
    async with opened(sandbox={"api_key": "right"}) as (sandbox, _):
        async with PeriskopeClient("wrong-secret", base_url=sandbox.base_url) as client:
            with pytest.raises(AuthenticationError, match="PERISKOPE_API_KEY") as caught:
                await client.list_chats()
        assert "wrong-secret" not in str(caught.value)
        assert len(sandbox.requests) == 1


async def test_a_phone_out_of_scope_says_so(opened: Opened) -> None:
    async with opened() as (_, client):
        with pytest.raises(AuthenticationError, match="may not use the phone 12025550123"):
            await client.list_chats(phone="+1 202 555 0123")


@pytest.mark.parametrize(("status", "tries"), [(302, 4), (307, 4), (301, 1), (308, 1)])
async def test_a_redirect_to_another_host_does_not_get_the_key(opened: Opened, status: int, tries: int) -> None:
    """A captive portal may be gone at the next try; a redirect for good stays."""
    async with opened() as (elsewhere, _), opened() as (sandbox, client):
        sandbox.script(*[Redirect(f"{elsewhere.base_url}/chats", status=status)] * 4)
        with pytest.raises(APIError, match="another host"):
            await client.list_chats()
        assert elsewhere.requests == []
        assert len(sandbox.requests) == tries


@pytest.mark.parametrize("fault", [Redirect("https://login.example/"), Status(511), Status(421)])
async def test_a_walk_goes_on_behind_a_captive_portal(opened: Opened, fault: Fault) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Pass(), fault)
        assert len([chat async for chat in client.iter_chats(page_size=50)]) == 250


async def test_a_redirect_on_the_same_host_is_followed_and_counted(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Redirect("/v1/chats?offset=0&limit=3"))
        page = await client.list_chats(limit=5)
        assert len(page.chats) == 3
        assert page.meta.attempts == len(sandbox.requests) == 2


async def test_a_ring_of_redirects_ends(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(*[Redirect("/v1/chats")] * 10)
        with pytest.raises(APIError, match="302"):
            await client.list_chats()
        assert len(sandbox.requests) == 4


async def test_a_body_over_the_bound_is_refused(opened: Opened) -> None:
    async with opened(max_body=10_000) as (sandbox, client):
        assert len((await client.list_chats(limit=2)).chats) == 2
        with pytest.raises(BodyError, match="max_body"):
            await client.list_chats(limit=200)
        assert len(sandbox.requests) == 2


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(opened: Opened) -> None:
    bomb = gzip.compress(b'{"chats":[' + b" " * 50_000_000 + b"]}")
    async with opened(max_body=1_000_000) as (sandbox, client):
        sandbox.script(Status(200, body=bomb, headers={"Content-Encoding": "gzip"}))
        with pytest.raises(BodyError, match="max_body"):
            await client.list_chats()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_every_encoding_is_read(opened: Opened, encoding: str) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Status(200, body=compressed(encoding, RECORDED), headers={"Content-Encoding": encoding}))
        page = await client.list_chats()
        assert len(page.chats) == 23
        assert page.meta.body_bytes == len(RECORDED)


async def test_compressed_answers_are_asked_for(opened: Opened) -> None:
    async with opened(sandbox={"compress": True}) as (sandbox, client):
        page = await client.list_chats(limit=200)
        assert [chat.chat_id for chat in page.chats] == sandbox.chat_ids()[:200]
        assert sandbox.requests[0].body_bytes < page.meta.body_bytes / 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_broken_encoding_is_a_body_error(opened: Opened, encoding: str) -> None:
    async with opened(retry=NO_RETRY) as (sandbox, client):
        broken = zlib.compress(b"{}" * 100)[:-9] + b"not at all"
        sandbox.script(Status(200, body=broken, headers={"Content-Encoding": encoding}))
        with pytest.raises(BodyError):
            await client.list_chats()


@pytest.mark.parametrize("skew", [3600.0, -3600.0])
async def test_a_clock_an_hour_off_changes_nothing(opened: Opened, skew: float) -> None:
    async with opened(sandbox={"chats": 1500, "limit": 10, "clock_skew": skew}, limiter=RateLimiter()) as (
        sandbox,
        client,
    ):
        assert len(await client.iter_chats(page_size=100).collect()) == 1500
        assert sandbox.refusals == 0
        assert client.rate_limit.window == 1.0


@pytest.mark.parametrize(
    "change",
    [
        HeaderChange(drop=("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")),
        HeaderChange(drop=("Date",)),
        HeaderChange(set={"X-RateLimit-Reset": "soon", "X-RateLimit-Remaining": "many"}),
        HeaderChange(set={"X-RateLimit-Remaining": "99"}),
    ],
)
async def test_headers_that_make_no_sense_change_nothing(opened: Opened, change: Any) -> None:
    async with opened(sandbox={"chats": 1500, "limit": 10}, limiter=RateLimiter(assume=RateLimit(10, 1.0))) as (
        sandbox,
        client,
    ):
        sandbox.script(*[change] * 40)
        assert len(await client.iter_chats(page_size=100).collect()) == 1500
        assert sandbox.refusals == 0
        assert client.rate_limit.limit == 10


@pytest.mark.parametrize("seed", range(3))
async def test_a_storm_of_faults_still_gives_every_chat_once(opened: Opened, seed: int) -> None:
    rng = random.Random(seed)
    kinds: list[Fault] = [Status(500), Status(502), CutBody(2_000), ResetConnection(), Slow(0.05), StallBody(50, 30.0)]
    async with opened(sandbox={"chats": 600}, timeout=QUICK, retry=RetryPolicy(tries=30, base=0.0)) as (
        sandbox,
        client,
    ):
        sandbox.script(*[rng.choice(kinds) for _ in range(25)])
        pager = client.iter_chats(page_size=50)
        assert [chat.chat_id async for chat in pager] == sandbox.chat_ids()
        assert pager.report.requests == len(sandbox.requests)


async def test_transport_errors_are_transport_errors() -> None:
    assert issubclass(TimeoutError_, TransportError)
    assert issubclass(BodyError, TransportError)
    assert issubclass(ConnectError, TransportError)
