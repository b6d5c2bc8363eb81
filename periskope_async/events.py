"""What a client tells its hooks: frozen records of what happened, and the shape of a hook.

A hook is any callable that takes one :data:`Event`. It is called in the event loop, between two steps of the
request, so it must return at once: put what is slow into a queue. A hook that raises is logged and passed over; it
never breaks a request. No event ever holds the API key.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from periskope_async.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from periskope_async.meta import ResponseMeta

logger = logging.getLogger(__name__)

__all__ = [
    "Event",
    "Hook",
    "PageRead",
    "RequestFailed",
    "RequestSent",
    "ResponseReceived",
    "Retried",
    "Throttled",
    "announce",
    "checked_hooks",
]


class RequestSent(Struct, frozen=True, kw_only=True):
    """A request is about to be written."""

    method: str
    target: str
    """Path and query, such as ``/chats?offset=0&limit=1000``."""
    attempt: int
    """1 for the first try of a call."""
    url: str = ""
    """The whole address, after redirects."""
    waited: float = 0.0
    """Seconds that it waited for the limit; a pause between two tries is not in it."""


class ResponseReceived(Struct, frozen=True, kw_only=True):
    """An answer was read to its end, whatever its status."""

    method: str
    target: str
    attempt: int
    meta: ResponseMeta


class RequestFailed(Struct, frozen=True, kw_only=True):
    """A request ended without a whole answer: it failed, or its task was cancelled. Then comes no ResponseReceived."""

    method: str
    target: str
    attempt: int
    error: BaseException


class Throttled(Struct, frozen=True, kw_only=True):
    """A request has to wait for the limit."""

    wait: float
    """Seconds until the next request may go, as well as they can be known now."""
    reason: str
    """``limit`` (the budget is spent), ``refused`` (after a 429), ``probe`` (waiting for the first answer's headers),
    ``shape`` (the bucket spreads the requests)."""
    limit: int | None
    remaining: int | None
    waiting: int
    """Requests in the queue, this one included."""


class Retried(Struct, frozen=True, kw_only=True):
    """A try failed and another one follows."""

    method: str
    target: str
    attempt: int
    """The try that failed, counted from 1."""
    wait: float
    """Seconds until the next one; for a 429 the gate adds its own wait."""
    error: Exception


class PageRead(Struct, frozen=True, kw_only=True):
    """A page of a walk was read and its new rows placed."""

    offset: int
    rows: int
    """Rows that the server sent."""
    placed: int
    """Rows of these that had not been met before."""
    delivered: int
    """Rows placed so far in this walk."""
    count: int | None
    """The server's count of all rows, where it gave one. A plan, never a promise."""
    meta: ResponseMeta


Event: TypeAlias = RequestSent | ResponseReceived | RequestFailed | Throttled | Retried | PageRead


class Hook(Protocol):
    """Anything that takes an event."""

    def __call__(self, event: Event, /) -> object:
        """Take an event and return at once; what is returned is ignored."""
        ...


def checked_hooks(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    """Refuse what could never work as a hook, when the client is made. Raises ConfigError."""
    checked = tuple(hooks)
    for hook in checked:
        is_async = inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004 - the method is looked at
        if not callable(hook) or is_async:
            raise ConfigError(
                f"hook {hook!r} is not a plain callable of one event; from an async one, put the event into a queue",
                parameter="hooks",
            )
    return checked


def announce(hooks: Sequence[Hook], event: Event) -> None:
    """Tell every hook; what one of them raises is logged and goes no further."""
    for hook in hooks:
        try:
            hook(event)
        except Exception:
            logger.exception("hook %r raised on %s", hook, type(event).__name__)
