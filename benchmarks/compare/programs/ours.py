"""This package as its README shows it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from yarl import URL

from benchmarks.compare.programs.bare import Bare
from benchmarks.compare.programs.harness import KEY, Job, main
from periskope_async import PeriskopeClient, Permit, RateLimitSnapshot
from periskope_async.client.lists import CHATS
from periskope_async.config import load_config
from periskope_async.connection import open_session
from periskope_async.transport import exchange

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    import aiohttp

    from periskope_async import Chat
    from periskope_async.config import Config
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


class _Open:
    """A limiter that lets everything pass and keeps no books: what the others cost shows beside it."""

    requests_per_second = 10.0
    requests_at_once = 10

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:  # noqa: ARG002 - the names are the limiter's
        return Permit()

    def snapshot(self) -> RateLimitSnapshot:
        return RateLimitSnapshot(limit=10, window=1.0, remaining=10)

    def close(self) -> None:
        pass


class _Transport(_Ours):
    """Calls by the client's transport alone, each decoded as a bare one is."""

    def __init__(self, client: PeriskopeClient, job: Job, session: aiohttp.ClientSession, config: Config) -> None:
        super().__init__(client, job)
        self._session = session
        self._config = config
        self._request = CHATS.query().page(offset=0, limit=job.page_size)

    async def one_page(self, limit: int) -> int:  # noqa: ARG002 - it is the job's
        url = URL(self._config.base_url + self._request.target, encoded=True)
        answer = await exchange(
            self._session, self._request, url, self._config, Permit(), is_lent=False, slot=None, attempts=1, waited=0.0
        )
        return len(Bare.decode(answer.body))


@contextlib.asynccontextmanager
async def _opened(job: Job) -> AsyncGenerator[_Ours]:
    limiter = None if job.up_to == "limiter" else _Open()
    async with PeriskopeClient(KEY, base_url=job.base_url, limiter=limiter) as client:
        if job.up_to != "transport":
            yield _Ours(client, job)
            return
        config = load_config(api_key=KEY, base_url=job.base_url)
        async with open_session(config) as session:
            yield _Transport(client, job, session, config)


if __name__ == "__main__":
    main(_opened)
