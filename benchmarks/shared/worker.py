"""One process of a job: its part of the pages, with a limiter of the kind that is measured."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from benchmarks.limiter.contenders import KEY
from benchmarks.shared.kinds import Part, limiter_of
from periskope_async import PeriskopeClient, RateLimitError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["work"]


async def work(part: Part) -> None:
    """Say that all is ready, wait for the word, and read the pages."""
    async with _client(part) as client:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        pages = iter(range(part.pages))

        async def read() -> None:
            for page in pages:
                # Where a limiter is refused so often that its client gives up, the server's count shows it.
                with suppress(RateLimitError):
                    await client.list_chats(offset=page, limit=1)
                await asyncio.sleep(part.pause)

        await asyncio.gather(*(read() for _ in range(part.tasks)))


@asynccontextmanager
async def _client(part: Part) -> AsyncGenerator[PeriskopeClient]:
    limiter = limiter_of(part)
    try:
        async with PeriskopeClient(KEY, base_url=part.base_url, limiter=limiter) as client:
            yield client
    finally:
        if (closing := limiter.close()) is not None:
            await closing


if __name__ == "__main__":
    asyncio.run(work(msgspec.json.decode(sys.argv[1], type=Part)))
