"""Keeps a mirror true: by incremental walks, by full sweeps, and by events as they come."""

from __future__ import annotations

import asyncio
import math
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from periskope_async.callbacks import notify
from periskope_async.decoding.repair import Unreadable
from periskope_async.errors import ConfigError, DecodeError, PeriskopeError, RateLimitError, ServerError, TransportError
from periskope_async.mirror.async_store import AsyncStore
from periskope_async.mirror.database import DatabaseBusyError, database_for
from periskope_async.mirror.lists import LISTS
from periskope_async.mirror.store import Scope, Store
from periskope_async.mirror.sync import ListResult, ListSync
from periskope_async.secret import Secret
from periskope_async.turns import pause
from periskope_async.wire import inputs

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from periskope_async.client import PeriskopeClient
    from periskope_async.mirror.lists import MirroredList
    from periskope_async.mirror.merge import Outcome

__all__ = ["ListResult", "Mirror", "MirrorEvent", "SyncResult"]

# These errors may be over when a watching mirror asks again.
_PASSING = (TransportError, ServerError, RateLimitError, DatabaseBusyError)
# A watching mirror reads a list without a known order this often.
_UNORDERED_SECONDS = 600.0
# How soon to write an event again to a database that is locked or not reached.
_BUSY_SECONDS = 1.0


class MirrorEvent(Protocol):
    """The parts of an event for :meth:`Mirror.apply`. Events of webhooks and of the realtime stream have them."""

    @property
    def name(self) -> str:
        """Such as ``chat.created``."""
        ...

    @property
    def raw(self) -> bytes:
        """The object's JSON."""
        ...


class SyncResult(Struct, frozen=True, kw_only=True):
    """The result of a sync."""

    lists: tuple[ListResult, ...]
    seconds: float

    @property
    def changes(self) -> int:
        """The number of changed rows."""
        return sum(each.changes for each in self.lists)


class Mirror:
    """A copy of lists of the API in a database: ``async with Mirror(client, "chats.sqlite") as mirror:``.

    ``target`` is a file for SQLite, a ``.duckdb`` file, or a ``postgresql://`` URL. The database is bound to the
    client's phone and organisation. One mirror may write to it at a time.

    Each list has a table of its name. Its rows hold a few typed columns, ``raw_json`` as the server sent it, and
    ``deleted_at``. The latter is null while the row is there. ``history`` keeps each change of a field in
    ``mirror_history``. A list is read whole again at the age of ``full_every``. Only that finds some changes: another
    label, for example, moves no row to the head of an order.

    A killed mirror loses nothing: it goes on from there. Its tasks may call :meth:`sync` and :meth:`apply` at the same
    time. Raises ConfigError if an argument is wrong, MirrorError if the database cannot be written.
    """

    def __init__(
        self,
        client: PeriskopeClient,
        target: str | os.PathLike[str],
        *,
        lists: Iterable[str] = tuple(LISTS),
        history: bool = False,
        full_every: timedelta = timedelta(days=1),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # A crash report of an error raised here shows the locals of this frame: they hold no password.
        database = Secret(os.fspath(target))
        del target
        names = inputs.texts("lists", lists)
        if not set(names) <= set(LISTS):
            raise ConfigError(f"lists is {names!r:.100}; give some of {tuple(LISTS)}", parameter="lists")
        inputs.instance("full_every", full_every, timedelta, "give a timedelta, such as timedelta(days=1)")
        self._client = client
        self._lists = tuple(LISTS[name] for name in dict.fromkeys(names))
        self._full_every = full_every
        self._store = AsyncStore(Store(database_for(database), keeps_history=history), clock=clock)
        self._scope: Scope | None = None
        self._org_phone: str | None = None
        self._told: set[str] = set()
        self._syncing = asyncio.Lock()
        self._is_sync_wanted = asyncio.Event()

    async def open(self) -> None:
        """Open and lock the database. Raises MirrorError."""
        await self._store.open(self._lists)
        try:
            await self._bind(None)
        except BaseException:
            await self._store.close()
            raise

    async def close(self) -> None:
        """Close and unlock the database. May be called twice."""
        await self._store.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def sync(self, *, full: bool = False) -> SyncResult:
        """Bring every list up to date: read new rows, or with ``full`` all rows.

        Raises the errors of iterating a pager, and MirrorError. Rows read before stay, and the next sync goes on.
        """
        return await self._sync(self._lists, is_full=full)

    async def apply(self, event: MirrorEvent) -> Outcome | None:
        """Merge the row of an event; None if the event brings no row of a mirrored list.

        An event may come late, twice, or before its row. Its ``timestamp``, if any, is when the server sent it, by the
        server's clock: a sync finds out how far that is ahead. An event without one counts as sent now. Rows of phones
        other than the client's are left out: webhooks bring rows of all phones. So a client needs a phone if its key is
        for some of them. Raises MirrorError, and DecodeError if the event's object is no row. The first call also
        raises the errors of an API call if the client names its phone by an id.
        """
        for each in self._lists:
            if event.name in each.told_by:
                self._told.add(each.name)
            elif event.name in each.events and (event.name not in each.undocumented or each.is_whole(event.raw)):
                phone = await self._phone_of_rows()
                sent: datetime | None = getattr(event, "timestamp", None)
                try:
                    return await self._store.merge_event(each, event.raw, phone=phone, sent=sent)
                except Unreadable as error:
                    text = f"the event {event.name} brings no row of {each.name}: {error}"
                    raise DecodeError(text, path=error.path) from None
        return None

    async def watch(
        self,
        *,
        every: float | None = 60.0,
        full: bool = False,
        events: AsyncIterable[Any] | None = None,
        on_sync: Callable[[SyncResult], object] = lambda _: None,
        on_error: Callable[[PeriskopeError], object] = lambda _: None,
    ) -> None:
        """Sync now and every so many seconds, and apply events as they come, until cancelled.

        With None for ``every``, it syncs again only where an event calls for it.
        ``full`` is that of :meth:`sync`, for the first one. An item of ``events`` without ``raw``, such as a gap in the
        stream, or an unreadable one, makes a sync follow at once. ``on_sync`` gets each sync. ``on_error`` gets each
        passing error of a failed sync: TransportError, ServerError, RateLimitError, and the MirrorError of a database
        that is locked or not reached; this one also where it holds up an event. Any other error is raised, and any
        error of ``events``. A list with no known order is read whole every ten minutes, and the list of tickets after
        an event of one. Raises ConfigError if ``every`` is no number of seconds.
        """
        inputs.seconds("every", every)
        following = asyncio.ensure_future(self._follow(events, on_error)) if events is not None else None
        if following is not None:
            # No event brings changes after their end.
            following.add_done_callback(lambda _: self._is_sync_wanted.set())
        loop = asyncio.get_running_loop()
        read_at = -math.inf
        try:
            while True:
                is_time = loop.time() - read_at >= _UNORDERED_SECONDS
                told, self._told = self._told, set()
                lists = [each for each in self._lists if each.orders or is_time or each.name in told]
                try:
                    notify(on_sync, await self._sync(lists, is_full=full), name="on_sync")
                    full = False
                    read_at = loop.time() if is_time else read_at
                except _PASSING as error:
                    self._told |= told
                    notify(on_error, error, name="on_error")
                with suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        await self._is_sync_wanted.wait()
                if following is not None and following.done():
                    following.result()
        finally:
            if following is not None:
                following.cancel()
                await asyncio.wait([following])
                # asyncio would otherwise report an unread error.
                _ = following.cancelled() or following.exception()

    async def _sync(self, lists: Sequence[MirroredList], *, is_full: bool) -> SyncResult:
        async with self._syncing:
            loop = asyncio.get_running_loop()
            began = loop.time()
            self._is_sync_wanted.clear()
            options: Any = {"bind": self._bind, "full_every": self._full_every}
            results = [
                await ListSync(self._client, self._store, each, **options).run(is_full=is_full) for each in lists
            ]
            return SyncResult(lists=tuple(results), seconds=loop.time() - began)

    async def _follow(self, events: AsyncIterable[Any], on_error: Callable[[PeriskopeError], object]) -> None:
        async for event in events:
            if getattr(event, "raw", None):
                try:
                    await self._apply_patiently(event, on_error)
                except (DecodeError, *_PASSING):
                    pass
                else:
                    continue
            # It brings no row, or one that cannot be stored: a sync finds out what has changed.
            self._is_sync_wanted.set()

    async def _apply_patiently(self, event: Any, on_error: Callable[[PeriskopeError], object]) -> None:
        """Apply an event, again and again while the database is busy: a sync may find no trace of it."""
        while True:
            try:
                await self.apply(event)
            except DatabaseBusyError as error:
                notify(on_error, error, name="on_error")
                await pause(_BUSY_SECONDS)
            else:
                return

    async def _phone_of_rows(self) -> str | None:
        """Give the ``org_phone`` of all rows; None if they may be of any phone."""
        phone = self._client.phone
        if self._org_phone is None and phone is not None:
            # No row has a phone id.
            self._org_phone = f"{phone}@c.us" if phone.isdigit() else (await self._client.get_phone()).org_phone or None
        return self._org_phone

    async def _bind(self, org_id: str | None) -> None:
        """Tie the database to the client's phone, and to the organisation once an answer has named it."""
        scope = Scope(phone=self._client.phone, org_id=org_id)
        if scope != self._scope:
            await self._store.bind(scope)
            self._scope = scope
