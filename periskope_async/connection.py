"""The aiohttp session, and how a request goes out on one of its connections: once, and at a moment that is told."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp.client_middlewares import ClientHandlerType
    from aiohttp.connector import Connection

    from periskope_async.limits.permit import Permit

__all__ = ["ConnectionBroke", "once", "open_session", "permit_of_task"]

# The server's keep-alive is 5 s (its Keep-Alive header): a connection it is about to close must not be picked.
_KEEP_ALIVE_SECONDS = 4.0

permit_of_task: ContextVar[Permit | None] = ContextVar("periskope_permit", default=None)
"""The permit of the request that the current task sends."""


class ConnectionBroke(Exception):  # noqa: N818 - it never leaves the transport
    """A connection died under a request, before the answer's headers."""


def open_session() -> aiohttp.ClientSession:
    """Open a session of our own, in the running loop."""
    return aiohttp.ClientSession(
        # No bound on connections: the gate bounds what is out, and a wait here would be taken for a slow connection.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_Request,
        response_class=_Response,
        # Each request brings its own; aiohttp's default would end a long body after five minutes.
        timeout=aiohttp.ClientTimeout(total=None),
    )


class _Request(aiohttp.ClientRequest):
    """A request of our own session: it tells its permit when it is written.

    A new connection's handshake lies between asking for a request and writing it, so nothing else tells that moment.
    (A trace would, and so would a middleware; each costs as much as half of all that aiohttp does for a request.)
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if permit := permit_of_task.get():
            permit.sent()
        return await super().send(conn)


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


async def once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Do both for a request on a lent session, whose classes are not ours to choose."""
    send = request.send

    def send_now(conn: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        if permit := permit_of_task.get():
            permit.sent()
        return send(conn)

    request.send = send_now  # type: ignore[method-assign] # of this one request
    try:
        return await handler(request)
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _disguised(error) from error


def _disguised(error: Exception) -> ConnectionBroke:
    return ConnectionBroke(str(error) or "the server closed the connection")
