"""This package as its README shows it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from benchmarks.compare.programs.harness import KEY, Job, main
from periskope_async import PeriskopeClient, RateLimiter
from periskope_async.limits.permit import Permit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from periskope_async import Chat
    from periskope_async.events import Hook


class _Ours:
    def __init__(self, client: PeriskopeClient, job: Job) -> None:
        self._client = client
        self._job = job

    async def one_page(self, limit: int) -> int:
        return len(await self._client.list_chats(limit=limit))

    async def walk(self, page_size: int, keep: Callable[[str], object]) -> None:
        job = self._job
        async for chat in self._client.iter_chats(
            page_size=page_size, consistency=job.consistency, prefetch=job.prefetch
        ):
            keep(chat.chat_id)

    async def collect(self, page_size: int) -> list[Chat]:
        return await self._client.iter_chats(page_size=page_size).collect()


class _Open(RateLimiter):
    """A limiter that lets everything pass and keeps no books: what the others cost shows beside it."""

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:  # noqa: ARG002 - the names are the limiter's
        return Permit(self, None)


@contextlib.asynccontextmanager
async def _opened(job: Job) -> AsyncGenerator[_Ours]:
    limiter = None if job.has_limiter else _Open()
    async with PeriskopeClient(KEY, base_url=job.base_url, limiter=limiter) as client:
        yield _Ours(client, job)


if __name__ == "__main__":
    main(_opened)
