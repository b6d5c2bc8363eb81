"""A single call by hand, with one thing after another that a client owes its users: what each costs beside the call.

Each is the least that does it, and there is nothing of this package in it.
"""

from __future__ import annotations

import contextlib
import time
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import aiohttp
from aiolimiter import AsyncLimiter
from msgspec import Struct

from benchmarks.compare.programs.bare import Bare
from benchmarks.compare.programs.harness import KEY, Job, main

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from multidict import CIMultiDictProxy

    from periskope_async.models.chat import Chat

# So high that nobody waits for it.
_RATE = 1_000_000


class _Facts(Struct):
    """What an answer says of itself: what to wait for, and what to name where something went wrong."""

    status: int
    limit: int
    remaining: int
    resets_in: float
    trace_id: str | None
    etag: str | None
    content_type: str | None
    seconds: float
    body_bytes: int


@lru_cache(maxsize=64)
def _unix_seconds(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _facts(response: aiohttp.ClientResponse, began: float, body: bytes) -> _Facts:
    headers: CIMultiDictProxy[str] = response.headers
    return _Facts(
        response.status,
        int(headers["X-RateLimit-Limit"]),
        int(headers["X-RateLimit-Remaining"]),
        float(headers["X-RateLimit-Reset"]) - _unix_seconds(headers["Date"]),
        headers.get("x-periskope-trace-id"),
        headers.get("ETag"),
        headers.get("Content-Type"),
        time.monotonic() - began,
        len(body),
    )


class _WithFacts(Bare):
    """The call, and the facts of its answer."""

    facts: _Facts | None = None

    async def page(self, offset: int, limit: int) -> list[Chat]:
        began = time.monotonic()
        async with self.session.get(self.url(offset, limit)) as response:
            response.raise_for_status()
            body = await response.read()
            self.facts = _facts(response, began, body)
            return self.decode(body)


class _WithLimiter(_WithFacts):
    """The same, in line for a limit that is given once and for all."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        super().__init__(session, base_url)
        self._limiter = AsyncLimiter(_RATE, 1.0)

    async def page(self, offset: int, limit: int) -> list[Chat]:
        async with self._limiter:
            return await super().page(offset, limit)


_KINDS: dict[str, type[Bare]] = {"deadlines": Bare, "facts": _WithFacts, "limiter": _WithLimiter}


@contextlib.asynccontextmanager
async def _opened(job: Job) -> AsyncGenerator[Bare]:
    # For connecting, and for each read: aiohttp's own default is one for all of a call.
    timeout = aiohttp.ClientTimeout(total=None, connect=10.0, sock_read=30.0)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}, timeout=timeout) as session:
        yield _KINDS[job.up_to](session, job.base_url)


if __name__ == "__main__":
    main(_opened)
