"""aiohttp and msgspec by hand, as somebody would who knows both: the same structs, the same decoder, no more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from benchmarks.compare.programs.harness import KEY, Job, main
from periskope_async.models.chat import Chat  # noqa: TC001 - msgspec reads the annotations
from periskope_async.models.part import read_custom

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

__all__ = ["Bare"]


class _Page(msgspec.Struct):
    chats: list[Chat]


_DECODER = msgspec.json.Decoder(_Page, strict=False, dec_hook=read_custom)


class Bare:
    """One session, and a loop over its pages."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self.session = session
        self._url = f"{base_url}/chats"

    async def one_page(self, limit: int) -> int:
        """Read the first page."""
        return len(await self.page(0, limit))

    async def walk(self, page_size: int, keep: Callable[[str], object]) -> None:
        """Read all pages, up to a short one."""
        offset = 0
        while True:
            chats = await self.page(offset, page_size)
            for chat in chats:
                keep(chat.chat_id)
            if len(chats) < page_size:
                return
            offset += page_size

    async def collect(self, page_size: int) -> list[Chat]:
        """Read them into a list."""
        found: list[Chat] = []
        while len(chats := await self.page(len(found), page_size)) == page_size:
            found += chats
        return found + chats

    async def page(self, offset: int, limit: int) -> list[Chat]:
        """Read one page."""
        async with self.session.get(self.url(offset, limit)) as response:
            response.raise_for_status()
            return self.decode(await response.read())

    def url(self, offset: int, limit: int) -> str:
        """Give a page's address."""
        return f"{self._url}?offset={offset}&limit={limit}"

    @staticmethod
    def decode(body: bytes) -> list[Chat]:
        """Read a page's rows."""
        return _DECODER.decode(body).chats


@contextlib.asynccontextmanager
async def _opened(job: Job) -> AsyncGenerator[Bare]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
        yield Bare(session, job.base_url)


if __name__ == "__main__":
    main(_opened)
