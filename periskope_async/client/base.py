"""The base of all client methods: it makes a call, a page or a walk of a checked query."""

from __future__ import annotations

import inspect
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from periskope_async.cache import checked_cache
from periskope_async.decoding.objects import has_data, read_confirmation, read_nothing
from periskope_async.decoding.page import reader_of
from periskope_async.errors import APIError
from periskope_async.models.page import ListPage
from periskope_async.models.part import Part
from periskope_async.paging.pager import Pager, WalkOptions
from periskope_async.paging.resume import read_token
from periskope_async.printable import one_line
from periskope_async.sources import ListSource
from periskope_async.wire.listing import check_page
from periskope_async.wire.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from periskope_async.cache import PageCache
    from periskope_async.config import Config
    from periskope_async.decoding.opened import Steps
    from periskope_async.events import Hook
    from periskope_async.meta import ResponseMeta
    from periskope_async.paging.page import Consistency
    from periskope_async.session import SessionManager
    from periskope_async.wire.listing import Listing, ListQuery
    from periskope_async.wire.request import Expects

__all__ = ["BaseClient", "ListPager", "WalkParams"]

T = TypeVar("T", bound=Part)
T_co = TypeVar("T_co", bound=Part, covariant=True)
R = TypeVar("R")
P = TypeVar("P", bound="ListPage[Any]")

_MOST_REASON = 600


class WalkParams(TypedDict, total=False):
    """The options of a walk over a list. :meth:`PeriskopeClient.iter_chats` explains each of them."""

    page_size: int
    max_items: int | None
    offset: int
    prefetch: int | None
    consistency: Consistency
    resume: str | None
    cache: PageCache | None


class ListPager(Pager[T_co]):
    """A pager that knows its query, so that the same rows can be read in another order."""

    def __init__(
        self,
        source: ListSource[T_co],
        options: WalkOptions,
        *,
        hooks: Sequence[Hook],
        raw: Callable[[], ListSource[bytes]],
        query: ListQuery[Any],
        walk: Callable[..., Pager[T_co]],
    ) -> None:
        super().__init__(source, options, hooks=hooks, raw=raw, listing=query.listing)
        self.query = query
        self._walk = walk

    def newest_first(self, *, offset: int = 0) -> dict[str, Pager[T_co]]:
        """Give the same rows newest first, by each sort key of the list; empty without a documented order.

        Pages come one after another: such a walk is broken off where the rows are known.
        """
        queries = self.query.newest_first()
        return {name: self._walk(query, offset=offset, prefetch=1) for name, query in queries.items()}


class BaseClient:
    """The shared settings and session of all methods."""

    _config: Config
    _manager: SessionManager

    def _phone(self, phone: str | None) -> str | None:
        """Give the phone to call for, in the header's form; None means the client's. Raises ConfigError."""
        return self._config.phone if phone is None else self._config.with_phone(phone).phone

    async def _get(self, listing: Listing[T], request: Request) -> T:
        """Read one row of a list by its own address."""
        reply = await self._manager.fetch(request)
        return await reply.read(reader_of(listing).one)

    async def _read(
        self,
        target: str,
        reader: Callable[[bytes, ResponseMeta], Steps[R]],
        *,
        phone: str | None = None,
        expects: Expects = "json",
    ) -> R:
        """Read any answer but a list."""
        reply = await self._manager.fetch(Request(method="GET", target=target, phone=phone, expects=expects))
        return await reply.read(reader)

    async def _write(
        self,
        method: str,
        target: str,
        reader: Callable[[bytes, ResponseMeta], Steps[R]],
        *,
        look_at: str,
        body: bytes | None = None,
        phone: str | None = None,
        expects: Expects = "json",
    ) -> R:
        """Send a write, once. ``look_at`` names a call to see its effect. Raises APIError for a plain no."""
        request = Request(
            method=method, target=target, phone=phone, body=body, is_write=True, expects=expects, look_at=look_at
        )
        reply = await self._manager.fetch(request)
        confirmation = await reply.read(read_confirmation)
        # Any ``data`` is read in its place: it tells what was done, and what was not.
        if confirmation.success is False and (expects == "nothing" or not await reply.read(has_data)):
            why = one_line(self._config.redacted(confirmation.message or "without a reason"), limit=_MOST_REASON)
            # A report of the crash shows this frame, and both hold the server's own words.
            del reply, confirmation
            raise APIError(f"{method} {target}: the server answered that it was not done: {why}", status=200)
        return await reply.read(reader)

    async def _do(
        self, method: str, target: str, *, look_at: str, body: bytes | None = None, phone: str | None = None
    ) -> None:
        """Send a write without a result."""
        await self._write(method, target, read_nothing, look_at=look_at, body=body, phone=phone, expects="nothing")

    async def _page(self, query: ListQuery[T], *, offset: int, limit: int) -> ListPage[T]:
        """Read one page, as a :class:`ListPage`."""
        page_type: type[ListPage[T]] = ListPage
        return await self._list(query, page_type, offset=offset, limit=limit)

    async def _list(
        self, query: ListQuery[T], page_type: type[P], *, offset: int, limit: int, cache: PageCache | None = None
    ) -> P:
        """Read one page, as a ``page_type`` such as :class:`ChatPage`."""
        check_page(query.listing, offset=offset, limit=limit)
        reply = await self._manager.fetch(query.page(offset=offset, limit=limit), cache=checked_cache(cache))
        read = await reply.read(reader_of(query.listing).page)
        numbers = read.numbers
        return page_type(items=list(read.rows), from_=numbers.from_, to=numbers.to, count=numbers.count, meta=read.meta)

    def _walk(
        self,
        query: ListQuery[T],
        *,
        page_size: int = 1000,
        max_items: int | None = None,
        offset: int = 0,
        prefetch: int | None = None,
        consistency: Consistency = "exact",
        resume: str | None = None,
        cache: PageCache | None = None,
        **unknown: object,
    ) -> ListPager[T]:
        """Check the options of a walk, and begin none yet. The arguments are those of :class:`WalkParams`."""
        if unknown:
            # Python's own error would name this method, which nobody has called.
            method = traceback.extract_stack(limit=2)[0].name
            *own, _walk = inspect.signature(getattr(self, method)).parameters
            raise TypeError(
                f"{method}() got an unexpected keyword argument {next(iter(unknown))!r}; "
                f"it takes {', '.join([*own, *WalkParams.__annotations__])}"
            )
        check_page(query.listing, offset=offset, limit=page_size, limit_name="page_size")
        cache = checked_cache(cache)
        options = WalkOptions(
            page_size=page_size,
            offset=offset,
            max_items=max_items,
            prefetch=prefetch,
            consistency=consistency,
            order=query.order,
            fingerprint=query.fingerprint,
            resume=None if resume is None else read_token(resume, query=query.fingerprint),
        )
        source: ListSource[T] = ListSource(self._manager, query, cache)
        return ListPager(
            source,
            options,
            hooks=self._manager.hooks,
            raw=lambda: ListSource(self._manager, query, cache, is_raw=True),
            query=query,
            walk=partial(self._walk, page_size=page_size, consistency=consistency),
        )
