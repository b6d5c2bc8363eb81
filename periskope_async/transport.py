"""One request over the network through aiohttp, with aiohttp's errors turned into this package's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn, TypeVar

import aiohttp
from aiohttp import hdrs
from msgspec import Struct
from msgspec.structs import force_setattr, replace
from multidict import CIMultiDict, CIMultiDictProxy

from periskope_async.connection import ConnectionBroke, JsonBody, SendContext, own_words, send, send_context
from periskope_async.decoding.repair import Unreadable
from periskope_async.errors import (
    BodyError,
    ClosedError,
    ConfigError,
    ConnectError,
    DecodeError,
    PeriskopeError,
    TimeoutError_,
)
from periskope_async.printable import one_line
from periskope_async.retry import RETRYABLE_STATUSES
from periskope_async.turns import give_way
from periskope_async.watch import Watch
from periskope_async.wire.answer import decode_error, read_meta

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

    from periskope_async.cache import CacheSlot
    from periskope_async.config import Config
    from periskope_async.decoding.opened import Steps
    from periskope_async.limits.permit import Permit
    from periskope_async.meta import ResponseMeta
    from periskope_async.secret import Secret
    from periskope_async.wire.request import Request

__all__ = ["Answer", "cause_of", "connect_error", "exchange", "words_of"]

T = TypeVar("T")

_SAID_CHARACTERS = 300
_PROXY_UNAUTHORIZED = 407
_PROXY_USER = "check the user and password in the proxy's URL, http://user:password@host:port"
_PROXY_ADVICE = "check HTTPS_PROXY and NO_PROXY, or the client's proxy"

# Joining the blocks of a body of this size takes milliseconds, as long as decoding a thousand chats.
_HOLDING_BYTES = 1 << 23


class Answer(Struct, frozen=True):
    """A whole answer, of any status."""

    meta: ResponseMeta
    body: bytes
    location: str | None
    is_no_store: bool = False
    """Whether ``Cache-Control`` forbids to keep it."""
    slot: CacheSlot | None = None
    """Its place in the caller's cache."""
    api_key: Secret | None = None
    """The key must not be shown if a success quotes it; other bodies are without it already."""
    is_length_sure: bool = True
    """Whether a Content-Length has counted the bytes of ``body``, so that all of them have come."""

    def __repr__(self) -> str:
        return f"<Answer {self.meta.status}, {len(self.body)} bytes>"

    async def read(self, reader: Callable[[bytes, ResponseMeta], Steps[T]]) -> T:
        """Read the body with ``reader``, and have the cache keep it if that went well.

        It yields to the loop after each step. Raises DecodeError, and BodyError if the body broke off.
        """
        steps = reader(self.body, self.meta)
        if len(self.body) > _HOLDING_BYTES:
            # Joining its blocks has held up the loop already, so this yields before the first step.
            await give_way()
        while True:
            try:
                next(steps)
            except StopIteration as done:
                self._keep()
                value: T = done.value
                return value
            except Unreadable as error:
                failure = self._failure(error)
            else:
                await give_way()
                continue
            raise failure

    def _keep(self) -> None:
        if self.slot is not None:
            self.slot.keep(self.meta, self.body, is_no_store=self.is_no_store)

    def _failure(self, error: Unreadable) -> DecodeError | BodyError:
        """Make the error of an unreadable body, and have the cache forget it, so that it comes anew."""
        if self.slot is not None:
            self.slot.forget()
        # Redacting the error's text is not enough: a report of the crash may show this object's fields.
        if self.api_key is not None:
            force_setattr(self, "body", self.api_key.redact(self.body))
        return decode_error(error, self.meta, self.body, is_length_sure=self.is_length_sure)


async def exchange(
    session: aiohttp.ClientSession,
    request: Request,
    url: URL,
    config: Config,
    permit: Permit,
    *,
    is_lent: bool,
    slot: CacheSlot | None,
    attempts: int,
    waited: float,
) -> Answer:
    """Send one request once, and read its answer to the end. A 304 may come alone if ``slot`` has a page.

    ``attempts`` and ``waited`` are the call's costs by now; its answer tells them. The permit is booked when the
    headers have come. Raises TransportError, ClosedError for a closed session, and ConfigError for a URL that
    aiohttp cannot use; never for a status.
    """
    if session.closed:
        permit.unused()
        raise ClosedError("the aiohttp session that was lent is closed; lend one that lives as long as the client")
    loop = asyncio.get_running_loop()
    began = loop.time()
    meta: ResponseMeta | None = None
    watch = Watch(permit, patience=config.timeout.read)
    sending = send_context.set(SendContext(watch, config.api_key))
    try:
        own_headers = _own_headers(request, slot)
        upload = None if request.body is None else JsonBody(request.body, watch)
        response = await send(session, request.method, url, config, own_headers, body=upload, is_lent=is_lent)
        try:
            variation = watch.head_came()
            headers = _without_key(response.headers, config.api_key)
            meta = read_meta(response.status, headers)
            permit.answered(meta.rate_limit, status=response.status, variation=variation)
            body = await _read_body(response, meta, watch, config.max_body)
            meta = replace(meta, body_bytes=len(body), seconds=loop.time() - began, attempts=attempts, waited=waited)
            if not response.ok or "json" not in (meta.content_type or "") or body[:64].lstrip()[:1] != b"{":
                # Servers and proxies like to quote a refused request, and errors end up in logs.
                body = config.api_key.redact(body)
            is_no_store = slot is not None and _forbids_keeping(headers)
            return Answer(
                meta, body, headers.get(hdrs.LOCATION), is_no_store, slot, config.api_key, _is_length_sure(response)
            )
        finally:
            # This closes the connection if the body has not come to its end.
            response.release()
    except asyncio.CancelledError:
        if not watch.end():
            raise
        failure = _typed(TimeoutError(), request, meta, config, watch)
    except (aiohttp.ClientError, ConnectionBroke, OSError) as error:
        if not permit.was_sent:
            # Refused on the way, by a proxy too: the server counted nothing.
            permit.unused()
        failure = _typed(error, request, meta, config, watch)
        failure.__cause__ = cause_of(error)
    finally:
        watch.end()
        send_context.reset(sending)
    # This waits until that error is handled: it would be the context of this one otherwise, with the request and all.
    raise failure


def _own_headers(request: Request, slot: CacheSlot | None) -> dict[str, str] | None:
    """Give this request's own headers, beside the common ones."""
    headers: dict[str, str] = {}
    if request.phone is not None:
        headers["x-phone"] = request.phone
    if slot is not None and slot.etag is not None:
        headers[hdrs.IF_NONE_MATCH] = slot.etag
    return headers or None


def _is_length_sure(response: aiohttp.ClientResponse) -> bool:
    """Whether a Content-Length counted the very bytes read: no compressed ones, and no chunks."""
    headers = response.headers
    if hdrs.CONTENT_LENGTH not in headers or hdrs.TRANSFER_ENCODING in headers:
        return False
    return headers.get(hdrs.CONTENT_ENCODING, "identity").lower() == "identity"


def _without_key(headers: CIMultiDictProxy[str], api_key: Secret) -> CIMultiDictProxy[str]:
    """Give an answer's headers without the key, for they end up in logs and errors."""
    # A quoted key is no shorter than the key itself.
    least = len(api_key.reveal())
    together = " ".join([value for value in headers.values() if len(value) >= least])
    if not together or api_key.redact_text(together) == together:
        return headers
    return CIMultiDictProxy(CIMultiDict((name, api_key.redact_text(value)) for name, value in headers.items()))


def _forbids_keeping(headers: CIMultiDictProxy[str]) -> bool:
    directives = ",".join(headers.getall(hdrs.CACHE_CONTROL, ())).split(",")
    return any(directive.strip().lower() == "no-store" for directive in directives)


async def _read_body(response: aiohttp.ClientResponse, meta: ResponseMeta, watch: Watch, most: int) -> bytes:
    """Read the decoded body as a list of blocks and join it once, so that it never grows by copying."""
    announced = response.content_length
    if announced is not None and announced > most and hdrs.CONTENT_ENCODING not in response.headers:
        _refuse_body(response, meta, most)
    blocks: list[bytes] = []
    size = 0
    try:
        while block := await response.content.readany():
            watch.heard()
            size += len(block)
            if size > most:
                _refuse_body(response, meta, most)
            blocks.append(block)
    except RuntimeError as error:
        # This is aiohttp's error for a connection lost before anybody waited for it.
        raise ConnectionBroke(str(error)) from None
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _refuse_body(response: aiohttp.ClientResponse, meta: ResponseMeta, most: int) -> NoReturn:
    # The rest of the body is not wanted, so the connection cannot be used again.
    response.close()
    raise BodyError(
        f"the answer's body is larger than the {most} bytes allowed by max_body; ask for fewer rows a page",
        meta=meta,
        retryable=False,
    )


def _typed(
    error: Exception, request: Request, meta: ResponseMeta | None, config: Config, watch: Watch
) -> PeriskopeError:
    """Turn an error of aiohttp into this package's own."""
    said = words_of(error, config)
    what = f"{request.method} {request.target}"
    if isinstance(error, aiohttp.InvalidURL):
        return ConfigError(f"{what}: aiohttp cannot use the URL: {said}", parameter="base_url")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        message = (
            f"{what}: no connection within the {config.timeout.connect} s allowed by timeout.connect{_way(config)}"
        )
        return TimeoutError_(message, phase="connect")
    if watch.is_gone and isinstance(error, TimeoutError):
        error, said = ConnectionBroke(), "the connection is gone"
    if isinstance(error, TimeoutError):
        what_came = "no byte of the body came for" if meta is not None else "the answer's headers were not whole within"
        message = f"{what}: {what_came} the {config.timeout.read} s allowed by timeout.read"
        return TimeoutError_(message, phase="read", meta=meta)
    if meta is not None:
        return BodyError(f"{what}: the answer broke off or cannot be decompressed: {said}", meta=meta)
    return connect_error(error, what, said, config)


def words_of(error: Exception, config: Config) -> str:
    """Give an error's own words on one line, without secrets."""
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else own_words(error) or type(error).__name__
    return one_line(config.redacted(said), limit=_SAID_CHARACTERS)


def connect_error(error: Exception, what: str, said: str, config: Config) -> ConnectError:
    """Make the error of a failed connection, or of one without an answer."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        proxy = f"the proxy {config.proxy.url}" if config.proxy else "the lent session's proxy"
        advice = _PROXY_USER if error.status == _PROXY_UNAUTHORIZED else _PROXY_ADVICE
        return ConnectError(
            f"{what}: {proxy} refused the way to {config.base_url}: {error.status} {said}; {advice}",
            retryable=error.status in RETRYABLE_STATUSES,
        )
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        proxy = config.proxy.url if config.proxy else f"{error.host}:{error.port}"
        return ConnectError(f"{what}: the proxy {proxy} cannot be reached: {said}; {_PROXY_ADVICE}")
    if isinstance(error, aiohttp.ClientResponseError):
        return ConnectError(f"{what}: what came is no HTTP: {error.status} {said}{_way(config)}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return ConnectError(f"{what}: no secure connection: {said}{_way(config)}", retryable=False)
    return ConnectError(f"{what}: {said}{_way(config)}")


def _way(config: Config) -> str:
    return f" (through the proxy {config.proxy.url})" if config.proxy else ""


def cause_of(error: Exception) -> Exception | None:
    """Give the system's error behind an error of aiohttp; None if there is none.

    aiohttp's own errors hold requests, a lent session's proxy with its password, and any length of the answer.
    """
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    elif not isinstance(error, OSError):
        return None
    error.__context__ = error.__cause__ = None
    return error
