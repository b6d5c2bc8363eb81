"""Walks of the client, cut and resumed from their tokens."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from periskope_async import ConfigError
from tests.flow.conftest import sandbox_and_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


pytestmark = pytest.mark.usefixtures("nothing_left_over")


QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"sort_order": "asc"},
    {"sort_by": "latest_message_timestamp"},
    {"chat_type": "group"},
    {"label": "VIP"},
    {"phone": "919971844008"},
    {"start_time": "2024-01-01"},
)


async def ids_of(pager: AsyncIterator[Any] | Any) -> list[str]:
    return [chat.chat_id async for chat in pager]


@pytest.mark.parametrize("query", QUERIES)
async def test_every_cut_of_a_filtered_walk_resumes_to_the_full_one(query: dict[str, Any]) -> None:
    async with sandbox_and_client(sandbox={"chats": 120, "limit": 10_000}) as (sandbox, client):
        whole = sandbox.chat_ids(**query)
        assert len(whole) > 5
        pager = client.iter_chats(page_size=20, **query)
        tokens = [pager.token]
        async for chat in pager:
            assert chat.chat_id == whole[len(tokens) - 1]
            tokens.append(pager.token)
        assert len(tokens) == len(whole) + 1
        for cut in {*range(0, len(tokens), 11), len(tokens) - 1}:
            rest = await ids_of(client.iter_chats(page_size=20, resume=tokens[cut], **query))
            assert rest == whole[cut:], f"cut after {cut}"


async def test_a_token_belongs_to_one_query_of_all() -> None:
    async with sandbox_and_client(sandbox={"chats": 60}) as (sandbox, client):
        for query in QUERIES:
            pager = client.iter_chats(page_size=20, **query)
            await anext(aiter(pager))
            await pager.close()
            for other in QUERIES:
                if other != query:
                    with pytest.raises(ConfigError, match="another query"):
                        client.iter_chats(resume=pager.token, **other)
        assert len(sandbox.requests) == len(QUERIES)


async def test_a_raw_walk_and_a_typed_one_take_each_others_tokens() -> None:
    async with sandbox_and_client(sandbox={"chats": 60}) as (sandbox, client):
        raw = client.iter_chats(page_size=20).raw()
        rows = aiter(raw)
        for _ in range(33):
            await anext(rows)
        assert await ids_of(client.iter_chats(page_size=20, resume=raw.token)) == sandbox.chat_ids()[33:]
        typed = client.iter_chats(page_size=20, max_items=33)
        await typed.collect()
        rest = [msgspec.json.decode(row)["chat_id"] async for row in client.iter_chats(resume=typed.token).raw()]
        assert rest == sandbox.chat_ids()[33:]
        await raw.close()


async def test_a_token_is_short_and_holds_nothing_that_can_be_read() -> None:
    async with sandbox_and_client(sandbox={"chats": 2_000, "api_key": "secret-key-of-mine"}) as (sandbox, client):
        assert sandbox.api_key == "secret-key-of-mine"
        pager = client.iter_chats(page_size=50, phone="919971844008", label="VIP", end_time="2031-02-03")
        chats = await pager.collect()
        assert chats
        token = pager.token
        assert len(token) < 300
        decoded = base64.urlsafe_b64decode(token.removeprefix("pw1.") + "==")
        query, offset, delivered, tail, *_ = msgspec.msgpack.decode(decoded[4:])
        assert (offset, delivered) == (len(chats), len(chats))
        assert len(tail) == 5
        assert len(query) == 12
        assert {len(row) for row in tail} == {8}
        secrets = {"secret-key-of-mine", "919971844008", "VIP", "2031", "@"}
        secrets |= {chat.chat_id.partition("@")[0] for chat in chats} | {chat.chat_name or "@" for chat in chats}
        for secret in secrets:
            assert secret not in token
            assert secret.encode() not in decoded
