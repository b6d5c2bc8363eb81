"""Between two pieces of work, everybody else has had a turn."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.client.lists import CHATS
from periskope_async.decoding import page as page_module
from periskope_async.decoding.page import reader_of
from periskope_async.turns import give_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async import Chat
    from periskope_async.wire.chats import SortBy
    from tests.flow.conftest import Opened


async def test_a_task_that_slept_runs_before_the_next_piece_of_work() -> None:
    order: list[str] = []

    async def sleeper() -> None:
        await asyncio.sleep(0.001)
        order.append("slept")

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    time.sleep(0.01)  # noqa: ASYNC251 - the first piece of work
    await give_way()
    order.append("worked")
    await task
    assert order == ["slept", "worked"]


async def test_a_task_that_waits_for_a_socket_runs_before_the_next_piece_of_work() -> None:
    order: list[str] = []
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)

        async def reader() -> None:
            await asyncio.get_running_loop().sock_recv(near, 1)
            order.append("received")

        task = asyncio.create_task(reader())
        await asyncio.sleep(0)
        far.send(b"x")
        await give_way()
        order.append("worked")
        await task
    assert order == ["received", "worked"]


async def test_others_have_their_turn_while_a_large_page_is_handed_over(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0

    async def ticking() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(page_module._Late, "slices_a_step", 1 << 30)
    async with opened(sandbox={"chats": 1_500}) as (_, client):
        task = asyncio.create_task(ticking())
        pager = client.iter_chats(page_size=2_000, prefetch=1)
        # Nothing is awaited here, as in many a loop.
        turns_at = [turns async for _ in pager]
        task.cancel()
        assert pager.report.complete is True
        assert len(turns_at) == 1_500
        held = [turns_at.count(turn) for turn in set(turns_at)]
        assert len(held) >= 3
        assert max(held) < 1_000


async def test_a_page_that_is_decoded_while_it_is_handed_over_is_the_page_in_one_piece(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1_500}) as (_, client):
        whole = await client.iter_chats(page_size=2_000).collect()
        pager = client.iter_chats(page_size=2_000)
        tokens = {0: pager.token}
        chats: list[Chat] = []
        async with pager:
            async for chat in pager:
                chats.append(chat)
                if len(chats) % 97 == 0:
                    tokens[len(chats)] = pager.token
        assert chats == whole
        for cut in (0, 97, 970, 1455):
            rest = [chat async for chat in client.iter_chats(page_size=2_000, resume=tokens[cut])]
            assert rest == whole[cut:]


@pytest.mark.parametrize("sort_by", ["created_at", "latest_message_timestamp"])
async def test_one_part_is_decoded_before_the_first_row_and_each_once_though_tokens_are_read(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, sort_by: SortBy
) -> None:
    parts: list[bytes] = []
    reader = reader_of(CHATS)
    read_part = reader.part

    def counted(part: bytes, decoders: Any = None) -> Sequence[Chat]:
        parts.extend([part] if decoders is None else [])
        return read_part(part, decoders)

    monkeypatch.setattr(reader, "part", counted)
    # Those without a message stand first, and their times are looked at in search of the newest one.
    async with opened(sandbox={"chats": 1_500}) as (_, client):
        pager = client.iter_chats(page_size=2_000, sort_by=sort_by)
        decoded: list[int] = []
        async for _ in pager:
            decoded.append(len(parts))
            assert pager.token
        assert decoded[0] == 1
        assert decoded[-1] == len(set(parts)) == len(parts) > 10
