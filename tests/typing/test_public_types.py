"""The types that users see, asserted by mypy and pyright, and run as well."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, assert_type

from periskope_async import UNSET, Chat, ChatPage, PageCache, PeriskopeClient, RateLimitSnapshot, WalkReport, decode
from periskope_async.testing import Sandbox

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async import ChatType, ListPage, Message, Moment, Page, Pager, SortBy, WalkParams


async def test_what_a_reader_of_chats_gets() -> None:
    async with Sandbox(chats=5) as sandbox, PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        assert_type(client, PeriskopeClient)
        pager = client.iter_chats(chat_type="group", sort_by="created_at")
        if TYPE_CHECKING:
            assert_type(pager, Pager[Chat])
            assert_type(pager.raw(), Pager[bytes])
            assert_type(client.iter_chats(cache=PageCache()), Pager[Chat])
        async for chat in pager:
            assert_type(chat, Chat)
            assert_type(chat.chat_id, str)
            name = chat.chat_name or None
            assert_type(name, str | None)
            message = chat.latest_message
            if message:
                assert_type(message.from_me or False, bool)
            if chat.created_at:
                assert_type(chat.created_at, datetime)
            if chat.member_count is not UNSET:
                assert_type(chat.member_count, int | None)
        assert_type(await pager.first(), Chat | None)
        assert_type(await pager.collect(), list[Chat])
        assert_type(await pager.count(), int | None)
        assert_type(pager.report, WalkReport)
        assert_type(pager.token, str)
        async for page in pager.pages():
            assert_type(page.count, int | None)
            for item in page.items:
                assert_type(item, Chat)
        async for row in pager.raw():
            assert_type(row, bytes)
            assert_type(decode(row, type=Chat), Chat)
        listed = await client.list_chats()
        assert_type(listed, ChatPage)
        assert_type(await client.get_chat(listed.chats[0].chat_id), Chat)
        assert_type(client.rate_limit, RateLimitSnapshot)
        assert_type(client.with_phone(None), PeriskopeClient)


async def test_pagers_of_several_lists_fit_where_one_of_any_row_is_taken() -> None:
    async def count_of(pager: Pager[object]) -> int:
        return len(await pager.collect())

    async with Sandbox(chats=5) as sandbox, PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        lists = {"chats": client.iter_chats(), "messages": client.iter_messages()}
        counts = [await count_of(pager) for pager in lists.values()]
        assert counts == [5, len(sandbox.ids("messages"))]


async def test_a_wrapper_can_name_what_it_takes_and_gives() -> None:
    def walk(kind: ChatType, since: Moment, sort_by: SortBy, **how: Unpack[WalkParams]) -> Pager[Chat]:
        return client.iter_chats(chat_type=kind, start_time=since, sort_by=sort_by, **how)

    async def first_page(pager: Pager[Chat]) -> Page[Chat]:
        return await anext(pager.pages())

    async def latest() -> ListPage[Message]:
        return await client.list_messages(limit=1)

    async with Sandbox(chats=100) as sandbox, PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        page = await first_page(walk("group", "2001-01-01", "created_at", page_size=2))
        assert {chat.chat_type for chat in page.items} == {"group"}
        assert len((await latest()).items) == 1
