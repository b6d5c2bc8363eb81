"""One request over the network through aiohttp, and what aiohttp may raise turned into this package's errors."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import aiohttp
from aiohttp import hdrs
from msgspec import Struct
from msgspec.structs import replace

from periskope_async.connection import ConnectionBroke, permit_of_task, send
from periskope_async.errors import BodyError, ClosedError, ConfigError, ConnectError, DecodeError, TimeoutError_
from periskope_async.models.repair import Unreadable
from periskope_async.turns import give_way
from periskope_async.wire.answer import decode_error, read_answer, read_meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDictProxy
    from yarl import URL

    from periskope_async.cache import CacheSlot
    from periskope_async.config import Config
    from periskope_async.limits.permit import Permit
    from periskope_async.meta import ResponseMeta
    from periskope_async.models.opened import Steps
    from periskope_async.wire.query import Request

__all__ = ["Answer", "exchange"]

T = TypeVar("T")

# Bodies of this size take milliseconds to be joined from their blocks, as long as a thousand chats to be decoded.
_HOLDING_BYTES = 1 << 23
_TCP_INFO = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_RTTVAR_OFFSET = 72


class Answer(Struct, frozen=True):
    """A whole answer, of any status."""

    meta: ResponseMeta
    body: bytes
    location: str | None
    is_no_store: bool = False
    """Whether ``Cache-Control`` forbids to keep it."""
    slot: CacheSlot | None = None
    """Where the caller's cache would keep it."""

    def read(self, reader: Callable[[bytes, ResponseMeta], T]) -> T:
        """Read the body with ``reader``, and have the cache keep it if that went well. Raises DecodeError."""
        try:
            value = read_answer(self.meta, self.body, reader)
        except DecodeError:
            self._forget()
            raise
        self._keep()
        return value

    async def read_in_turns(self, reader: Callable[[bytes, ResponseMeta], Steps[T]]) -> T:
        """Read the body likewise, and let other tasks have their turn after each step."""
        steps = reader(self.body, self.meta)
        if len(self.body) > _HOLDING_BYTES:
            # To join its blocks has held the others up already, and they need their turn before the first step.
            await give_way()
        while True:
            try:
                next(steps)
            except StopIteration as done:
                self._keep()
                value: T = done.value
                return value
            except Unreadable as error:
                self._forget()
                failure = decode_error(error, self.meta, self.body)
            else:
                await give_way()
                continue
            raise failure

    def _keep(self) -> None:
        if self.slot is not None:
            self.slot.keep(self.meta, self.body, is_no_store=self.is_no_store)

    def _forget(self) -> None:
        """Have the cache forget the page: what is broken must come anew, and not be found unchanged for ever."""
        if self.slot is not None:
            self.slot.forget()


async def exchange(
    session: aiohttp.ClientSession,
    request: Request,
    url: URL,
    config: Config,
    permit: Permit,
    *,
    is_lent: bool = False,
    slot: CacheSlot | None = None,
    attempts: int = 1,
    waited: float = 0.0,
) -> Answer:
    """Send one request once, and read its answer to the end. With a page in ``slot`` a 304 may be all that comes.

    ``attempts`` and ``waited`` are what the call has cost by now; its answer tells them. The permit is booked when
    the headers have come. Raises TransportError; never for a status.
    """
    if session.closed:
        permit.unused()
        raise ClosedError("the aiohttp session that was lent is closed; lend one that lives as long as the client")
    loop = asyncio.get_running_loop()
    began = loop.time()
    meta: ResponseMeta | None = None
    sending = permit_of_task.set(permit)
    try:
        response = await send(session, request.method, url, config, _own_headers(request, slot), is_lent=is_lent)
        try:
            meta = read_meta(response.status, response.headers)
            permit.answered(
                meta.rate_limit,
                is_refusal=response.status == 429,  # noqa: PLR2004 - HTTP's own
                variation=_round_trip_variation(response),
            )
            body = await _read_body(response, meta, config.max_body)
            meta = replace(meta, body_bytes=len(body), seconds=loop.time() - began, attempts=attempts, waited=waited)
            if not response.ok or "json" not in (meta.content_type or ""):
                # Servers and proxies like to quote what they refuse, and errors end up in logs.
                body = body.replace(config.api_key.reveal().encode(), b"***")
            is_no_store = slot is not None and _forbids_keeping(response.headers)
            return Answer(meta, body, response.headers.get(hdrs.LOCATION), is_no_store, slot)
        finally:
            # Where the body has not come to its end, that closes the connection.
            response.release()
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
        # No connection, so nothing was sent and the server counted nothing.
        permit.unused()
        _raise_typed(error, request, meta, config)
    except (aiohttp.ClientError, ConnectionBroke, OSError) as error:
        _raise_typed(error, request, meta, config)
    finally:
        permit_of_task.reset(sending)


def _round_trip_variation(response: aiohttp.ClientResponse) -> float | None:
    """Ask TCP for the mean deviation of the connection's round trip, in seconds; None where it cannot be had.

    Linux tells it in ``tcp_info.tcpi_rttvar``, in microseconds (linux/tcp.h).
    """
    transport = response.connection.transport if response.connection else None
    sock = transport.get_extra_info("socket") if transport else None
    if sock is None or _TCP_INFO is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _RTTVAR_OFFSET + 4)
        return float(struct.unpack_from("=I", info, _RTTVAR_OFFSET)[0]) / 1e6
    except (OSError, struct.error):
        return None


def _own_headers(request: Request, slot: CacheSlot | None) -> dict[str, str] | None:
    """Give the headers that this request has beside the ones that all have."""
    headers: dict[str, str] = {}
    if request.phone is not None:
        headers["x-phone"] = request.phone
    if slot is not None and slot.etag is not None:
        headers[hdrs.IF_NONE_MATCH] = slot.etag
    return headers or None


def _forbids_keeping(headers: CIMultiDictProxy[str]) -> bool:
    directives = ",".join(headers.getall(hdrs.CACHE_CONTROL, ())).split(",")
    return any(directive.strip().lower() == "no-store" for directive in directives)


async def _read_body(response: aiohttp.ClientResponse, meta: ResponseMeta, most: int) -> bytes:
    """Read the decoded body as a list of blocks and join it once, so that it never grows by copying."""
    announced = response.content_length
    if announced is not None and announced > most and hdrs.CONTENT_ENCODING not in response.headers:
        _refuse_body(response, meta, most)
    blocks: list[bytes] = []
    size = 0
    while block := await response.content.readany():
        size += len(block)
        if size > most:
            _refuse_body(response, meta, most)
        blocks.append(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _refuse_body(response: aiohttp.ClientResponse, meta: ResponseMeta, most: int) -> NoReturn:
    # What has not come yet is not wanted, so the connection cannot be used again.
    response.close()
    raise BodyError(
        f"the answer's body is larger than the {most} bytes allowed by max_body; ask for fewer rows a page",
        meta=meta,
        retryable=False,
    )


def _raise_typed(error: Exception, request: Request, meta: ResponseMeta | None, config: Config) -> NoReturn:
    # Its frames hold the request's headers, and the key among them; reports of crashes show frames with their values.
    error.with_traceback(None)
    error.__context__ = error.__cause__ = None
    what = f"{request.method} {request.target}"
    said = str(error) or type(error).__name__
    if isinstance(error, aiohttp.InvalidURL):
        raise ConfigError(f"{what}: aiohttp cannot use the URL: {said}", parameter="base_url") from error
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        message = f"{what}: no connection within the {config.timeout.connect} s allowed by timeout.connect"
        raise TimeoutError_(message, phase="connect") from error
    if isinstance(error, TimeoutError):
        message = f"{what}: no byte came for the {config.timeout.read} s allowed by timeout.read"
        raise TimeoutError_(message, phase="read", meta=meta) from error
    if isinstance(error, aiohttp.ClientResponseError):
        # This one holds the request itself, and shows it.
        error.args, error.request_info = (), cast("aiohttp.RequestInfo", None)
        raise ConnectError(f"{what}: what came is no HTTP: {error.status} {error.message}") from None
    if meta is not None:
        raise BodyError(f"{what}: the answer broke off or cannot be decompressed: {said}", meta=meta) from error
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        raise ConnectError(f"{what}: no secure connection: {said}", retryable=False) from error
    raise ConnectError(f"{what}: {said}") from error
