"""The client: its settings, its lifetime, and the methods of all resources put together."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING

import aiohttp

from periskope_async.client.chats import ChatMethods
from periskope_async.client.contacts import ContactMethods
from periskope_async.client.events import EventMethods
from periskope_async.client.groups import GroupMethods
from periskope_async.client.knowledge import KnowledgeBaseMethods
from periskope_async.client.members import MemberMethods
from periskope_async.client.messages import MessageMethods
from periskope_async.client.notes import NoteMethods
from periskope_async.client.notifications import NotificationMethods
from periskope_async.client.phones import PhoneMethods
from periskope_async.client.properties import PropertyMethods
from periskope_async.client.reactions import ReactionMethods
from periskope_async.client.scheduled import ScheduledMethods
from periskope_async.client.tasks import TaskMethods
from periskope_async.client.tickets import TicketMethods
from periskope_async.client.webhooks import WebhookMethods
from periskope_async.config import Timeout, load_config
from periskope_async.errors import ConfigError
from periskope_async.events import Hook, checked_hooks
from periskope_async.limits.choice import limiter_for
from periskope_async.limits.limiter import Limiter
from periskope_async.retry import RetryPolicy
from periskope_async.secret import Secret
from periskope_async.session import SessionManager

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from periskope_async.config import Config
    from periskope_async.limits.snapshot import RateLimitSnapshot

__all__ = ["PeriskopeClient"]


class PeriskopeClient(
    EventMethods,
    ChatMethods,
    GroupMethods,
    MessageMethods,
    NotificationMethods,
    NoteMethods,
    ReactionMethods,
    ScheduledMethods,
    ContactMethods,
    TicketMethods,
    TaskMethods,
    PropertyMethods,
    PhoneMethods,
    KnowledgeBaseMethods,
    WebhookMethods,
    MemberMethods,
):
    """Periskope's WhatsApp API, for any number of tasks of one event loop.

    A setting of None comes from the environment (``PERISKOPE_API_KEY``, ``PERISKOPE_PHONE``, ``PERISKOPE_BASE_URL``,
    ``PERISKOPE_REDIS_URL`` for a limit shared by processes), else from the defaults. Nothing is opened or sent before
    the first call, so a client can be made before a loop runs.

    ``timeout`` is a :class:`Timeout`, or the max seconds of a whole call; ``retry`` is a :class:`RetryPolicy`, or
    the max number of tries. ``max_body`` is the max bytes of one decoded answer (256 MiB). A lent ``limiter`` (one for
    each API key) is used and not closed. ``hooks`` are told of each request, wait, retry and page
    (:mod:`periskope_async.events`).

    ``proxy`` is the URL of an HTTP proxy, such as ``http://user:password@proxy.example:3128``. Its default is the
    environment's (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``), unless ``trust_env`` is False. A server on this
    machine, the sandbox among them, is never reached through a proxy.

    A lent aiohttp ``session`` is used and not closed. Its connector, cookies, traces, default headers and proxy (also
    its ``trust_env``'s) are used; a ``proxy`` given here goes first. Its middlewares are called for each request; a
    repeat by one spends a request uncounted by the limiter. Neither they nor its traces see the API key before it is
    written. The key goes before its ``auth``, ``.netrc`` and an Authorization header of its own; ``Accept``,
    ``User-Agent``, timeouts and redirects are this client's too. ``base_url``, ``raise_for_status`` and
    ``json_serialize`` of the session are not used.

    Raises ConfigError if a setting is wrong.
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
        # This comes before anything can raise: a crash report shows this frame with its arguments.
        key = None if api_key is None else Secret(api_key)
        proxy_url = None if proxy is None else Secret(proxy)
        del api_key, proxy
        if session is not None and (isinstance(session, type) or not hasattr(session, "trace_configs")):
            raise ConfigError(
                f"session is {session!r:.100}; lend an aiohttp.ClientSession(), or leave it out", parameter="session"
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

    @property
    def rate_limit(self) -> RateLimitSnapshot:
        """How the limit stands now: a frozen view, times in seconds from now."""
        return self._manager.limiter.snapshot()

    @property
    def phone(self) -> str | None:
        """The phone to call for, in the header's form; None for all phones of the key."""
        return self._config.phone

    @property
    def proxy(self) -> str | None:
        """The proxy of all requests, without its user and password; None if they go directly.

        A lent session's own proxy is not told here.
        """
        return self._config.proxy.url if self._config.proxy else None

    def with_phone(self, phone: str | None) -> Self:
        """Give a client for another phone (None: all of the key's). It shares this one's session and limiter.

        Closing either closes both.
        """
        # Copied, for a subclass has attributes of its own.
        other = copy.copy(self)
        other._config = self._config.with_phone(phone)  # noqa: SLF001 - one of our own
        return other

    async def close(self) -> None:
        """Close the client, but nothing lent to it. Unfinished calls raise ClosedError. May be called twice."""
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
