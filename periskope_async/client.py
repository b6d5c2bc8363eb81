"""The client: one thin method for each endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.cache import checked_cache
from periskope_async.config import load_config
from periskope_async.errors import ConfigError
from periskope_async.events import checked_hooks
from periskope_async.limits.choice import limiter_for
from periskope_async.models.page import chat_page_steps, chat_steps
from periskope_async.paging.pager import Pager, WalkOptions
from periskope_async.secret import Secret
from periskope_async.session import SessionManager
from periskope_async.sources import ChatSource, RawChatSource
from periskope_async.wire.query import chat_query, check_page, get_chat_request

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    import aiohttp

    from periskope_async.cache import PageCache
    from periskope_async.config import Config, Timeout
    from periskope_async.events import Hook
    from periskope_async.limits.limiter import Limiter
    from periskope_async.limits.snapshot import RateLimitSnapshot
    from periskope_async.models.chat import Chat
    from periskope_async.models.page import ChatPage
    from periskope_async.paging.ask import Consistency
    from periskope_async.retry import RetryPolicy
    from periskope_async.wire.query import ChatType, Moment, SortBy, SortOrder

__all__ = ["PeriskopeClient"]


class PeriskopeClient:
    """Periskope's WhatsApp API, for any number of tasks of one event loop.

    What is None comes from the environment (``PERISKOPE_API_KEY``, ``PERISKOPE_PHONE``, ``PERISKOPE_BASE_URL``,
    ``PERISKOPE_REDIS_URL`` for a limit that processes share), else from the defaults. Nothing is opened or sent before
    the first call, so a client can be made before a loop runs.

    ``timeout`` is a :class:`Timeout`, or the seconds that a whole call may take; ``retry`` a :class:`RetryPolicy`, or
    the number of tries. ``max_body`` is the most bytes of one decoded answer (256 MiB). A lent ``limiter`` (one for
    each API key) is used and not closed. ``hooks`` are told of each request, wait, retry and page
    (:mod:`periskope_async.events`).

    ``proxy`` is the URL of an HTTP proxy, such as ``http://user:password@proxy.example:3128``. Without it the
    environment is asked (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``), unless ``trust_env`` is False. A server on this
    machine, the sandbox among them, is never reached through a proxy.

    A lent aiohttp ``session`` is used and not closed. Its connector, cookies, traces, default headers and proxy (also
    that of its ``trust_env``) are used; a ``proxy`` given here goes first. Its middlewares are called for each request;
    one that sends a request again spends a request that the limiter does not count. Neither they nor its traces see the
    API key before it is written. The key goes before its ``auth``, ``.netrc`` and an Authorization header of its own;
    ``Accept``, ``User-Agent``, timeouts and redirects are this client's too. ``base_url``, ``raise_for_status`` and
    ``json_serialize`` of the session are not used.

    Raises ConfigError where a setting is wrong.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        phone: str | None = None,
        base_url: str | None = None,
        timeout: Timeout | float | None = None,
        retry: RetryPolicy | int | None = None,
        max_body: int | None = None,
        limiter: Limiter | None = None,
        session: aiohttp.ClientSession | None = None,
        hooks: Iterable[Hook] = (),
        proxy: str | None = None,
        trust_env: bool = True,
    ) -> None:
        # Before anything can raise: a report of the crash shows this frame with its arguments.
        key = None if api_key is None else Secret(api_key)
        proxy_url = None if proxy is None else Secret(str(proxy))
        del api_key, proxy
        if session is not None and not hasattr(session, "trace_configs"):
            raise ConfigError(
                f"session is {session!r}; lend an aiohttp.ClientSession, or leave it out", parameter="session"
            )
        self._config = load_config(
            api_key=key,
            phone=phone,
            base_url=base_url,
            timeout=timeout,
            retry=retry,
            max_body=max_body,
            proxy=proxy_url,
            # A lent session has a way out of its own.
            trust_env=trust_env and session is None,
        )
        self._manager = SessionManager(
            self._config,
            limiter_for(self._config, limiter),
            owns_limiter=limiter is None,
            session=session,
            hooks=checked_hooks(hooks),
        )

    # -- chats -----------------------------------------------------------------------------------------------------

    def iter_chats(
        self,
        *,
        chat_type: ChatType | None = None,
        label: str | None = None,
        chat_id: str | None = None,
        phone: str | None = None,
        sort_by: SortBy | None = None,
        sort_order: SortOrder | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        page_size: int = 1000,
        max_items: int | None = None,
        offset: int = 0,
        prefetch: int | None = None,
        consistency: Consistency = "exact",
        resume: str | None = None,
        cache: PageCache | None = None,
    ) -> Pager[Chat]:
        """Walk over all chats that match: ``async for chat in client.iter_chats(label="vip")``.

        Filters and order are the server's (https://docs.periskope.app/api-reference/chat/list-all-chats): ``label`` is
        a label's name or id, ``start_time`` and ``end_time`` an ISO string, a date (an end date means its whole day) or
        a datetime (a naive one is UTC). ``phone`` overrides the client's.

        ``page_size`` is what one request asks for (a look at what moved may ask for more), ``max_items`` what you get.
        ``prefetch`` is how many pages are asked for at once: None chooses by limit, latency and your own pace, 1 asks
        for one after another. ``consistency="exact"`` loses and doubles nothing, or ``pager.report`` says what cannot
        be proven; ``"dedupe"`` only drops what is met twice; ``"none"`` gives rows as they come, at no memory.
        ``resume`` goes on behind a ``pager.token``. With a ``cache`` (:class:`PageCache`), pages that have not changed
        since they were last read are not sent again.

        Nothing is sent before the first row is asked for. Raises ConfigError here; while iterating APIError,
        TransportError, DecodeError, PaginationError, ClosedError.
        """
        check_page(offset=offset, limit=page_size, limit_name="page_size")
        cache = checked_cache(cache)
        config = self._config_for(phone)
        query = chat_query(
            sort_by=sort_by,
            sort_order=sort_order,
            chat_id=chat_id,
            chat_type=chat_type,
            label=label,
            start_time=start_time,
            end_time=end_time,
            phone=config.phone,
        )
        options = WalkOptions.checked(
            page_size=page_size,
            offset=offset,
            max_items=max_items,
            prefetch=prefetch,
            consistency=consistency,
            order=query.order,
            fingerprint=query.fingerprint,
            resume=resume,
        )
        return Pager(
            ChatSource(self._manager, query, cache),
            options,
            hooks=self._manager.hooks,
            raw=lambda: RawChatSource(self._manager, query, cache),
        )

    async def list_chats(
        self,
        *,
        offset: int = 0,
        limit: int = 1000,
        chat_type: ChatType | None = None,
        label: str | None = None,
        chat_id: str | None = None,
        phone: str | None = None,
        sort_by: SortBy | None = None,
        sort_order: SortOrder | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        cache: PageCache | None = None,
    ) -> ChatPage:
        """Read one page of chats, as the server sends it: ``limit`` rows (1 to 2000) from ``offset`` (from 0) on.

        Members are not in a list; :meth:`get_chat` has them. ``cache`` is that of :meth:`iter_chats`. Waits for the
        limit. Raises ConfigError, APIError, TransportError, DecodeError, ClosedError.
        """
        check_page(offset=offset, limit=limit)
        cache = checked_cache(cache)
        query = chat_query(
            sort_by=sort_by,
            sort_order=sort_order,
            chat_id=chat_id,
            chat_type=chat_type,
            label=label,
            start_time=start_time,
            end_time=end_time,
            phone=self._config_for(phone).phone,
        )
        reply = await self._manager.fetch(query.page(offset=offset, limit=limit), cache=cache)
        return await reply.read(chat_page_steps)

    async def get_chat(self, chat_id: str, *, phone: str | None = None) -> Chat:
        """Read one chat, with its members. ``chat_id`` is ``…@g.us``, ``…@c.us``, or a person's digits.

        Waits for the limit. Raises NotFoundError where there is none, ConfigError where ``chat_id`` cannot be one, and
        what :meth:`list_chats` raises.
        """
        reply = await self._manager.fetch(get_chat_request(chat_id, phone=self._config_for(phone).phone))
        return await reply.read(chat_steps)

    # -- the client itself -----------------------------------------------------------------------------------------

    @property
    def rate_limit(self) -> RateLimitSnapshot:
        """How the limit stands now: a frozen view, times in seconds from now."""
        return self._manager.limiter.snapshot()

    @property
    def phone(self) -> str | None:
        """The phone that calls are made for, in the header's form; None for all phones of the key."""
        return self._config.phone

    @property
    def proxy(self) -> str | None:
        """The proxy that requests go through, without its user and password; None where they go directly.

        A lent session's own proxy is not told here.
        """
        return self._config.proxy.url if self._config.proxy else None

    def with_phone(self, phone: str | None) -> Self:
        """Give a client for another phone (None: all of the key's) that shares this one's session and limiter.

        Closing either closes both.
        """
        other = object.__new__(type(self))
        other._config = self._config.with_phone(phone)
        other._manager = self._manager
        return other

    async def close(self) -> None:
        """Close what the client owns. Calls that wait or run end with ClosedError. May be called twice."""
        await self._manager.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        config: Config | None = getattr(self, "_config", None)
        if config is None:
            # A report of the crash of its own making may ask.
            return "<PeriskopeClient without settings>"
        phone = f", phone={config.phone!r}" if config.phone else ""
        return f"<PeriskopeClient {config.base_url}{phone}>"

    def _config_for(self, phone: str | None) -> Config:
        return self._config if phone is None else self._config.with_phone(phone)
