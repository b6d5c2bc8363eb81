"""The aiohttp session, and how a request goes out on one of its connections: once, and at a moment that is told."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from aiohttp.client_middlewares import ClientHandlerType
    from aiohttp.connector import Connection
    from yarl import URL

    from periskope_async.config import Config, Timeout
    from periskope_async.limits.permit import Permit

__all__ = ["ConnectionBroke", "open_session", "permit_of_task", "send"]

# The server's keep-alive is 5 s (its Keep-Alive header): a connection it is about to close must not be picked.
_KEEP_ALIVE_SECONDS = 4.0
# Fewer wake-ups on a body of megabytes than aiohttp's older default of 64 KiB gives.
_READ_BUFFER_BYTES = 1 << 18

permit_of_task: ContextVar[Permit | None] = ContextVar("periskope_permit", default=None)
"""The permit of the request that the current task sends."""


class ConnectionBroke(Exception):  # noqa: N818 - it never leaves the transport
    """A connection died under a request, before the answer's headers."""


def open_session(config: Config) -> aiohttp.ClientSession:
    """Open a session of our own, in the running loop, with all that its requests have in common."""
    return aiohttp.ClientSession(
        # No bound on connections: the gate bounds what is out, and a wait here would be taken for a slow connection.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_Request,
        response_class=_Response,
        headers=_standing_headers(config),
        timeout=_timeouts(config.timeout),
        read_bufsize=_READ_BUFFER_BYTES,
    )


def send(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    config: Config,
    headers: dict[str, str] | None,
    *,
    is_lent: bool,
) -> Awaitable[aiohttp.ClientResponse]:
    """Send a request once; ``headers`` are those beside the ones that all have. Redirects are not followed."""
    if not is_lent:
        return session.request(method, url, headers=headers, allow_redirects=False)
    return session.request(
        method,
        url,
        headers=_standing_headers(config) | (headers or {}),
        allow_redirects=False,
        raise_for_status=False,  # whatever a lent session would do: a status is read with its body
        auto_decompress=True,
        middlewares=(_once,),
        read_bufsize=_READ_BUFFER_BYTES,
        timeout=_timeouts(config.timeout),
    )


def _standing_headers(config: Config) -> dict[str, str]:
    return {
        hdrs.AUTHORIZATION: f"Bearer {config.api_key.reveal()}",
        hdrs.ACCEPT: "application/json",
        hdrs.USER_AGENT: _user_agent(),
    }


@functools.lru_cache(maxsize=8)
def _timeouts(timeout: Timeout) -> aiohttp.ClientTimeout:
    # None for the total: aiohttp's default would end a long body after five minutes.
    return aiohttp.ClientTimeout(total=None, connect=timeout.connect, sock_read=timeout.read)


@functools.cache
def _user_agent() -> str:
    # Imported here: reading package metadata is slow to import, and only a first request needs it.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        own = version("periskope-async")
    except PackageNotFoundError:
        own = "unknown"
    return f"periskope-async/{own} aiohttp/{aiohttp.__version__}"


class _Request(aiohttp.ClientRequest):
    """A request of our own session: it tells its permit when it is written.

    A new connection's handshake lies between asking for a request and writing it, so nothing else tells that moment.
    (A trace would, and so would a middleware; each costs as much as half of all that aiohttp does for a request.)
    """

    def send(  # pyright: ignore[reportIncompatibleMethodOverride] - a coroutine of our own would wrap aiohttp's
        self, conn: Connection
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        if permit := permit_of_task.get():
            permit.sent()
        return super().send(conn)


class _Response(aiohttp.ClientResponse):
    """An answer on our own session, which keeps aiohttp from sending its request again, unseen.

    Such a resend, after a connection had just died, would be counted by the server and by nobody here. aiohttp tries
    again on two errors only, so they travel past it in disguise; our own retry goes through the gate.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        try:
            return await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _disguised(error) from error


async def _once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Do both for a request on a lent session, whose classes are not ours to choose."""
    sending = request.send

    def send_now(conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        if permit := permit_of_task.get():
            permit.sent()
        return sending(conn)

    request.send = send_now  # type: ignore[method-assign] # of this one request
    try:
        return await handler(request)
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _disguised(error) from error


def _disguised(error: Exception) -> ConnectionBroke:
    return ConnectionBroke(str(error) or "the server closed the connection")
