"""The aiohttp session, and how a request goes out on one of its connections: once, and at a known moment."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp
from aiohttp import hdrs
from msgspec import Struct
from yarl import URL

from periskope_async.config import is_loopback
from periskope_async.tcp import has_news
from periskope_async.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_middlewares import ClientHandlerType
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    from periskope_async.config import Config, Timeout
    from periskope_async.secret import Secret
    from periskope_async.watch import Watch

__all__ = [
    "ConnectionBroke",
    "JsonBody",
    "SendContext",
    "open_session",
    "open_stream_session",
    "own_words",
    "proxy_arguments",
    "send",
    "send_context",
]

# The server's keep-alive is 5 s (its Keep-Alive header): a connection it is about to close must not be picked.
_KEEP_ALIVE_SECONDS = 4.0
# Fewer wake-ups on a body of megabytes than aiohttp's older default of 64 KiB gives.
_READ_BUFFER_BYTES = 1 << 18
_WRITTEN_BYTES = 1 << 16

# Connections used before. Unread bytes on a new one belong to its handshake, or refuse the connection.
_used: WeakSet[ResponseHandler] = WeakSet()


class SendContext(Struct, frozen=True):
    """What a request needs at the moment of its writing."""

    watch: Watch | None
    """The watch to tell of the moment; None for the handshake of a stream."""
    api_key: Secret


send_context: ContextVar[SendContext | None] = ContextVar("periskope_send", default=None)
"""The context of the current task's request."""


class _Hidden(str):
    """A header's value, hidden in every report of a crash."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class ConnectionBroke(Exception):  # noqa: N818 - it never leaves the transport
    """A connection died under a request, before the whole of its answer."""


class _StaleConnection(Exception):  # noqa: N818 - as above
    """A connection cannot be used again. Nothing was sent on it, and aiohttp has closed it."""


def open_session(config: Config) -> aiohttp.ClientSession:
    """Open a session of our own, in the running loop, with the common settings of its requests."""
    return aiohttp.ClientSession(
        # No bound on connections: the gate bounds the requests out, and a wait here would look like a slow connection.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_Request,
        response_class=_Response,
        headers=_standing_headers(),
        timeout=_timeouts(config.timeout),
        read_bufsize=_READ_BUFFER_BYTES,
    )


def open_stream_session(
    config: Config, lent: aiohttp.ClientSession | None, trace: aiohttp.TraceConfig
) -> aiohttp.ClientSession:
    """Open a session for one stream, in the running loop.

    It uses the connector of ``lent``, which it leaves open, and its way out; of the latter none to this machine.
    """
    connector = None if lent is None else lent.connector
    way = None if is_loopback(URL(config.base_url).host or "") else lent
    session = aiohttp.ClientSession(
        connector=connector or aiohttp.TCPConnector(limit=0, force_close=True),
        connector_owner=connector is None,
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_Request,
        response_class=_Response,
        headers={hdrs.USER_AGENT: _user_agent()},
        timeout=_timeouts(config.timeout),
        trace_configs=[trace],
        trust_env=way is not None and way.trust_env,
    )
    if way is not None:
        # There is no public way to ask for a session's proxy.
        for name in ("_default_proxy", "_default_proxy_auth"):
            setattr(session, name, getattr(way, name, None))
    return session


class JsonBody(aiohttp.Payload):
    """JSON, written block by block: the watch is patient while the connection takes some."""

    _value: bytes

    def __init__(self, value: bytes, watch: Watch) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)
        self._watch = watch

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give it as text."""
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all of it."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write it, or its first bytes."""
        view = memoryview(self._value)[:content_length]
        for start in range(0, len(view), _WRITTEN_BYTES):
            await writer.write(bytes(view[start : start + _WRITTEN_BYTES]))
            self._watch.heard()


async def send(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    config: Config,
    headers: dict[str, str] | None,
    *,
    body: JsonBody | None = None,
    is_lent: bool,
) -> aiohttp.ClientResponse:
    """Send a request once; ``headers`` come beside the common ones. Redirects are not followed."""
    way = proxy_arguments(config)
    if is_lent:
        return await session.request(
            method,
            url,
            headers=_standing_headers() | (headers or {}),
            data=body,
            allow_redirects=False,
            raise_for_status=False,  # against a lent session's own choice: a status is read with its body
            auto_decompress=True,
            # A request's middlewares replace the session's own, and there is no public way to ask for the latter.
            middlewares=(_once, *getattr(session, "_middlewares", ()), _at_last),
            read_bufsize=_READ_BUFFER_BYTES,
            timeout=_timeouts(config.timeout),
            **way,
        )
    while True:
        try:
            return await session.request(method, url, headers=headers, data=body, allow_redirects=False, **way)
        except _StaleConnection:
            # The next connection, as _at_last does on a lent session.
            continue


def _standing_headers() -> dict[str, str]:
    """Give the headers common to all requests; the API key joins them when they are written."""
    return {hdrs.ACCEPT: "application/json", hdrs.USER_AGENT: _user_agent()}


def proxy_arguments(config: Config) -> dict[str, Any]:
    """Give the arguments to lead a request through the proxy."""
    proxy = config.proxy
    if proxy is None:
        return {}
    if proxy.authorization is None:
        return {"proxy": proxy.url}
    # The password is neither in the URL nor in proxy_auth: the connector's errors show both.
    return {
        "proxy": proxy.url,
        "proxy_headers": {hdrs.PROXY_AUTHORIZATION: _Hidden(proxy.authorization.reveal())},
    }


@functools.lru_cache(maxsize=8)
def _timeouts(timeout: Timeout) -> aiohttp.ClientTimeout:
    # None for the total: aiohttp's default would end a long body after five minutes. Reading has a watch of its own.
    return aiohttp.ClientTimeout(total=None, connect=timeout.connect, sock_read=None)


@functools.cache
def _user_agent() -> str:
    return f"periskope-async/{version_of('periskope-async')} aiohttp/{aiohttp.__version__}"


async def _write(
    request: aiohttp.ClientRequest,
    conn: Connection,
    send: Callable[[Connection], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Write a request with the API key, and tell its watch afterwards.

    The key is in the request's headers for that time only: a traceback shows requests, sessions and headers, and so may
    a session's middlewares and traces. The watch is told afterwards, since traces may take their time before the
    request is written; and only here, since a new connection's handshake lies between asking for a request and this.
    Raises _StaleConnection if the request must not go out on this connection.
    """
    if _is_stale(conn):
        raise _StaleConnection
    context = send_context.get()
    if context is None:
        return await send(conn)
    request.headers[hdrs.AUTHORIZATION] = _Hidden(f"Bearer {context.api_key.reveal()}")
    if context.watch is not None:
        context.watch.sending()
    try:
        response = await send(conn)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        # aiohttp would send it again, as in _Response.
        raise _disguised(error) from error
    finally:
        request.headers.pop(hdrs.AUTHORIZATION, None)
    if context.watch is not None:
        context.watch.sent(conn.transport)
    return response


class _Request(aiohttp.ClientRequest):
    """A request of our own session.

    (A trace would tell the moment of writing too, and so would a middleware. Each costs half as much as aiohttp's whole
    work for a request.)
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        return await _write(self, conn, super().send)


class _Response(aiohttp.ClientResponse):
    """An answer on our own session. It keeps aiohttp from sending its request again, unseen.

    The server would count such a resend, after a connection had just died, and nobody here would. aiohttp tries again
    on two errors only, so they travel past it in disguise. Our own retry goes through the gate.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        try:
            return await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _disguised(error) from error


async def _once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a lent session's request again; the outermost of its middlewares."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _disguised(error) from error


async def _at_last(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Write a lent session's request as one of our own; the innermost of its middlewares."""
    if is_loopback(request.url.host or ""):
        # The session's proxy would ask its own machine, and be sent the API key unencrypted.
        request.proxy = request.proxy_auth = request.proxy_headers = None
    request.send = functools.partial(_write, request, send=request.send)  # type: ignore[method-assign] # of this one
    while True:
        try:
            return await handler(request)
        except _StaleConnection:
            continue


def _is_stale(conn: Connection) -> bool:
    """Whether the server has ended an idle connection, or written on it unasked, for instance of a time-out.

    aiohttp would take such bytes for the answer to the next request, and each answer for the one of the request after.
    """
    protocol = conn.protocol
    if protocol is None or protocol not in _used:
        if protocol is not None:
            _used.add(protocol)
        return False
    sock = protocol.transport.get_extra_info("socket") if protocol.transport is not None else None
    return sock is None or protocol.should_close or has_news(sock)


def _disguised(error: Exception) -> ConnectionBroke:
    return ConnectionBroke(own_words(error) or "the server closed the connection")


def own_words(error: Exception) -> str:
    """Give what an error says. aiohttp's own for a cut has no words, but the headers that came before it."""
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        return "the answer was cut within its headers"
    return str(error)
