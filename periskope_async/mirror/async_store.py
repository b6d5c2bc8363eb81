"""A store for an event loop: its calls run in a thread of their own, one after the other."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from datetime import timedelta
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from periskope_async.errors import ClosedError, MirrorError
from periskope_async.mirror.clock import lead_of
from periskope_async.mirror.lists import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from periskope_async.meta import ResponseMeta
    from periskope_async.mirror.lists import MirroredList
    from periskope_async.mirror.merge import Outcome
    from periskope_async.mirror.store import ListState, Scope, Store

__all__ = ["AsyncStore"]

P = ParamSpec("P")
R = TypeVar("R")


class _Job(NamedTuple):
    function: Callable[[], Any]
    future: asyncio.Future[Any]


class _Thread:
    """A thread for calls, one after the other. An event takes one, and a ThreadPoolExecutor twice as long for it.

    Waking another thread costs as much as an event does. So calls that wait are all done before the loop is woken.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def call(self, function: Callable[[], R]) -> asyncio.Future[R]:
        """Call ``function`` after those before it."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(function, future))
        return future

    def stop(self) -> None:
        """End the thread after the calls so far."""
        self._jobs.put(None)

    def _run(self) -> None:
        is_stopped = False
        while not is_stopped:
            jobs = [self._jobs.get()]
            jobs += [self._jobs.get() for _ in range(self._jobs.qsize())]
            is_stopped = None in jobs
            if done := [(job.future, *_outcome(job.function)) for job in jobs if job is not None]:
                done[0][0].get_loop().call_soon_threadsafe(_settle, done)


def _outcome(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return function(), None
    except BaseException as error:  # noqa: BLE001 - it is raised where the call is awaited
        return None, error


def _settle(done: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in done:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


class AsyncStore:
    """Calls a :class:`Store`, and remembers the state of each list."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._lead = timedelta()
        self._states: dict[str, ListState] = {}
        self._thread: _Thread | None = None

    async def open(self, lists: Sequence[MirroredList]) -> None:
        """Open and lock the database. Raises MirrorError, also if it is open here already."""
        if self._thread is not None:
            raise MirrorError(f"this mirror of {self._store.name} is open already; open it once, or close it before")
        self._thread = _Thread("mirror")
        try:
            await self.call(self._store.open, lists)
            for each in lists:
                self._states[each.name] = await self.call(self._store.state, each)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the database and unlock it. May be called twice."""
        if self._thread is not None:
            try:
                await self.call(self._store.close)
            finally:
                thread, self._thread = self._thread, None
                thread.stop()

    async def bind(self, scope: Scope) -> None:
        """Tie the database to a scope. Raises MirrorError if it holds rows of another one."""
        await self.call(self._store.bind, scope)

    def now(self) -> datetime:
        """Give the time by the mirror's clock."""
        return self._clock()

    def note_date(self, meta: ResponseMeta) -> None:
        """Compare the server's clock with the mirror's, by an answer that has just come."""
        date = meta.rate_limit.server_time
        if date is not None and not meta.rate_limit.is_cached:
            self._lead = timedelta(seconds=lead_of(date, took=meta.seconds, now=self.now().timestamp()))

    def state(self, mirrored: MirroredList) -> ListState:
        """Give the state of a list, as it was last written."""
        self._check_open()
        return self._states[mirrored.name]

    async def save_state(self, mirrored: MirroredList, state: ListState) -> None:
        """Write the state of a list."""
        await self.call(self._store.save_state, mirrored, state)
        self._states[mirrored.name] = state

    async def begin_sweep(self, mirrored: MirroredList) -> None:
        """Forget the rows met by an earlier full sweep."""
        await self.call(self._store.begin_sweep, mirrored)

    async def finish_sweep(self, mirrored: MirroredList, state: ListState, *, complete: bool | None) -> int:
        """Mark the rows missed by a full sweep as deleted, and count them."""
        gone = await self.call(self._store.finish_sweep, mirrored, complete=complete, now=self.now(), state=state)
        self._states[mirrored.name] = state
        return gone

    async def drop_missed(self, mirrored: MirroredList, *, expected: int) -> int:
        """Mark the rows missed by the last full sweep as deleted, if they are as many as expected; give how many."""
        return await self.call(self._store.drop_missed, mirrored, expected=expected, now=self.now())

    async def count(self, mirrored: MirroredList, *, without: str | None = None) -> int:
        """Count the rows that are not deleted; with ``without``, only those with no value in this column."""
        return await self.call(self._store.count, mirrored, without=without)

    async def merge(
        self, mirrored: MirroredList, rows: Sequence[tuple[str, bytes]], *, as_of: datetime, state: ListState | None
    ) -> list[Outcome]:
        """Merge rows of a walk and, with a ``state``, write the list's state too: both or neither."""
        outcomes = await self.call(
            self._store.merge,
            mirrored,
            rows,
            source="walk",
            as_of=as_of,
            now=self.now(),
            state=state,
            is_sweeping=(state or self.state(mirrored)).sweep is not None,
        )
        if state is not None:
            self._states[mirrored.name] = state
        return outcomes

    async def merge_event(
        self, mirrored: MirroredList, row: bytes, *, phone: str | None, sent: datetime | None
    ) -> Outcome | None:
        """Merge the row of an event; None if it is of another phone than ``phone``. Raises Unreadable.

        ``sent`` is a time of the server's clock; None stands for now.
        """
        now = self.now()
        as_of = now
        if sent is not None:
            with suppress(OverflowError):
                as_of = sent - self._lead
        # A row of an event during a sweep is there, even if the sweep misses it.
        is_sweeping = self.state(mirrored).sweep is not None

        def merge() -> Outcome | None:
            identity = mirrored.identity(row)
            if phone not in {None, identity.get("org_phone")}:
                return None
            rows = [(key_of(identity.values()), row)]
            (outcome,) = self._store.merge(
                mirrored, rows, source="event", as_of=as_of, now=now, is_sweeping=is_sweeping
            )
            return outcome

        return await self.call(merge)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call ``function`` in the thread. A cancel waits for its end, so nothing runs on behind the caller."""
        thread = self._check_open()
        running = thread.call(partial(function, *args, **kwargs))
        try:
            return await running
        except asyncio.CancelledError:
            if running.cancelled():
                # An empty call ends after it.
                last = thread.call(lambda: None)
                while not last.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([last])
            raise

    def _check_open(self) -> _Thread:
        if self._thread is None:
            raise ClosedError("the mirror is not open; use it in `async with Mirror(…) as mirror:`")
        return self._thread
