"""The main job over a real socket: every chat, once, typed, in as few requests as it takes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from periskope_async import NotFoundError, PeriskopeClient, RateLimiter
from periskope_async.sandbox import Body
from tests.reading import RECORDED

if TYPE_CHECKING:
    from tests.flow.conftest import Opened


async def test_every_chat_once_in_the_servers_order(opened: Opened) -> None:
    async with opened(sandbox={"chats": 2_345}) as (sandbox, client):
        pager = client.iter_chats(page_size=500)
        ids = [chat.chat_id async for chat in pager]
        assert ids == sandbox.chat_ids()
        report = pager.report
        assert report.complete is True, report.why
        assert (report.rows_placed, report.duplicates, report.count_at_start) == (2_345, 0, 2_345)
        # Five pages of 500 (they overlap by three rows). All that were counted were met: the head is not looked at.
        assert report.requests == len(sandbox.requests) == 5
        assert sandbox.refusals == 0


async def test_a_bulk_read_under_the_real_limit_meets_no_refusal(opened: Opened) -> None:
    async with opened(sandbox={"chats": 3_000, "limit": 10}, limiter=RateLimiter()) as (sandbox, client):
        rows = await client.iter_chats(page_size=100).collect()
        assert len(rows) == 3_000
        assert sandbox.refusals == 0
        assert client.rate_limit.limit == 10
        assert client.rate_limit.window == 1.0


async def test_many_tasks_share_one_client(opened: Opened) -> None:
    import asyncio

    async with opened(sandbox={"chats": 100, "limit": 10}, limiter=RateLimiter()) as (sandbox, client):
        ids = sandbox.chat_ids()[:25]
        chats = await asyncio.gather(*(client.get_chat(chat_id) for chat_id in ids))
        assert [chat.chat_id for chat in chats] == ids
        assert len(sandbox.requests) == 25
        assert sandbox.refusals == 0


async def test_the_recorded_answer_field_by_field(opened: Opened) -> None:
    """What the API really sent, over a socket: every key of every chat has its value in place."""
    recorded = json.loads(RECORDED)["chats"]
    async with opened() as (sandbox, client):
        sandbox.script(Body(RECORDED, "application/json; charset=utf-8"))
        page = await client.list_chats()
    assert (page.from_, page.to, page.count, len(page.chats)) == (1, 23, 23, 23)
    for chat, sent in zip(page.chats, recorded, strict=True):
        assert not chat.undecoded
        assert_same(chat, sent, "$")


def assert_same(read: Any, sent: Any, path: str) -> None:
    """Compare a struct with what was sent, written without the reader's help."""
    if isinstance(read, msgspec.Struct):
        names = {field.encode_name: field.name for field in msgspec.structs.fields(read)}
        for key, value in sent.items():
            assert key in names, f"{path}.{key} has no field"
            assert_same(getattr(read, names[key]), value, f"{path}.{key}")
    elif isinstance(read, datetime):
        assert read.tzinfo is not None
        assert read == datetime.fromisoformat(sent), path
    elif isinstance(read, bool) and isinstance(sent, str):
        assert str(read).lower() == sent, path
    elif isinstance(read, int) and isinstance(sent, str):
        assert str(read) == sent, path
    elif isinstance(sent, list):
        assert isinstance(read, tuple), path
        assert [*cast("tuple[object, ...]", read)] == sent, path
    else:
        assert read == sent, path


async def test_list_chats_gives_the_page_as_sent(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        page = await client.list_chats(offset=10, limit=20)
        assert (page.from_, page.to, page.count) == (11, 30, 250)
        assert [chat.chat_id for chat in page.chats] == sandbox.chat_ids()[10:30]
        meta = page.meta
        assert meta.status == 200
        assert meta.trace_id
        assert meta.org_id
        assert (meta.rate_limit.limit, meta.rate_limit.remaining) == (1000, 999)
        assert meta.rate_limit.resets_in in {1.0, 2.0}
        assert meta.body_bytes > 1000
        assert meta.seconds > 0


async def test_get_chat_has_members_and_labels(opened: Opened) -> None:
    async with opened() as (_, client):
        group = await client.iter_chats(chat_type="group").first()
        assert group is not None
        assert not group.members
        chat = await client.get_chat(group.chat_id)
        assert chat.members
        assert all(member.contact_id for member in chat.members.values())


async def test_an_unknown_chat_is_not_found(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        with pytest.raises(NotFoundError) as caught:
            await client.get_chat("99999999999@c.us")
        assert caught.value.code == "NOT_FOUND_ERROR"
        assert caught.value.trace_id
        assert len(sandbox.requests) == 1


async def test_the_filter_by_id_reads_both_shapes(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        chat_id = sandbox.chat_ids()[3]
        assert [chat.chat_id async for chat in client.iter_chats(chat_id=chat_id)] == [chat_id]
        page = await client.list_chats(chat_id=chat_id)
        assert [chat.chat_id for chat in page.chats] == [chat_id]
    async with opened(sandbox={"one_chat": "list"}) as (sandbox, client):
        chat_id = sandbox.chat_ids()[3]
        assert [chat.chat_id async for chat in client.iter_chats(chat_id=chat_id)] == [chat_id]


async def test_every_filter_reaches_the_server(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        await client.iter_chats(
            chat_type="group",
            label="vip",
            sort_by="latest_message_timestamp",
            sort_order="asc",
            start_time="2024-01-01",
            end_time="2025-12-31",
            page_size=7,
        ).collect()
        for request in sandbox.requests:
            query = dict(request.query)
            assert query.pop("offset").isdigit()
            # One row behind the end, where the first page is as long as its count.
            assert query.pop("limit") in {"7", "1"}
            assert query == {
                "chat_type": "group",
                "label": "vip",
                "sort_by": "latest_message_timestamp",
                "sort_order": "asc",
                "start_time": "2024-01-01T00:00:00Z",
                "end_time": "2025-12-31T23:59:59.999Z",
            }


@pytest.mark.parametrize("sort_by", ["created_at", "latest_message_timestamp"])
@pytest.mark.parametrize("sort_order", ["asc", "desc"])
async def test_every_order_is_walked_whole(opened: Opened, sort_by: Any, sort_order: Any) -> None:
    async with opened() as (sandbox, client):
        pager = client.iter_chats(sort_by=sort_by, sort_order=sort_order, page_size=40)
        ids = [chat.chat_id async for chat in pager]
        assert ids == sandbox.chat_ids(sort_by=sort_by, sort_order=sort_order)
        assert pager.report.complete is True, pager.report.why


async def test_a_phone_is_sent_in_the_headers_form(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        everyone = await client.iter_chats().collect()
        phones = sorted({chat.org_phone for chat in everyone if chat.org_phone})
        assert len(phones) > 1
        phone = phones[0].removesuffix("@c.us")
        typed = f"+{phone[:2]} {phone[2:7]}-{phone[7:]}"
        one = await client.with_phone(typed).iter_chats().collect()
        assert one
        assert all(phones[0] in (chat.chat_org_phones or []) for chat in one)
        also = await client.iter_chats(phone=typed).collect()
        assert [chat.chat_id for chat in also] == [chat.chat_id for chat in one]
        assert {request.phone for request in sandbox.requests} == {None, phone}


async def test_what_is_wrong_is_said_before_anything_is_sent(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        wrongs: tuple[dict[str, Any], ...] = (
            {"page_size": 0},
            {"page_size": 2001},
            {"offset": -1},
            {"max_items": -1},
            {"prefetch": 0},
            {"consistency": "perfect"},
            {"resume": "nonsense"},
            {"end_time": "2025-04-31"},
            {"phone": "mum"},
        )
        for wrong in wrongs:
            with pytest.raises(ValueError, match=next(iter(wrong))):
                client.iter_chats(**wrong)
        with pytest.raises(ValueError, match="limit"):
            await client.list_chats(limit=3000)
        with pytest.raises(ValueError, match="chat_id"):
            await client.get_chat("../phones")
        assert sandbox.requests == []


async def test_from_the_environment(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(sandbox={"api_key": "the-only-key"}) as (sandbox, _):
        monkeypatch.setenv("PERISKOPE_API_KEY", "the-only-key\n")
        monkeypatch.setenv("PERISKOPE_BASE_URL", sandbox.base_url)
        async with PeriskopeClient() as client:
            assert await client.iter_chats().count() == 250
