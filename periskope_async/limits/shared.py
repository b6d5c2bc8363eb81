"""One budget for all processes with an API key, kept in Redis or Valkey."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from periskope_async.errors import ConfigError, WrongLoopError
from periskope_async.limits.equal_share import EqualShare
from periskope_async.limits.foreign import checked_reserve
from periskope_async.limits.gate import Gate
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.link import RedisLink, RedisLost
from periskope_async.limits.rate import RateLimit
from periskope_async.limits.remote import RemoteBudget
from periskope_async.printable import one_line
from periskope_async.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType
    from typing import Self

    from periskope_async.limits.budget import Budget
    from periskope_async.limits.gate import Entry
    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.queue import Waiter

__all__ = ["SharedLimiter"]

logger = logging.getLogger(__name__)

# A share of the window, and a max: one trip tells of many requests. Most of them are answered soon.
_SHARE_OF_NEWS = 0.02
_MOST_SECONDS_OF_NEWS = 0.025
_FIRST_REJOIN_SECONDS = 0.5
_LAST_REJOIN_SECONDS = 5.0
_SAID_CHARACTERS = 200
_MOST_SECONDS_TO_CLOSE = 0.5


class SharedLimiter(Gate):
    """A budget of requests shared by all processes with an API key, over Redis 6.2 or later, or Valkey.

    ``SharedLimiter("redis://host:6379/0")``, with ``rediss://`` for TLS, ``user:password@`` for an ACL user, and
    ``unix://`` for a socket. ``assume``, ``reserve`` and ``max_wait`` are the ones of
    :class:`~periskope_async.limits.gate.RateLimiter`; ``reserve`` is the share left to all others by this process.
    ``prefix`` begins the names of the keys in Redis; the API key stands in them as a hash.

    One trip to Redis reserves for all waiters of this process, and one tells how the requests ended. Neither is on the
    way of an answer. Redis may not answer within half a second. Then this process goes on with an equal share of the
    last known limit, says so once at WARNING, and returns when Redis is back. It lets one window pass first. At its
    return all do, if it has sent requests meanwhile. A ``max_wait`` below half a second leaves Redis that time to
    answer.

    Redis' clock must run forward, and Redis must not evict keys in use: choose ``noeviction`` or an ``lfu`` policy. An
    evicted budget is forgotten. It is taken to be spent for one window.

    It belongs to the event loop and the process of its first use: make one in each worker. ``async with`` closes it,
    even if a client uses it.
    """

    _SECONDS_BETWEEN_LOOKS = 0.05
    _SECONDS_TO_ASK = 0.5

    def __init__(
        self,
        url: str | Secret,
        *,
        assume: RateLimit | None = None,
        reserve: float = 0.0,
        max_wait: float | None = None,
        prefix: str = "periskope",
    ) -> None:
        secret = url if isinstance(url, Secret) else Secret(url)
        del url
        self._remote = RemoteBudget(assume=assume)
        super().__init__(self._remote, max_wait=max_wait)
        self._share_of_others = checked_reserve(reserve)
        self._process = ""
        self._pid: int | None = None
        self._link = RedisLink(secret, prefix=prefix)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = asyncio.Event()
        self._word: asyncio.Future[None] | None = None
        """Done when Redis has told who may go."""

    def use_key(self, api_key: Secret) -> None:
        """Name the budget after the API key; a client calls this. Raises ConfigError for a second key."""
        self._link.use_key(api_key)

    def close(self) -> Awaitable[None]:
        """Fail all waiters with ClosedError, and all later ones. May be called twice.

        Await the result: Redis knows the rest and the connections are closed after it.
        """
        closed = super().close()
        self._closing.set()
        if self._loop is None or self._loop.is_closed() or self._pid != os.getpid():
            return closed
        return self._start("close", self._end)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<SharedLimiter {'without' if self._is_lost else 'with'} Redis>"

    # -- the gate --------------------------------------------------------------------------------------------------

    def _bind(self) -> asyncio.AbstractEventLoop:
        if self._pid is None:
            # This waits for the first use: a server may fork its workers before it.
            self._process, self._pid = secrets.token_hex(8), os.getpid()
        elif self._pid != os.getpid():
            raise WrongLoopError("a SharedLimiter belongs to the process that first used it; make one in each")
        if not self._link.has_key:
            raise ConfigError("a SharedLimiter needs an API key: lend it to a PeriskopeClient", parameter="limiter")
        return super()._bind()

    def _on_join(self) -> None:
        self._serve()

    async def _must_wait(self, waiter: Waiter) -> bool:
        if not (self._is_lost or self._budget.wait_for(1, self._now())):
            # Redis may let it go at once.
            self._word = self._word or asyncio.get_running_loop().create_future()
            await asyncio.wait((waiter.ready, self._word), return_when=asyncio.FIRST_COMPLETED)
        return not waiter.ready.done()

    def _serve(self) -> None:
        super()._serve()
        if self._is_lost or self._is_closed:
            return
        remote, waiting = self._remote, self._queue.waiting
        remote.drop_tickets(remote.tickets - waiting)
        if waiting > remote.tickets:
            self._start("ask", self._ask_redis)
        self._tell_soon()

    def sent(self, token: Entry) -> None:
        """Book the moment of sending, for a permit."""
        super().sent(token)
        self._tell_soon()

    def settle(self, token: Entry, headers: LimitHeaders, *, status: int, variation: float | None) -> None:
        """Book an answer's headers, for its permit."""
        super().settle(token, headers, status=status, variation=variation)
        self._tell_soon()

    # -- Redis -----------------------------------------------------------------------------------------------------

    @property
    def _is_lost(self) -> bool:
        """Whether this process goes on without Redis."""
        return self._budget is not self._remote

    async def _ask_redis(self) -> None:
        """Reserve until all waiters have a ticket."""
        loop, remote = asyncio.get_running_loop(), self._remote
        while (wanted := self._queue.waiting - remote.tickets) > 0:
            again = await self._make_trip(wanted)
            now = loop.time()
            self._fail_impatient(now, now + (remote.wait_for(1, now) if remote.tickets else remote.closed_for(now)))
            self._serve()
            self._spread_word()
            if self._queue.waiting > remote.tickets:
                await self._pause(again)

    async def _make_trip(self, wanted: int) -> float:
        """Make one trip. Give the seconds until the next one."""
        loop, remote = asyncio.get_running_loop(), self._remote
        asked_at = loop.time()
        question = remote.question(wanted, reserve=self._share_of_others)
        reply = await self._link.reserve([self._process, *question], is_waited_for=wanted > 0)
        return remote.take_reply(reply, asked_at=asked_at, told_at=loop.time())

    def _tell_soon(self) -> None:
        if self._remote.news.counted and not (self._is_lost or self._is_closed):
            self._start("tell", self._tell_redis)

    async def _tell_redis(self) -> None:
        """Tell Redis the news, until there is none."""
        while self._remote.news.counted:
            await self._pause(min(_SHARE_OF_NEWS * self._remote.window, _MOST_SECONDS_OF_NEWS))
            await self._settle_trip()
            self._serve()

    async def _settle_trip(self, *, is_last: bool = False) -> None:
        loop, remote = asyncio.get_running_loop(), self._remote
        asked_at = loop.time()
        reply = await self._link.settle(remote.tell(self._process, asked_at, is_last=is_last))
        remote.take_word(reply, asked_at=asked_at, told_at=loop.time())

    def _lose(self, said: str) -> None:
        """Go on without Redis, with an equal share of the limit."""
        if self._is_lost or self._is_closed:
            return
        remote = self._remote
        reserve = self._share_of_others
        ledger = (
            EqualShare(remote.rate, processes=remote.processes, reserve=reserve)
            if remote.is_known
            else Ledger(reserve=reserve)
        )
        if self._loop is not None and remote.next_number > 1:
            # The whole budget is back when a window has passed.
            ledger.close_for(remote.window, self._loop.time())
        self._budget = ledger
        remote.drop_tickets(remote.tickets)
        logger.warning(
            "Redis is away (%s): this process goes on with 1/%d of the limit of %d requests in %g s",
            one_line(said, limit=_SAID_CHARACTERS),
            remote.processes,
            remote.limit,
            remote.window,
        )
        self._start("rejoin", self._rejoin)
        self._serve()
        self._spread_word()

    def _spread_word(self) -> None:
        """Wake those who wait to hear whether they may go."""
        if self._word is not None:
            self._word.set_result(None)
            self._word = None

    async def _rejoin(self) -> None:
        """Return to the shared budget when Redis is back."""
        alone = self._budget
        wait = _FIRST_REJOIN_SECONDS
        while self._is_lost:
            await self._pause(wait)
            if self._is_closed:
                return
            wait = min(2 * wait, _LAST_REJOIN_SECONDS)
            if has_sent := _may_have_sent(alone):
                self._remote.rejoin(RateLimit(alone.limit, alone.window))
            try:
                await self._make_trip(0)
            except RedisLost:
                continue
            # A trip from before may fail only now. Redis would seem to be lost once more.
            before = [task for name in ("ask", "tell") if (task := self._tasks.get(name)) and not task.done()]
            if before:
                await asyncio.wait(before)
            if not has_sent and _may_have_sent(alone):
                # A request went during the trip, and Redis does not know of it.
                continue
            self._budget = self._remote
            logger.warning("Redis is back: this process shares the limit again")
            self._serve()

    async def _end(self) -> None:
        """Tell Redis the rest, and close the connections."""
        remote = self._remote
        running = [task for name, task in self._tasks.items() if name != "close" and not task.done()]
        try:
            async with asyncio.timeout(_MOST_SECONDS_TO_CLOSE):
                # A cancelled trip may have reserved tickets, and nobody would know them.
                if running:
                    await asyncio.wait(running)
                remote.drop_tickets(remote.tickets)
                if not self._is_lost:
                    await self._settle_trip(is_last=True)
        except (RedisLost, TimeoutError):
            # The tokens come back by themselves.
            pass
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await self._link.close()

    async def _pause(self, seconds: float) -> None:
        """Sleep, and wake when the limiter closes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _start(self, name: str, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        """Have one task of a name at most: the running one, or a new one."""
        task = self._tasks.get(name)
        if task is None or task.done():
            assert self._loop is not None  # noqa: S101 - for the type checker: who waits has bound it
            task = self._tasks[name] = self._loop.create_task(work(), name=f"periskope limiter: {name}")
            task.add_done_callback(self._on_end)
        return task

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._lose(str(error) if isinstance(error, RedisLost) else repr(error))


def _may_have_sent(alone: Budget) -> bool:
    """Whether requests may have gone without Redis."""
    return not isinstance(alone, EqualShare) or alone.is_used
