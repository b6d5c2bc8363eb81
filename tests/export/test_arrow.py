"""Arrow tables and record batches of a walk, without a file."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from periskope_async.errors import ConfigError
from tests.export.test_runner import connected

arrow: Any = pytest.importorskip("periskope_async.tables.arrow", reason="pyarrow has no wheel for every Python")


async def test_arrow_without_a_file() -> None:
    async with connected() as (sandbox, client):
        pager = client.iter_chats(page_size=150)
        table = await pager.to_arrow()
        assert (pager.report.complete, pager.report.rows_placed) == (True, 700)
        sizes = [len(batch) async for batch in pager.arrow_batches(200)]
        assert table["chat_id"].to_pylist() == sandbox.chat_ids()
        none = await client.iter_chats(max_items=0).to_arrow()
        contacts = await client.iter_contacts().to_arrow()
    assert sizes == [200, 200, 200, 100]
    assert (none.num_rows, none.schema) == (0, table.schema)
    assert "contact_id" in contacts.column_names


async def test_arrow_batches_are_shared_by_tasks() -> None:
    """Each row goes to one task, and a cancelled one takes none with it."""
    async with connected() as (sandbox, client):
        batches = client.iter_chats(page_size=150).arrow_batches(40)
        found: list[str] = []

        def take(batch: Any) -> None:
            found.extend(batch["chat_id"].to_pylist())

        for steps in range(30):
            task = asyncio.ensure_future(anext(batches))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and not task.exception():
                take(task.result())

        async def work() -> None:
            async for batch in batches:
                take(batch)

        await asyncio.gather(*(work() for _ in range(5)))
        assert sorted(found) == sorted(sandbox.chat_ids())


async def test_a_large_arrow_batch_leaves_the_loop_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tasks run between its parts, of 250 rows each."""
    turns, seen = 0, list[int]()
    decode = arrow.record_batch

    def decode_at_turn(*arguments: Any) -> Any:
        seen.append(turns)
        return decode(*arguments)

    monkeypatch.setattr(arrow, "record_batch", decode_at_turn)
    async with connected() as (_, client):
        task = asyncio.ensure_future(anext(client.iter_chats(page_size=700).arrow_batches(700)))
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(task.result()) == 700
    assert len(seen) == len(set(seen)) == 3


async def test_closed_arrow_batches_give_no_more() -> None:
    async with connected() as (_, client):
        batches = client.iter_chats(page_size=150).arrow_batches(40)
        await anext(batches)
        await batches.aclose()
        assert [batch async for batch in batches] == []


async def test_arrow_refuses_what_cannot_be() -> None:
    async with connected() as (sandbox, client):
        with pytest.raises(ConfigError, match="rows is 0"):
            await anext(client.iter_chats().arrow_batches(0))
        with pytest.raises(ConfigError, match="no columns"):
            await client.iter_chats().raw().to_arrow()
        assert not sandbox.requests
