"""A second walk of an unchanged list: the server says that pages still hold, and does not send them again."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from periskope_async import (
    APIError,
    BodyError,
    DecodeError,
    PageCache,
    PeriskopeClient,
    RateLimit,
    RateLimiter,
)
from periskope_async.events import Event, ResponseReceived
from periskope_async.sandbox import (
    PHONES,
    CutBody,
    HeaderChange,
    PageAsked,
    Redirect,
    ResetConnection,
    Sandbox,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async import WalkReport
    from periskope_async.wire.chats import SortBy
    from tests.flow.conftest import Opened

PAGE = b'{"from":1,"to":1,"count":1,"chats":[{"chat_id":"1@c.us"}]}'
DATE = "Tue, 01 Jul 2031 10:00:00 GMT"


def statuses(sandbox: Sandbox) -> list[int]:
    """Give what the requests since the last call were answered, in order of arrival."""
    found = [request.status for request in sandbox.requests]
    sandbox.clear()
    return found


def once_each(sandbox: Sandbox) -> list[int]:
    """Give what :func:`statuses` is to be for a cache that was empty: at its end a walk reads its first page again."""
    seen: set[tuple[str | None, str]] = set()
    expected: list[int] = []
    for request in sandbox.requests:
        page = (request.phone, str(request.query))
        expected.append(304 if page in seen else 200)
        seen.add(page)
    return expected


@pytest.mark.parametrize("compress", ["compress", ""])
@pytest.mark.parametrize("prefetch", [1, 4, None])
async def test_a_second_walk_of_an_unchanged_list_is_all_304(
    opened: Opened, compress: str, prefetch: int | None
) -> None:
    async with opened(sandbox={"compress": bool(compress)}) as (sandbox, client):
        pager = client.iter_chats(page_size=50, prefetch=prefetch, cache=PageCache())
        rows = await pager.collect()
        first = pager.report
        asked = sorted(str(request.query) for request in sandbox.requests)
        expected = once_each(sandbox)
        assert statuses(sandbox) == expected
        assert first.not_modified == expected.count(304)

        assert await pager.collect() == rows
        second = pager.report
        assert sum(request.body_bytes for request in sandbox.requests) == 0
        assert sorted(str(request.query) for request in sandbox.requests) == asked
        assert statuses(sandbox) == [304] * second.requests
        assert second.complete is True
        assert (second.bytes, second.bytes_saved) == (0, first.bytes + first.bytes_saved)
        assert second.not_modified == second.pages == first.pages


async def test_a_304_gives_the_kept_rows_and_its_own_facts(opened: Opened) -> None:
    events: list[Event] = []
    cache = PageCache()
    async with opened(hooks=[events.append]) as (sandbox, client):
        first = await client.list_chats(limit=20, cache=cache)
        sandbox.script(HeaderChange(set={"Date": DATE}))
        second = await client.list_chats(limit=20, cache=cache)
        assert statuses(sandbox) == [200, 304]
        assert second.chats == first.chats
        assert (second.from_, second.to, second.count) == (first.from_, first.to, first.count)
        assert (second.meta.status, second.meta.body_bytes) == (304, 0)
        assert second.meta.bytes_saved == first.meta.body_bytes > 0
        assert second.meta.date == DATE
        assert second.meta.trace_id != first.meta.trace_id
        assert second.meta.etag == first.meta.etag
        assert second.meta.content_type == first.meta.content_type
        assert second.meta.rate_limit.remaining == (first.meta.rate_limit.remaining or 0) - 1
        told = [event.meta for event in events if isinstance(event, ResponseReceived)]
        assert told == [first.meta, second.meta]


async def test_only_what_changed_is_sent_again(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, clock = PageCache(), Clock()
    monkeypatch.setattr("periskope_async.sandbox.server.time", clock)
    async with opened(sandbox={"chats": 200}) as (sandbox, client):

        async def walk() -> list[int]:
            pager = client.iter_chats(page_size=40, prefetch=1, sort_by="created_at", cache=cache)
            rows = await pager.collect()
            found = statuses(sandbox)
            assert rows == await client.iter_chats(page_size=200, sort_by="created_at").collect()
            assert pager.report.complete is True
            assert pager.report.not_modified == found.count(304)
            statuses(sandbox)
            return found

        await walk()
        sandbox.wake(100)  # a new message, in a row that stays in its place
        # What moves right before a walk may have moved in it.
        clock.seconds += 10.0
        changed = await walk()
        assert changed.count(200) == 1
        assert changed[0] == changed[-1] == 304
        assert set(await walk()) == {304}


async def test_what_is_kept_serves_every_way_of_reading_the_same_pages(opened: Opened) -> None:
    cache = PageCache()
    async with opened() as (sandbox, client):
        pager = client.iter_chats(page_size=100, cache=cache)
        plain = await client.iter_chats(page_size=100).raw().collect()
        rows = await pager.collect()
        statuses(sandbox)
        raw = pager.raw()
        assert await raw.collect() == plain
        assert raw.report.bytes == 0
        assert [chat.chat_id async for chat in client.with_phone(None).iter_chats(page_size=100, cache=cache)] == [
            chat.chat_id for chat in rows
        ]
        assert set(statuses(sandbox)) == {304}
        assert await pager.first() == await pager.first() == rows[0]
        assert await pager.count() == await pager.count() == 250
        # A row of its own is another page to the server, which both share.
        assert statuses(sandbox) == [200, 304, 304, 304]
        assert (await client.list_chats(limit=100, cache=cache)).meta.status == 304


async def test_a_page_size_that_had_to_be_halved_is_kept_too(opened: Opened) -> None:
    async with opened(sandbox={"max_limit": 60}) as (sandbox, client):
        pager = client.iter_chats(page_size=100, prefetch=1, cache=PageCache())
        rows = await pager.collect()
        assert statuses(sandbox)[0] == 422
        assert await pager.collect() == rows
        assert set(statuses(sandbox)) == {422, 304}
        assert pager.report.not_modified == pager.report.pages


async def test_pages_that_do_not_fit_are_evicted_and_come_anew(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        plain = client.iter_chats(page_size=50, prefetch=1)
        rows = await plain.collect()
        # The walk ends on its first page again, which is the one that is left to begin the next one with.
        first = str(sandbox.requests[0].query)
        sandbox.clear()
        cache = PageCache(max_bytes=plain.report.bytes // 2)
        pager = client.iter_chats(page_size=50, prefetch=1, cache=cache)
        for _ in range(3):
            assert await pager.collect() == rows
            assert all(request.status == 200 or str(request.query) == first for request in sandbox.requests)
            assert statuses(sandbox).count(200) >= pager.report.pages - 2
            assert 0 < cache.bytes_kept <= cache.max_bytes
        small = PageCache(max_bytes=100)
        assert len((await client.list_chats(limit=50, cache=small)).chats) == 50
        assert small.pages == 0


async def test_a_page_that_is_evicted_while_the_server_is_asked_is_not_lost(opened: Opened) -> None:
    cache = PageCache()
    async with opened() as (sandbox, client):
        pager = client.iter_chats(page_size=50, cache=cache)
        rows = await pager.collect()
        statuses(sandbox)
        sandbox.before_page = lambda _: cache.clear()
        assert await pager.collect() == rows
        assert 304 in statuses(sandbox)


async def test_phones_keys_and_servers_never_get_each_others_pages(opened: Opened) -> None:
    cache = PageCache()
    async with opened(sandbox={"chats": 60}) as (sandbox, client), Sandbox(chats=60, limit=1000) as other:

        async def walk(client: PeriskopeClient) -> list[str]:
            return [chat.chat_id async for chat in client.iter_chats(page_size=60, cache=cache)]

        one, two = (client.with_phone(phone.phone_id) for phone in PHONES[:2])
        async with (
            PeriskopeClient("another-key", base_url=sandbox.base_url) as stranger,
            PeriskopeClient(sandbox.api_key, base_url=other.base_url) as elsewhere,
        ):
            found: list[list[str]] = []
            for reader in (client, one, two, stranger):
                found.append(await walk(reader))
                assert statuses(sandbox)[0] == 200
            assert found[1] != found[2]
            assert found == [await walk(reader) for reader in (client, one, two, stranger)]
            assert set(statuses(sandbox)) == {304}
            await walk(elsewhere)
            assert statuses(other)[0] == 200


async def test_answers_with_no_store_are_not_kept(opened: Opened) -> None:
    cache = PageCache()
    async with opened() as (sandbox, client):
        for told in ("no-store", "private, No-Store"):
            sandbox.script(HeaderChange(set={"Cache-Control": told}))
            await client.list_chats(limit=5, cache=cache)
            assert cache.pages == 0
        sandbox.script(HeaderChange(set={"Cache-Control": "private, max-age=0, must-revalidate"}))
        await client.list_chats(limit=5, cache=cache)
        sandbox.script(HeaderChange(set={"Cache-Control": "no-store"}))
        assert len((await client.list_chats(limit=5, cache=cache)).chats) == 5
        assert cache.pages == 0
        assert statuses(sandbox) == [200, 200, 200, 304]


@pytest.mark.parametrize("cache", [None, PageCache()])
async def test_a_304_that_was_not_asked_for_is_an_error(opened: Opened, cache: PageCache | None) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Status(304, headers={"ETag": '"1"'}))
        with pytest.raises(APIError, match="304") as caught:
            await client.list_chats(cache=cache)
        assert caught.value.status == 304
        assert len(sandbox.requests) == 1


async def test_without_a_cache_nothing_is_asked_conditionally(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        pager = client.iter_chats(page_size=100)
        assert await pager.collect() == await pager.collect()
        assert set(statuses(sandbox)) == {200}
        assert (pager.report.bytes_saved, pager.report.not_modified) == (0, 0)


async def test_faults_in_between_change_nothing(opened: Opened) -> None:
    cache = PageCache()
    async with opened() as (sandbox, client):
        pager = client.iter_chats(page_size=100, prefetch=1, cache=cache)
        sandbox.script(CutBody(500))
        rows = await pager.collect()
        saved = pager.report.bytes + pager.report.bytes_saved
        statuses(sandbox)
        sandbox.script(Status(503), ResetConnection(), Status(429, headers={"Retry-After": "1"}))
        sandbox.script(Redirect(f"{sandbox.base_url}/chats?offset=0&limit=100", status=307))
        assert await pager.collect() == rows
        assert statuses(sandbox) == [503, 0, 429, 307] + [304] * pager.report.pages
        assert (pager.report.bytes_saved, pager.report.complete) == (saved, True)


async def test_a_redirect_that_leads_to_another_page_keeps_that_one_under_its_own_address(opened: Opened) -> None:
    cache = PageCache()
    async with opened() as (sandbox, client):
        sandbox.script(Redirect("/v1/chats?offset=0&limit=3"))
        assert len((await client.list_chats(limit=9, cache=cache)).chats) == 3
        assert len((await client.list_chats(limit=9, cache=cache)).chats) == 9
        assert len((await client.list_chats(limit=3, cache=cache)).chats) == 3
        assert statuses(sandbox) == [302, 200, 200, 304]


async def test_a_cancel_loses_nothing(opened: Opened) -> None:
    cache = PageCache()
    async with opened(sandbox={"latency": 0.05}) as (sandbox, client):
        pager = client.iter_chats(page_size=100, prefetch=1, cache=cache)
        rows = await pager.collect()
        pages = cache.pages
        for seconds in (0.0, 0.02, 0.07, 0.12):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pager.collect(), seconds)
        assert cache.pages == pages
        statuses(sandbox)
        assert await pager.collect() == rows
        assert set(statuses(sandbox)) == {304}


async def test_two_walks_at_once_share_a_cache(opened: Opened) -> None:
    cache = PageCache()
    async with opened() as (sandbox, client):
        walks = [client.iter_chats(page_size=50, cache=cache) for _ in range(4)]
        first, *others = await asyncio.gather(*(walk.collect() for walk in walks))
        assert all(rows == first for rows in others)
        statuses(sandbox)
        assert await walks[0].collect() == first
        assert set(statuses(sandbox)) == {304}


async def test_a_304_costs_a_request_of_the_limit(opened: Opened) -> None:
    cache = PageCache()
    limiter = RateLimiter(assume=RateLimit(5, 1.0))
    async with opened(sandbox={"chats": 100, "limit": 5}, limiter=limiter) as (sandbox, client):
        pager = client.iter_chats(page_size=20, cache=cache)
        await pager.collect()
        statuses(sandbox)
        await pager.collect()
        assert set(statuses(sandbox)) == {304}
        assert pager.report.seconds_waited > 0
        assert sandbox.refusals == 0


async def test_a_smaller_max_body_holds_for_kept_pages_too(opened: Opened) -> None:
    cache = PageCache()
    async with opened() as (sandbox, client):
        await client.list_chats(limit=50, cache=cache)
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, max_body=1000) as careful:
            with pytest.raises(BodyError, match="max_body"):
                await careful.list_chats(limit=50, cache=cache)


class Clock:
    """The server's time, which passes page by page: a second's end must not fall elsewhere in another run."""

    seconds = 0.0

    def time(self) -> float:
        return 1.9e9 + self.seconds

    def monotonic(self) -> float:
        return self.seconds


async def walks_of_a_moving_list(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, sort_by: SortBy, cache: PageCache | None
) -> list[tuple[list[list[str]], WalkReport]]:
    """Walk a list three times while it moves and twice at rest: the same moves each time this is called."""
    clock = Clock()
    monkeypatch.setattr("periskope_async.sandbox.server.time", clock)
    rng = random.Random(7)
    gone: set[str] = set()
    done: list[tuple[list[list[str]], WalkReport]] = []

    async with opened(sandbox={"chats": 400}, limiter=RateLimiter(assume=RateLimit(1000, 1.0))) as (sandbox, client):

        def move(_: PageAsked) -> None:
            clock.seconds += 0.3
            for _move in range(rng.choice((0, 0, 1, 2))):
                match rng.randrange(5):
                    case 0:
                        sandbox.insert()
                    case 1:
                        gone.add(sandbox.remove())
                    case _:
                        sandbox.wake()

        pager = client.iter_chats(page_size=40, prefetch=1, sort_by=sort_by, cache=cache)
        for hook in (move, move, move, None, None):
            sandbox.before_page = hook
            # What moved in the walk before may not seem to move in this one.
            clock.seconds += 10.0
            there = set(sandbox.chat_ids())
            pages = [[chat.chat_id for chat in page.items] async for page in pager.pages()]
            rows = [chat_id for page in pages for chat_id in page]
            assert len(rows) == len(set(rows))
            if pager.report.complete:
                assert there - gone <= set(rows)
            if hook is None:
                assert pager.report.complete is True
                assert set(rows) == there
            done.append((pages, pager.report))
    return done


@pytest.mark.parametrize("sort_by", ["latest_message_timestamp", "created_at"])
async def test_a_list_that_moves_is_walked_exactly_as_without_a_cache(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, sort_by: SortBy
) -> None:
    plain = await walks_of_a_moving_list(opened, monkeypatch, sort_by, None)
    cache = PageCache()
    kept = await walks_of_a_moving_list(opened, monkeypatch, sort_by, cache)
    assert kept[-1][1].not_modified == kept[-1][1].pages < cache.hits
    for (plain_pages, plain_report), (kept_pages, kept_report) in zip(plain, kept, strict=True):
        assert kept_pages == plain_pages
        assert kept_report.bytes + kept_report.bytes_saved == plain_report.bytes
        for report in (plain_report, kept_report):
            report.bytes = report.bytes_saved = report.not_modified = 0
            report.seconds = report.seconds_waited = 0.0
        assert kept_report == plain_report


async def test_page_by_page_the_rows_are_those_of_a_client_without(opened: Opened) -> None:
    rng = random.Random(11)
    cache = PageCache(max_bytes=600_000)
    async with opened(sandbox={"chats": 300}) as (sandbox, client):
        moves: list[Callable[[], object]] = [sandbox.wake, sandbox.insert, sandbox.remove]
        for _ in range(80):
            if rng.random() < 0.2:
                rng.choice(moves)()
            asked: dict[str, Any] = {"offset": rng.randrange(0, 320, 40), "limit": rng.choice((40, 80))}
            asked["sort_by"] = rng.choice(("created_at", "latest_message_timestamp"))
            kept, plain = await client.list_chats(**asked, cache=cache), await client.list_chats(**asked)
            assert kept.chats == plain.chats
            assert (kept.from_, kept.to, kept.count) == (plain.from_, plain.to, plain.count)
        answers = statuses(sandbox)
        assert answers.count(304) == cache.hits > 5


class Scripted:
    """A server that answers what it is told, one after another, and notes each request's If-None-Match."""

    def __init__(self, *answers: tuple[int, bytes, dict[str, str]]) -> None:
        self._answers = iter(answers)
        self.asked: list[str | None] = []
        app = web.Application()
        app.router.add_get("/v1/chats", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("If-None-Match"))
        status, body, headers = next(self._answers)
        return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **headers})

    def client(self) -> PeriskopeClient:
        return PeriskopeClient("key", base_url=str(self.server.make_url("/v1")), retry=1)


@pytest.mark.parametrize("etag", ['"a"', 'W/"a-/+="', '"a,b"', r'"\"'])
async def test_an_etag_is_sent_back_as_it_came(nothing_left_over: None, etag: str) -> None:
    scripted = Scripted((200, PAGE, {"ETag": etag}), (304, b"", {}), (304, b"", {"ETag": '"of no meaning"'}))
    cache = PageCache()
    async with scripted.server, scripted.client() as client:
        pages = [await client.list_chats(limit=1, cache=cache) for _ in range(3)]
    assert scripted.asked == [None, etag, etag]
    assert [page.chats[0].chat_id for page in pages] == ["1@c.us"] * 3


@pytest.mark.parametrize("headers", [{}, {"ETag": "*"}, {"ETag": "abc"}, {"ETag": '"ä"'}, {"ETag": '"a'}])
async def test_what_is_no_etag_is_never_sent(nothing_left_over: None, headers: dict[str, str]) -> None:
    scripted = Scripted((200, PAGE, headers), (200, PAGE, headers))
    cache = PageCache()
    async with scripted.server, scripted.client() as client:
        for _ in range(2):
            assert len(await client.list_chats(limit=1, cache=cache)) == 1
    assert scripted.asked == [None, None]


async def test_a_304_that_speaks_of_a_compressed_body_is_read_without_one(nothing_left_over: None) -> None:
    odd = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    scripted = Scripted((200, PAGE, {"ETag": '"a"'}), (304, b"", odd), (304, b"", odd))
    cache = PageCache()
    async with scripted.server, scripted.client() as client:
        pages = [await client.list_chats(limit=1, cache=cache) for _ in range(3)]
    assert [page.meta.bytes_saved for page in pages] == [0, len(PAGE), len(PAGE)]


async def test_a_page_that_cannot_be_read_is_not_kept(nothing_left_over: None) -> None:
    scripted = Scripted((200, PAGE[:-5], {"ETag": '"a"'}), (200, PAGE, {"ETag": '"a"'}), (304, b"", {}))
    cache = PageCache()
    async with scripted.server, scripted.client() as client:
        with pytest.raises(DecodeError):
            await client.list_chats(limit=1, cache=cache)
        assert cache.pages == 0
        for _ in range(2):
            assert len(await client.list_chats(limit=1, cache=cache)) == 1
    assert scripted.asked == [None, None, '"a"']
