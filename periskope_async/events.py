"""A client's events for its hooks, as frozen records, and the shape of a hook.

A hook is any callable with one :data:`Event` as its argument. It is called in the event loop, between two steps of the
request, so it must return at once: put slow work into a queue. An exception of a hook is logged and passed over; it
never breaks a request. No event ever holds the API key.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from periskope_async.callbacks import notify
from periskope_async.errors import ConfigError
from periskope_async.meta import ResponseMeta  # noqa: TC001 - help() reads it

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)

__all__ = [
    "Event",
    "GaveUp",
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
    """Seconds of its wait for the limit, without pauses between tries."""


class ResponseReceived(Struct, frozen=True, kw_only=True):
    """An answer was read to its end, whatever its status."""

    method: str
    target: str
    attempt: int
    meta: ResponseMeta


class RequestFailed(Struct, frozen=True, kw_only=True):
    """A request ended without a whole answer: it failed, or its task was cancelled. No ResponseReceived follows."""

    method: str
    target: str
    attempt: int
    error: BaseException


class Throttled(Struct, frozen=True, kw_only=True):
    """A request has to wait for the limit."""

    wait: float
    """Seconds until the next request may go, by the present estimate."""
    reason: str
    """``limit`` (the budget is spent), ``refused`` (by a refusal, or a wider limit), ``probe`` (waiting for the first
    answer's headers), ``shape`` (the bucket spreads the requests)."""
    limit: int | None
    remaining: int | None
    waiting: int
    """Requests in the queue, this one included."""
    told_by: str = ""
    """The header with the latest word on the wait: ``Retry-After`` or ``the limit's reset``; empty without one."""


class GaveUp(Struct, frozen=True, kw_only=True):
    """A request was given up in line for the limit, and not sent. No RequestSent follows."""

    method: str
    target: str
    attempt: int
    error: BaseException
    """WaitTooLong or another error of the limiter, or the cancel of its task."""
    waited: float
    """Seconds of its wait for the limit."""


class Retried(Struct, frozen=True, kw_only=True):
    """A try failed and another one follows."""

    method: str
    target: str
    attempt: int
    """The failed try, counted from 1."""
    wait: float
    """Seconds until the next one; 0 after a 429 if the limiter waits for it, as Throttled tells."""
    error: Exception


class PageRead(Struct, frozen=True, kw_only=True):
    """A page of a walk was read and its new rows placed."""

    offset: int
    rows: int
    """Rows sent by the server."""
    placed: int
    """New rows of these."""
    delivered: int
    """Rows placed so far in this walk."""
    count: int | None
    """The server's count of all rows, if it gave one. A plan, never a promise."""
    meta: ResponseMeta


Event: TypeAlias = RequestSent | ResponseReceived | RequestFailed | Throttled | GaveUp | Retried | PageRead


class Hook(Protocol):
    """Anything that takes an event."""

    def __call__(self, event: Event, /) -> object:
        """Take an event and return at once; the result is ignored."""
        ...


def checked_hooks(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    """Refuse objects that could never work as a hook, when the client is made. Raises ConfigError."""
    if not hasattr(hooks, "__iter__"):
        raise ConfigError(
            f"hooks is {hooks!r:.100}; give a list of callables, such as hooks=[print]", parameter="hooks"
        )
    checked = tuple(hooks)
    for hook in checked:
        is_async = inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004 - the method is looked at
        if not callable(hook) or is_async:
            raise ConfigError(
                f"hook {hook!r:.100} is not a plain callable of one event; from an async one, put it into a queue",
                parameter="hooks",
            )
    return checked


def announce(hooks: Sequence[Hook], event: Event) -> None:
    """Tell every hook; their exceptions are logged and go no further."""
    for hook in hooks:
        try:
            notify(hook, event, name="a hook")
        except Exception:
            logger.exception("hook %r raised on %s", hook, type(event).__name__)
