"""The pager's face: rows, pages, raw bytes, first, collect, count, tokens, and the walk's report."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ConfigError, NotFoundError, PaginationError, RateLimit, RateLimiter
from periskope_async.sandbox import Body, Pass, Slow, Status

if TYPE_CHECKING:
    from tests.flow.conftest import Opened


async def test_first_asks_for_one_row(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        first = await client.iter_chats().first()
        assert first is not None
        assert first.chat_id == sandbox.chat_ids()[0]
        assert [dict(request.query)["limit"] for request in sandbox.requests] == ["1"]


async def test_first_of_nothing_is_none(opened: Opened) -> None:
    async with opened(sandbox={"chats": 0}) as (_, client):
        pager = client.iter_chats()
        assert await pager.first() is None
        assert await pager.collect() == []
        assert await pager.count() == 0
        assert pager.report.complete is True


async def test_first_is_none_where_no_row_is_left_to_ask_for(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        assert await client.iter_chats(max_items=0).first() is None
        assert not sandbox.requests
        pager = client.iter_chats(max_items=3)
        assert len(await pager.collect()) == 3
        assert await pager.resuming(pager.token).first() is None
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize(("max_items", "requests"), [(0, 0), (1, 1), (99, 1), (100, 1), (101, 2), (250, 3), (1000, 3)])
async def test_max_items_asks_for_no_more_pages_than_it_needs(opened: Opened, max_items: int, requests: int) -> None:
    async with opened() as (sandbox, client):
        pager = client.iter_chats(page_size=100, max_items=max_items)
        assert len(await pager.collect()) == min(250, max_items)
        assert len(sandbox.requests) == requests
        assert pager.report.complete is (None if max_items in {0, 250} else max_items > 250)


async def test_max_items_to_the_end_of_a_list_leaves_none_missing(opened: Opened) -> None:
    async with opened() as (_, client):
        pager = client.iter_chats(offset=150, max_items=100)
        assert (len(await pager.collect()), pager.report.complete) == (100, None)
        pager = client.iter_chats(max_items=250, page_size=100)
        rows = aiter(pager)
        for _ in range(120):
            await anext(rows)
        rest = pager.resuming(pager.token)
        assert (len(await rest.collect()), rest.report.complete) == (130, None)


async def test_pages_hold_only_what_is_new(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        pages = [page async for page in client.iter_chats(page_size=100).pages()]
        assert [chat.chat_id for page in pages for chat in page.items] == sandbox.chat_ids()
        assert [page.count for page in pages] == [250] * 3
        assert all(page.meta.trace_id for page in pages)


async def test_raw_gives_each_rows_original_bytes(opened: Opened) -> None:
    row = b'{ "chat_id":"1@g.us",  "new":[1.50, 1e3], "chat_name":"a\\u00e9\\/b" }'
    body = b'{"from":1,"to":1,"count":1,"chats":[' + row + b"]}"
    async with opened() as (sandbox, client):
        sandbox.script(Body(body, "application/json"))
        assert [raw async for raw in client.iter_chats(consistency="dedupe").raw()] == [row]
        sandbox.clear()
        rows = [json.loads(raw) async for raw in client.iter_chats(page_size=100).raw()]
        assert [each["chat_id"] for each in rows] == sandbox.chat_ids()


async def test_each_iteration_is_a_fresh_walk(opened: Opened) -> None:
    async with opened(sandbox={"chats": 20}) as (_, client):
        pager = client.iter_chats()
        assert [chat.chat_id async for chat in pager] == [chat.chat_id async for chat in pager]


async def test_rows_come_in_order_though_pages_are_read_at_once(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1000}) as (sandbox, client):
        # The second page is the slowest of all; the others are there long before it.
        sandbox.script(Slow(0), Slow(0.3))
        ids = [chat.chat_id async for chat in client.iter_chats(page_size=50, prefetch=8)]
        assert ids == sandbox.chat_ids()


@pytest.mark.parametrize("prefetch", [1, 3, None])
async def test_no_more_pages_are_out_than_asked_for(opened: Opened, prefetch: int | None) -> None:
    async with opened(sandbox={"chats": 500, "latency": 0.02}) as (sandbox, client):
        out = most = 0

        class Counted:
            def __call__(self, event: Any) -> None:
                nonlocal out, most
                out += {"RequestSent": 1, "ResponseReceived": -1}.get(type(event).__name__, 0)
                most = max(most, out)

        client._manager.hooks = (Counted(),)
        await client.iter_chats(page_size=20, prefetch=prefetch).collect()
        assert most == (prefetch or most)
        assert most >= 1 if prefetch else most > 1
        assert sandbox.refusals == 0


async def test_every_cut_resumes_to_the_full_read(opened: Opened) -> None:
    async with opened(sandbox={"chats": 60}) as (sandbox, client):
        whole = sandbox.chat_ids()
        for cut in (0, 1, 7, 19, 20, 21, 59, 60):
            pager = client.iter_chats(page_size=20)
            read: list[str] = []
            token = pager.token
            if cut:
                async for chat in pager:
                    read.append(chat.chat_id)
                    if len(read) == cut:
                        break
                token = pager.token
            rest = [chat.chat_id async for chat in client.iter_chats(page_size=20, resume=token)]
            assert read + rest == whole, f"cut after {cut}"


async def test_a_token_goes_on_though_the_list_has_moved(opened: Opened) -> None:
    async with opened(sandbox={"chats": 100}) as (sandbox, client):
        before = sandbox.chat_ids()
        pager = client.iter_chats(page_size=20)
        read: list[str] = []
        async for chat in pager:
            read.append(chat.chat_id)
            if len(read) == 30:
                break
        for chat_id in before[2:12]:
            sandbox.remove(chat_id)
        for _ in range(3):
            sandbox.insert()
        rest = [chat.chat_id async for chat in client.iter_chats(page_size=20, resume=pager.token)]
        assert read + rest == before


async def test_a_token_belongs_to_its_query_and_holds_no_id(opened: Opened) -> None:
    async with opened(sandbox={"chats": 30}) as (_, client):
        pager = client.iter_chats(page_size=10)
        chat = await anext(aiter(pager))
        token = pager.token
        assert len(token) < 200
        assert chat.chat_id not in token
        others: tuple[dict[str, Any], ...] = (
            {"label": "vip", "resume": token},
            {"sort_order": "asc", "resume": token},
            {"phone": "12025550123", "resume": token},
            {"resume": token[:-3]},
            {"resume": "pw1.AAAA"},
        )
        for other in others:
            with pytest.raises(ConfigError, match="resume"):
                client.iter_chats(**other)


async def test_what_moved_is_read_and_told(opened: Opened) -> None:
    async with opened(sandbox={"chats": 300}) as (sandbox, client):
        pager = client.iter_chats(page_size=50, prefetch=1, sort_by="latest_message_timestamp")
        there = set(sandbox.chat_ids())
        ids: list[str] = []
        async for chat in pager:
            ids.append(chat.chat_id)
            if len(ids) in {50, 120, 200}:
                order = sandbox.chat_ids(sort_by="latest_message_timestamp")
                sandbox.wake(order[-5])  # jumps behind the reader
                sandbox.remove(order[3])  # pulls the rest up
        assert len(ids) == len(set(ids))
        assert there - set(ids) == set() or pager.report.complete is not True
        assert set(sandbox.chat_ids()) & there <= set(ids)
        assert pager.report.caught_up >= 1


async def test_a_server_that_ignores_the_offset_is_found_out(opened: Opened) -> None:
    row = b'{"chat_id":"%d@g.us"}'
    page = b'{"from":1,"to":10,"count":100,"chats":[' + b",".join(row % n for n in range(10)) + b"]}"
    async with opened() as (sandbox, client):
        sandbox.script(*[Body(page, "application/json")] * 20)
        with pytest.raises(PaginationError, match="ignored offset"):
            await client.iter_chats(page_size=10).collect()


@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
async def test_a_server_that_repeats_a_page_for_ever_is_found_out(opened: Opened, consistency: Any) -> None:
    row = b'{"chat_id":"%d@g.us"}'
    page = b'{"chats":[' + b",".join(row % n for n in range(10)) + b"]}"
    async with opened() as (sandbox, client):
        sandbox.script(*[Body(page, "application/json")] * 50)
        with pytest.raises(PaginationError):
            await client.iter_chats(page_size=10, consistency=consistency).collect()


@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
@pytest.mark.parametrize("numbers", [b'"from":1,"to":30,"count":30,', b'"count":30,', b""])
@pytest.mark.parametrize("page_size", [10, 100])
async def test_a_list_given_whole_whatever_is_asked_for_is_read(
    opened: Opened, numbers: bytes, page_size: int, consistency: Any
) -> None:
    """It is documented for most lists only that they take an offset and a limit."""
    page = b"{" + numbers + b'"data":[' + b",".join(b'{"context_id":"%d"}' % n for n in range(30)) + b"]}"
    async with opened() as (sandbox, client):
        sandbox.script(*[Body(page, "application/json")] * 20)
        pager = client.iter_knowledge_base(page_size=page_size, consistency=consistency)
        assert [item.context_id for item in await pager.collect()] == [str(n) for n in range(30)]
        assert (pager.report.complete, pager.report.rows_placed) == (None, 30)
        assert pager.report.why.startswith(("the server gave the same rows", "consistency="))
        assert len(sandbox.requests) <= 10


async def test_a_limit_that_is_refused_is_halved(opened: Opened) -> None:
    async with opened(sandbox={"max_limit": 60}) as (sandbox, client):
        ids = [chat.chat_id async for chat in client.iter_chats(page_size=200)]
        assert ids == sandbox.chat_ids()
        assert [request.status for request in sandbox.requests[:3]] == [422, 422, 200]


async def test_an_error_in_mid_walk_loses_nothing(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Pass(), Status(404))
        rows = aiter(client.iter_chats(page_size=100))
        ids: list[str] = []
        failures = 0
        while True:
            try:
                ids.append((await anext(rows)).chat_id)
            except StopAsyncIteration:
                break
            except NotFoundError:
                failures += 1
        assert failures == 1
        assert ids == sandbox.chat_ids()


async def test_the_report_agrees_with_the_server(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1000, "limit": 10}, limiter=RateLimiter(assume=RateLimit(10, 1.0))) as (
        sandbox,
        client,
    ):
        sandbox.script(Status(503))
        pager = client.iter_chats(page_size=100)
        await pager.collect()
        report = pager.report
        assert report.requests == len(sandbox.requests)
        assert report.bytes == sum(request.body_bytes for request in sandbox.requests if request.status == 200)
        assert report.rows_placed == 1000
        assert report.rows_received == sum(
            min(int(dict(request.query)["limit"]), 1000 - int(dict(request.query)["offset"]))
            for request in sandbox.requests
            if request.status == 200
        )
        assert report.seconds > 0
        assert report.seconds_waited > 0


async def test_a_report_that_is_held_does_not_change(opened: Opened) -> None:
    async with opened() as (_, client):
        pager = client.iter_chats(page_size=100, prefetch=1)
        before = pager.report
        async for page in pager.pages():
            held = pager.report
            assert held.rows_placed == before.rows_placed + len(page.items)
            before = held
        assert (before.rows_placed, before.complete) == (250, True)
        assert (pager.report.rows_placed, pager.report.complete) == (250, True)
        # What is done to a copy is done to nothing else.
        pager.report.rows_placed = 7
        assert pager.report.rows_placed == 250


async def test_looks_at_a_pager_change_nothing(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        looked, alone = (client.iter_chats(page_size=100, prefetch=1) for _ in range(2))
        read: list[str] = []
        async for chat in looked:
            read.append(chat.chat_id)
            looks = [(looked.token, looked.report, repr(looked)) for _ in range(2)]
            assert looks[0] == looks[1]
        requests = [request.query for request in sandbox.requests]
        sandbox.clear()
        assert read == [chat.chat_id async for chat in alone]
        assert requests == [request.query for request in sandbox.requests]
        assert looked.token == alone.token


@pytest.mark.parametrize("face", ["rows", "pages", "raw rows", "raw pages"])
async def test_tasks_share_an_iterator(opened: Opened, face: str) -> None:
    async with opened(sandbox={"chats": 200}) as (sandbox, client):
        pager: Any = client.iter_chats(page_size=10)
        pager = pager.raw() if face.startswith("raw") else pager
        items = pager.pages() if face.endswith("pages") else aiter(pager)
        given: list[str] = []

        async def work() -> None:
            async for item in items:
                rows = item.items if face.endswith("pages") else [item]
                given.extend(json.loads(row)["chat_id"] if face.startswith("raw") else row.chat_id for row in rows)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(work())
        assert sorted(given) == sorted(sandbox.chat_ids())
        assert pager.report.complete is True
