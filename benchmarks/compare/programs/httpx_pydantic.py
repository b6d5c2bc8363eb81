"""httpx and pydantic, as a typed client is written today: one model for the page, read from its bytes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx

from benchmarks.compare.programs.harness import KEY, Job, main
from benchmarks.compare.programs.pydantic_models import ChatPage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from benchmarks.compare.programs.pydantic_models import Chat


class _HttpxPydantic:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def one_page(self, limit: int) -> int:
        return len(await self._page(0, limit))

    async def walk(self, page_size: int, keep: Callable[[str], object]) -> None:
        offset = 0
        while True:
            chats = await self._page(offset, page_size)
            for chat in chats:
                keep(chat.chat_id)
            if len(chats) < page_size:
                return
            offset += page_size

    async def collect(self, page_size: int) -> list[Chat]:
        found: list[Chat] = []
        while len(chats := await self._page(len(found), page_size)) == page_size:
            found += chats
        return found + chats

    async def _page(self, offset: int, limit: int) -> list[Chat]:
        response = await self._client.get("/chats", params={"offset": offset, "limit": limit})
        response.raise_for_status()
        return ChatPage.model_validate_json(response.content).chats


@contextlib.asynccontextmanager
async def _opened(job: Job) -> AsyncGenerator[_HttpxPydantic]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=job.base_url, headers=headers, timeout=60.0) as client:
        yield _HttpxPydantic(client)


if __name__ == "__main__":
    main(_opened)
