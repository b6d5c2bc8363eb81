"""The main job beside a loop written by hand, on the sandbox: requests, refusals, time."""

from __future__ import annotations

import asyncio
import platform
import time
from dataclasses import dataclass

import aiohttp
import msgspec

from periskope_async import PeriskopeClient
from periskope_async.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Result:
    """One way to list every chat."""

    name: str
    rows: int
    requests: int
    refusals: int
    seconds: float


def run(*, is_smoke: bool) -> None:
    """Print a table."""
    chats, page_size = (300, 50) if is_smoke else (10_000, 100)
    results = asyncio.run(_measure(chats, page_size))
    pages = -(-chats // page_size)
    floor = (-(-pages // 10) - 1) * 1.0
    print(f"{chats} chats in pages of {page_size}, 10 requests a second, Python {platform.python_version()}")
    print(f"  the limit allows {pages} pages in {floor:.0f} s and one answer's latency (20 ms)")
    for result in results:
        print(
            f"  {result.name:<28}{result.rows:>7} rows {result.requests:>5} requests {result.refusals:>4} refused "
            f"{result.seconds:>7.2f} s"
        )
        assert result.rows == chats


async def _measure(chats: int, page_size: int) -> list[Result]:
    results: list[Result] = []
    for name, job in (("iter_chats", _ours), ("a loop that sleeps on a 429", _by_hand)):
        async with Sandbox(chats=chats, limit=10, window=1.0, latency=0.02) as sandbox:
            began = time.perf_counter()
            rows = await job(sandbox, page_size)
            seconds = time.perf_counter() - began
            results.append(Result(name, rows, len(sandbox.requests), sandbox.refusals, seconds))
    return results


async def _ours(sandbox: Sandbox, page_size: int) -> int:
    async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        return len({chat.chat_id async for chat in client.iter_chats(page_size=page_size)})


async def _by_hand(sandbox: Sandbox, page_size: int) -> int:
    seen: set[str] = set()
    offset = 0
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {sandbox.api_key}"}) as session:
        while True:
            url = f"{sandbox.base_url}/chats?offset={offset}&limit={page_size}"
            async with session.get(url) as response:
                if response.status == 429:
                    await asyncio.sleep(float(response.headers["Retry-After"]))
                    continue
                page = msgspec.json.decode(await response.read())
            seen.update(chat["chat_id"] for chat in page["chats"])
            if len(page["chats"]) < page_size:
                return len(seen)
            offset += page_size
