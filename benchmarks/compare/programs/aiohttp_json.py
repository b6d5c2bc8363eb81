"""aiohttp and the standard library's JSON: dicts, as most snippets have it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp

from benchmarks.compare.programs.harness import KEY, Job, main

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable


class _AiohttpJson:
    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._url = f"{base_url}/chats"

    async def one_page(self, limit: int) -> int:
        return len(await self._page(0, limit))

    async def walk(self, page_size: int, keep: Callable[[str], object]) -> None:
        offset = 0
        while True:
            chats = await self._page(offset, page_size)
            for chat in chats:
                keep(chat["chat_id"])
            if len(chats) < page_size:
                return
            offset += page_size

    async def collect(self, page_size: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(chats := await self._page(len(found), page_size)) == page_size:
            found += chats
        return found + chats

    async def _page(self, offset: int, limit: int) -> list[dict[str, Any]]:
        params = {"offset": offset, "limit": limit}
        async with self._session.get(self._url, params=params) as response:
            response.raise_for_status()
            page: dict[str, list[dict[str, Any]]] = await response.json()
        return page["chats"]


@contextlib.asynccontextmanager
async def _opened(job: Job) -> AsyncGenerator[_AiohttpJson]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
        yield _AiohttpJson(session, job.base_url)


if __name__ == "__main__":
    main(_opened)
