"""The session manager: the one aiohttp session that carries all calls of a client, owned or lent, and its lifetime."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

from periskope_async.call import Account, Call
from periskope_async.connection import open_session
from periskope_async.errors import ClosedError, PeriskopeError, TimeoutError_, WrongLoopError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from periskope_async.cache import PageCache
    from periskope_async.config import Config
    from periskope_async.events import Hook
    from periskope_async.limits.gate import RateLimiter
    from periskope_async.transport import Answer
    from periskope_async.wire.query import Request

__all__ = ["SessionManager"]


class SessionManager:
    """Sends requests for any number of tasks of one event loop.

    It opens on first use, so it can be made before a loop runs. A lent ``session`` or ``limiter`` is used and not
    closed. What goes wrong on the way out of a call is retried as ``config.retry`` says; each retry passes the gate
    again, at the head of its queue.
    """

    def __init__(
        self,
        config: Config,
        limiter: RateLimiter,
        *,
        owns_limiter: bool,
        session: aiohttp.ClientSession | None = None,
        hooks: Sequence[Hook] = (),
        rng: random.Random | None = None,
    ) -> None:
        self.limiter = limiter
        self.hooks = hooks
        self._config = config
        self._owns_limiter = owns_limiter
        self._session = session
        self._owns_session = session is None
        self._rng = rng or random.Random()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid: int | None = None
        self._closing: asyncio.Event | None = None
        self._is_closed = False
        self._running: set[asyncio.Task[object]] = set()
        self._ended: set[asyncio.Task[object]] = set()

    async def fetch(
        self,
        request: Request,
        *,
        cache: PageCache | None = None,
        is_bulk: bool = False,
        account: Account | None = None,
    ) -> Answer:
        """Send a request until it is answered with a success; give the answer with its whole body.

        ``is_bulk`` is for pages of walks: while requests wait for the limit, single calls go ahead of them. With a
        ``cache`` the body may come from there, and is kept there once the answer was read. What the
        call costs is booked in ``account`` as it arises.

        May wait for the limit and between tries. Raises TransportError, APIError, ClosedError, WrongLoopError; a
        cancel leaves no connection and no place in the queue behind.
        """
        session = self._open()
        assert self._closing is not None  # noqa: S101 - for the type checker: set by _open
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in one
        self._running.add(task)
        call = Call(
            request=request,
            session=session,
            config=self._config,
            limiter=self.limiter,
            closing=self._closing,
            hooks=self.hooks,
            rng=self._rng,
            is_bulk=is_bulk,
            is_lent=not self._owns_session,
            cache=cache,
            account=account,
        )
        total = self._config.timeout.total
        # Most calls have none, and to enter one is a fiftieth of a small call.
        deadline = None if total is None else asyncio.timeout(total)
        try:
            if deadline is None:
                return await call.answer()
            async with deadline:
                return await call.answer()
        except asyncio.CancelledError:
            # The client's closing ends a call by a cancel of its own, which the caller's task never asked for.
            if task in self._ended and task.uncancel() == 0:
                raise ClosedError(f"the client was closed during {request.method} {request.target}") from None
            raise
        except TimeoutError as error:
            # An error of ours that is a TimeoutError has its own story to tell.
            if isinstance(error, PeriskopeError) or deadline is None or not deadline.expired():
                raise
            raise TimeoutError_(
                f"{request.method} {request.target} took longer than the {total:g} s allowed by timeout.total",
                phase="total",
                attempts=call.requests,
                meta=call.last_meta,
            ) from error
        finally:
            self._running.discard(task)
            self._ended.discard(task)

    async def close(self) -> None:
        """Close what is owned. Calls that wait or run end with ClosedError. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._closing is not None:
            self._closing.set()
        await self._end_calls()
        if self._owns_limiter:
            self.limiter.close()
        # After a fork the sockets are the parent's: closing them here would shut down its connections.
        if self._owns_session and self._session is not None and self._pid == os.getpid():
            await self._session.close()

    async def _end_calls(self) -> None:
        """Cancel the calls that run, and wait until they have let go of their connections and their places in line."""
        mine = {task for task in (asyncio.current_task(),) if task}
        for task in self._running - mine:
            self._ended.add(task)
            task.cancel()
        while self._running - mine:  # noqa: ASYNC110 - it takes a turn or two of the loop
            await asyncio.sleep(0)

    def _open(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise ClosedError("the client is closed; make a new PeriskopeClient")
        if self._pid not in {None, os.getpid()}:
            # Asked first: to a forked child, its parent's running loop is none.
            raise WrongLoopError(
                "this client was used before the process forked, so its connections belong to the parent; "
                "make a PeriskopeClient in each process, after the fork"
            )
        loop = asyncio.get_running_loop()
        if self._loop is None:
            # aiohttp keeps its loop to itself and only fails, later, with a task "attached to a different loop".
            if self._session is not None and getattr(self._session, "_loop", loop) is not loop:
                raise WrongLoopError(
                    "the aiohttp session that was lent belongs to another event loop; open it in this one"
                )
            self._loop = loop
            self._pid = os.getpid()
            self._closing = asyncio.Event()
            if self._session is None:
                self._session = open_session(self._config)
        elif self._loop is not loop:
            raise WrongLoopError(
                "this client was first used in another event loop, and its connections live there; "
                "make a PeriskopeClient inside each asyncio.run(), with `async with PeriskopeClient() as client:`"
            )
        assert self._session is not None  # noqa: S101 - for the type checker: set with the loop
        return self._session
