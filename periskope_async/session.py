"""The session manager: the one aiohttp session for all calls of a client, owned or lent, and its lifetime."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

from periskope_async.call import Call, CallContext, Costs, Reply
from periskope_async.connection import open_session
from periskope_async.errors import (
    BodyError,
    ClosedError,
    DecodeError,
    PeriskopeError,
    TimeoutError_,
    WrongLoopError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import aiohttp

    from periskope_async.cache import PageCache
    from periskope_async.config import Config
    from periskope_async.events import Hook
    from periskope_async.limits.limiter import Limiter
    from periskope_async.transport import Answer
    from periskope_async.wire.request import Request

__all__ = ["SessionManager"]


class SessionManager:
    """Sends requests for any number of tasks of one event loop.

    It opens on first use, so it can be made before a loop runs. A lent ``session`` or ``limiter`` is used and not
    closed. A failed call is retried by the rules of ``config.retry``; each retry passes the gate again, at the head of
    its queue.
    """

    def __init__(
        self,
        config: Config,
        limiter: Limiter,
        *,
        owns_limiter: bool,
        session: aiohttp.ClientSession | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self.limiter = limiter
        self.hooks = hooks
        self._config = config
        self._owns_limiter = owns_limiter
        self._session = session
        self._owns_session = session is None
        # It has no state of its own: the children of a fork would all inherit one, and come back in step.
        self._rng = random.SystemRandom()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid: int | None = None
        self._context: CallContext | None = None
        self._call_ended = asyncio.Event()
        self._is_closed = False
        self._at_close: set[Callable[[], Awaitable[None]]] = set()
        self._running: set[asyncio.Task[object]] = set()
        self._cancelled: set[asyncio.Task[object]] = set()

    async def fetch(
        self,
        request: Request,
        *,
        cache: PageCache | None = None,
        is_bulk: bool = False,
        costs: Costs | None = None,
    ) -> Reply:
        """Send a request until it succeeds; give a Reply to read the answer from.

        ``is_bulk`` is for pages of walks: while requests wait for the limit, single calls go ahead of them. The
        body may come from ``cache``, and is kept there after it was read. The call's costs are booked in ``costs``
        as they arise.

        May wait for the limit and between tries. Raises TransportError, APIError, ClosedError, WrongLoopError, and
        OutcomeUnknown for a sent write with an unknown result. A cancel leaves no connection and no place in the queue
        behind.
        """
        call = Call(context=self._open(), request=request, is_bulk=is_bulk, cache=cache, costs=costs)

        async def go_on(failure: BodyError | DecodeError) -> Answer:
            return await self._answer(call, wait=call.wait_after(failure))

        return Reply(await self._answer(call), go_on)

    async def _answer(self, call: Call, *, wait: float = 0.0) -> Answer:
        """Answer a call within its remaining time, unless the client closes."""
        request = call.request
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in one
        self._running.add(task)
        total = self._config.timeout.total
        # Most calls have none, and entering one costs a fiftieth of a small call.
        deadline = None if total is None else asyncio.timeout(total - call.seconds)
        try:
            if deadline is None:
                return await call.answer(wait=wait)
            async with deadline:
                return await call.answer(wait=wait)
        except asyncio.CancelledError:
            if self._take_back_cancel(task):
                closed = ClosedError(f"the client was closed during {request.name}")
                raise (call.outcome_unknown(closed) if call.is_in_doubt else closed) from None
            raise
        except TimeoutError as error:
            # One of our own errors may be a TimeoutError too; it has its own text.
            if isinstance(error, PeriskopeError) or deadline is None or not deadline.expired():
                raise
            late = TimeoutError_(
                f"{request.name} took longer than the {total:g} s allowed by timeout.total",
                phase="total",
                attempts=call.requests,
                meta=call.last_meta,
            )
            if call.is_in_doubt:
                raise call.outcome_unknown(late) from late
            raise late from error
        finally:
            self._running.discard(task)
            if self._is_closed:
                self._take_back_cancel(task)
                self._call_ended.set()

    def lend(self, at_close: Callable[[], Awaitable[None]]) -> aiohttp.ClientSession | None:
        """Give the lent session, or None for our own, to a stream; ``at_close`` is awaited when the client closes.

        Raises ClosedError, WrongLoopError.
        """
        context = self._open()
        self._at_close.add(at_close)
        return context.session if context.is_lent else None

    def give_back(self, at_close: Callable[[], Awaitable[None]]) -> None:
        """Take note that a stream has closed by itself."""
        self._at_close.discard(at_close)

    async def close(self) -> None:
        """Close everything owned. Waiting and running calls end with ClosedError. May be called twice, also at once.

        A cancel during the wait for those calls does not keep it from closing. Raises WrongLoopError.
        """
        if self._pid not in {None, os.getpid()}:
            # The calls and the sockets are the parent's after a fork: closing them would shut down its connections.
            self._is_closed = True
            return
        if self._loop is not None and self._loop is not asyncio.get_running_loop() and not self._loop.is_closed():
            raise WrongLoopError(
                "this client was used in another event loop, and its calls and connections live there; close it there: "
                "while it runs by asyncio.run_coroutine_threadsafe(client.close(), loop).result() from another thread, "
                "else by loop.run_until_complete(client.close())"
            )
        self._is_closed = True
        if self._loop is not None and self._loop.is_closed():
            # Nothing runs there any more, so there is nothing to wait for.
            if self._owns_session and self._session is not None:
                await self._session.close()
            return
        if self._context is not None:
            self._context.closing.set()
        try:
            for close_stream in list(self._at_close):
                await close_stream()
            await self._end_calls()
        finally:
            if self._owns_limiter and (closing := self.limiter.close()) is not None:
                await closing
            if self._owns_session and self._session is not None:
                await self._session.close()

    async def _end_calls(self) -> None:
        """Cancel the running calls, and wait until they have let go of their connections and places in the queue."""
        mine = {asyncio.current_task()}
        for task in self._running - self._cancelled - mine:
            self._cancelled.add(task)
            task.cancel()
        while self._running - mine:
            self._call_ended.clear()
            await self._call_ended.wait()

    def _take_back_cancel(self, task: asyncio.Task[object]) -> bool:
        """Take back the cancel of a call by closing, since the caller's task never asked for it.

        Returns whether it was the only one.
        """
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
        return task.uncancel() == 0

    def _open(self) -> CallContext:
        if self._is_closed:
            raise ClosedError("the client is closed; make a new PeriskopeClient")
        if self._pid not in {None, os.getpid()}:
            # Checked first: a forked child does not see its parent's running loop.
            raise WrongLoopError(
                "this client was used before the process forked, so its connections belong to the parent; "
                "make a PeriskopeClient in each process, after the fork"
            )
        loop = asyncio.get_running_loop()
        if self._context is None:
            # aiohttp keeps its loop to itself and only fails, later, with a task "attached to a different loop".
            if self._session is not None and getattr(self._session, "_loop", loop) is not loop:
                raise WrongLoopError(
                    "the aiohttp session that was lent belongs to another event loop; open it in this one"
                )
            self._loop = loop
            self._pid = os.getpid()
            if self._session is None:
                self._session = open_session(self._config)
            self._context = CallContext(
                session=self._session,
                config=self._config,
                limiter=self.limiter,
                closing=asyncio.Event(),
                hooks=self.hooks,
                rng=self._rng,
                is_lent=not self._owns_session,
            )
        elif self._loop is not loop:
            raise WrongLoopError(
                "this client was first used in another event loop, and its connections live there; "
                "make a PeriskopeClient inside each asyncio.run(), with `async with PeriskopeClient() as client:`"
            )
        return self._context
