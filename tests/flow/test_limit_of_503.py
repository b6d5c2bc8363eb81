"""A limit that refuses with 503 and names nothing, as nginx's limit_req does by default."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from periskope_async import RateLimiter
from tests.flow.raw_server import PAGE, head, raw_server

if TYPE_CHECKING:
    from periskope_async import PeriskopeClient

pytestmark = [pytest.mark.usefixtures("nothing_left_over")]

RATE = 20
CALLS = 40
REFUSED = b"<html><body>503 Service Temporarily Unavailable</body></html>"


@pytest.mark.parametrize("burst", [0, 3])
async def test_no_call_fails(burst: int) -> None:
    """Several refusals with answers in between hold everyone. Each call by itself would spend its tries in a moment."""
    excess, at, refusals = 0.0, 0.0, 0

    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        nonlocal excess, at, refusals
        now = asyncio.get_running_loop().time()
        left = max(0.0, excess - (now - at) * RATE)
        if left > burst:
            refusals += 1
            said = f"Content-Length: {len(REFUSED)}"
            writer.write(head(REFUSED, said, status="503 Service Temporarily Unavailable") + REFUSED)
        else:
            excess, at = left + 1, now
            writer.write(head() + PAGE)

    async def work(client: PeriskopeClient, calls: list[int]) -> None:
        while calls:
            calls.pop()
            await client.list_chats(limit=1)

    async with raw_server(answer, limiter=RateLimiter()) as (_, client):
        calls = list(range(CALLS))
        await asyncio.gather(*(work(client, calls) for _ in range(30)))
    assert refusals <= 0.3 * CALLS
