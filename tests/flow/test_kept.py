"""What a walk keeps in memory of the pages that it has delivered."""

from __future__ import annotations

import asyncio
import gc

import pytest

from periskope_async import PeriskopeClient
from periskope_async.sandbox import Sandbox
from periskope_async.transport import Answer

pytestmark = [pytest.mark.usefixtures("nothing_left_over")]


@pytest.mark.parametrize("prefetch", [1, 4])
async def test_delivered_pages_are_let_go(prefetch: int) -> None:
    # Cancelled timers behind one that is due stay in asyncio's heap.
    first = asyncio.get_running_loop().call_later(0.9, int)
    async with (
        Sandbox(chats=1_000, limit=10_000) as sandbox,
        PeriskopeClient("key", base_url=sandbox.base_url) as client,
    ):
        pages = client.iter_chats(page_size=20, prefetch=prefetch).pages()
        kept = [sum(isinstance(each, Answer) for each in gc.get_objects()) async for _ in pages]
    first.cancel()
    assert len(kept) >= 50
    # Those ahead, the delivered one, and the one whose rows are looked through.
    assert max(kept) <= prefetch + 2
