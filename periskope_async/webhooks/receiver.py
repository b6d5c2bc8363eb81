"""The receiver of webhooks: it verifies, reads and answers each at once, and handles one after another.

The answer does not wait for the handler. Periskope documents neither its timeout nor its retries, so a slow handler
must not decide about them.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import time
import zlib
from collections import deque
from contextvars import Context, copy_context
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from periskope_async.errors import ConfigError, DecodeError, SignatureError
from periskope_async.printable import one_line
from periskope_async.typed import is_number, is_whole
from periskope_async.webhooks.parse import parse
from periskope_async.webhooks.seen import Recent
from periskope_async.webhooks.verify import SIGNATURE_HEADER, SigningKeys, verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence

    from aiohttp import web

    from periskope_async.live_event import LiveEvent
    from periskope_async.webhooks.seen import SeenStore

    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

__all__ = ["Receiver"]

logger = logging.getLogger(__name__)

_GZIP = 31  # zlib's word for a gzip header with the largest window
_HEADER = SIGNATURE_HEADER.encode()
_SHOWN_CHARACTERS = 200
# A cancelled handler may have something to close, and its event is to be forgotten.
_SECONDS_TO_LET_GO = 5.0


class _Answer(Struct, frozen=True):
    status: int
    text: str = ""


class _Refused(Exception):  # noqa: N818 - it never leaves this room
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.answer = _Answer(status, text)


class Receiver:
    """Takes webhooks, and gives each event to ``handle`` once, in order of arrival.

    It is an ASGI app, for FastAPI and Starlette: ``app.mount("/periskope", receiver)``. :meth:`aiohttp_handler` is for
    aiohttp.web. Await :meth:`drain` when the server shuts down: it has all answered events handled.

    - ``keys``: the signing key, or several while it is changed.
    - ``max_body``: max bytes of a body; 413 beyond. A note may carry a whole file.
    - ``max_waiting``: max events waiting for ``handle``; 503 beyond, so that the sender may try again.
    - ``max_waiting_bytes``: max bytes of their bodies, in memory about twice as many; 503 beyond. One alone has room.
    - ``max_age``: max seconds between an event's time and now, in either direction; None takes all, since a late
      delivery may bear its old time.
    - ``drain_timeout``: max seconds of a drain; None waits for ever.
    - ``seen``: the memory of handled events, by :attr:`LiveEvent.key`; 10,000 in this process by default.

    ``handle`` is an async function, or a plain one that does not block, such as a queue's ``put_nowait``. It runs in
    the context of the event's own request, so its log lines bear that one's id. Give it a timeout,
    since all others wait behind it. An error of it is logged. The event was answered with 200 before, so do not count
    on a repeat; if one comes, it is handled again.
    Raises ConfigError if a setting is wrong.
    """

    def __init__(
        self,
        handle: Callable[[LiveEvent], object],
        *,
        keys: str | Iterable[str] | SigningKeys,
        max_body: int = 16 * 1024 * 1024,
        max_waiting: int = 10_000,
        max_waiting_bytes: int = 64 * 1024 * 1024,
        max_age: float | None = None,
        drain_timeout: float | None = 20.0,
        seen: SeenStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys if isinstance(keys, SigningKeys) else SigningKeys(keys)
        del keys
        # Calling one with a ``yield`` in it does nothing.
        is_generator = inspect.isgeneratorfunction(handle) or inspect.isasyncgenfunction(handle)
        if is_generator or not callable(handle):
            raise ConfigError(
                f"handle is {handle!r:.100}; give a function of one event, async or plain, without yield",
                parameter="handle",
            )
        bounds = {"max_body": max_body, "max_waiting": max_waiting, "max_waiting_bytes": max_waiting_bytes}
        for name, value in bounds.items():
            if not is_whole(value, least=1):
                raise ConfigError(f"{name} is {value!r:.100}; give a whole number above 0", parameter=name)
        for name, seconds in (("max_age", max_age), ("drain_timeout", drain_timeout)):
            if seconds is not None and not (is_number(seconds) and 0 < seconds < math.inf):
                raise ConfigError(
                    f"{name} is {seconds!r:.100}; give seconds above 0, or None for no limit", parameter=name
                )
        self._handle = handle
        self._max_body = max_body
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._max_age = max_age
        self._drain_timeout = drain_timeout
        self._seen = Recent() if seen is None else seen
        self._clock = clock
        self._waiting: deque[tuple[LiveEvent, int, Context]] = deque()
        self._waiting_bytes = 0
        self._is_full = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """The number of answered events that wait for ``handle``; not the one in its hands."""
        return len(self._waiting)

    def open(self, body: bytes, signature: str | bytes | None) -> LiveEvent:
        """Verify a body and read it, for other frameworks. Raises SignatureError, DecodeError."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        verify(body, signature, self._keys)
        event = parse(body, received_at=now)
        if self._max_age is not None:
            age = None if event.timestamp is None else (now - event.timestamp).total_seconds()
            if age is None or abs(age) > self._max_age:
                when = "bears no time" if age is None else f"is {age:.0f} s old"
                raise SignatureError(f"the event {when}; max_age is {self._max_age:g} s", reason="old")
        return event

    async def drain(self, _: object = None) -> None:
        """Wait until all answered events have been handled, ``drain_timeout`` seconds at most.

        After that the handler is cancelled, and has 5 s to let go; an error in the log counts the events that are not
        handled.

        aiohttp.web: ``app.on_cleanup.insert(0, receiver.drain)``. Its ``on_shutdown`` comes while requests are still
        being answered; the place 0 is before the clean-up of what ``handle`` needs.
        """
        try:
            async with asyncio.timeout(self._drain_timeout):
                while self._waiting or self._worker is not None:
                    await asyncio.wait({self._working()})
        except TimeoutError:
            if self._worker is not None:
                self._worker.cancel()
                await asyncio.wait({self._worker})

    async def aiohttp_handler(self, request: web.Request) -> web.Response:
        """Answer a request of aiohttp.web: ``app.router.add_post("/periskope", receiver.aiohttp_handler)``."""
        from aiohttp import web  # noqa: PLC0415 - a server that other users need not load

        try:
            # The app's own limit is 1 MiB, less than a note with a file in it.
            whole = request.clone(client_max_size=self._max_body)
        except RuntimeError:
            whole = request  # a middleware has read it, and aiohttp has kept it
        try:
            body = await whole.read()
        except web.HTTPRequestEntityTooLarge:
            answer = self._too_large()
        except (web.RequestPayloadError, ConnectionError):
            answer = _Answer(400, "the body is not what its Content-Encoding says, or is cut off")
        else:
            signatures = request.headers.getall(SIGNATURE_HEADER, [])
            answer = self._answer(body, [text.encode(errors="surrogateescape") for text in signatures])
        return web.Response(status=answer.status, text=answer.text)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as an ASGI app."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        headers: list[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in scope["headers"]]
        try:
            answer = self._answer(
                await self._read(scope["method"], dict(headers), receive),
                [value for name, value in headers if name == _HEADER],
            )
        except _Refused as refused:
            answer = refused.answer
        content = answer.text.encode()
        extra = [(b"allow", b"POST")] if answer.status == 405 else []  # noqa: PLR2004 - HTTP's own
        sizes = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": [*sizes, *extra]})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, body: bytes, signatures: Sequence[bytes]) -> _Answer:
        """Queue an event, and give the answer. Nothing is awaited: no cancel can come between."""
        try:
            event = self.open(body, b",".join(signatures) or None)
        except SignatureError as error:
            logger.warning("refused a webhook: %s", error)
            return _Answer(401, str(error))
        except DecodeError as error:
            logger.warning("refused a webhook that was signed: %s", error)
            return _Answer(400, str(error))
        waiting, size = len(self._waiting), self._waiting_bytes + len(body)
        if waiting and (waiting >= self._max_waiting or size > self._max_waiting_bytes):
            if not self._is_full:
                self._is_full = True
                logger.warning("%d webhooks wait for the handler; others are answered 503 until there is room", waiting)
            return _Answer(503, f"{waiting} events wait already")
        self._waiting.append((event, len(body), copy_context()))
        self._waiting_bytes = size
        self._working()
        return _Answer(200)

    def _working(self) -> asyncio.Task[None]:
        """Give the task that handles the waiting events. It is begun where there is none."""
        # One that was cancelled before its first step has not said that it ends.
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work(), name="periskope webhooks")
        return self._worker

    async def _work(self) -> None:
        """Handle the waiting events, and end: no idle task is left."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                event, size, context = self._waiting.popleft()
                self._waiting_bytes -= size
                # A task of its own, for a coroutine cannot change its context.
                handling = loop.create_task(self._handle_once(event), name="periskope webhook", context=context)
                try:
                    # Not awaited itself: a handler may swallow a cancel, or cancel itself.
                    await asyncio.wait({handling})
                except asyncio.CancelledError:
                    # The end of a program cancels all tasks. A second cancel would break off what the first began.
                    if not handling.cancelling():
                        handling.cancel()
                    logger.error(  # noqa: TRY400 - the handler's own line shows where it hung
                        "the handler was cancelled; answered webhooks that are not handled: %d", 1 + len(self._waiting)
                    )
                    await asyncio.wait({handling}, timeout=_SECONDS_TO_LET_GO)
                    raise
            self._is_full = False
        finally:
            self._worker = None

    async def _handle_once(self, event: LiveEvent) -> None:
        try:
            if await self._is_new(event) and inspect.isawaitable(handling := self._handle(event)):
                await handling
        except (Exception, asyncio.CancelledError):
            # A cancel shows where the handler hung, or came from a task that it has awaited.
            logger.exception("the handler failed on %s", _shown(event))
            await self._forget(event)

    async def _is_new(self, event: LiveEvent) -> bool:
        try:
            is_new = await self._seen.add(event.key)
        except Exception:
            # Twice is better than never.
            logger.exception("the store of handled events failed; %s may be doubled", _shown(event))
            return True
        if not is_new:
            logger.debug("dropped a second delivery of %s", _shown(event))
        return is_new

    async def _forget(self, event: LiveEvent) -> None:
        """Let an event come again that could not be handled."""
        try:
            await self._seen.discard(event.key)
        except Exception:
            # The other events must not wait for the store.
            logger.exception("the store of handled events failed; %s may be dropped if it comes again", _shown(event))

    async def _read(self, method: str, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Read a request's body, inflated. Raises _Refused."""
        if method != "POST":
            raise _Refused(405, "webhooks are sent by POST")
        said = headers.get(b"content-length", b"")
        if said.isdigit() and int(said) > self._max_body:
            raise self._refusal()
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                # A middleware of Starlette wants an answer even if nobody is there to read it.
                raise _Refused(400, "the body is cut off")
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise self._refusal()
            if not message.get("more_body", False):
                break
        # aiohttp.web inflates a body before this, ASGI servers do not; and JSON never begins like gzip.
        is_compressed = headers.get(b"content-encoding", b"").lower() in {b"gzip", b"x-gzip"}
        return self._inflated(bytes(body)) if is_compressed and body else bytes(body)

    def _inflated(self, body: bytes) -> bytes:
        inflater = zlib.decompressobj(_GZIP)
        try:
            inflated = inflater.decompress(body, self._max_body + 1)
        except zlib.error:
            raise _Refused(400, "the body is not gzip, as its Content-Encoding says") from None
        if len(inflated) > self._max_body:
            raise self._refusal()
        if not inflater.eof:
            raise _Refused(400, "the body's gzip is cut off")
        return inflated

    def _refusal(self) -> _Refused:
        answer = self._too_large()
        return _Refused(answer.status, answer.text)

    def _too_large(self) -> _Answer:
        return _Answer(413, f"the body has more than {self._max_body} bytes")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Answer the lifespan events of a server with no app but this one."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.drain()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _shown(event: LiveEvent) -> str:
    """Name an event in a log line; its words are the sender's."""
    return one_line(f"{event.name} {event.object_id}", limit=_SHOWN_CHARACTERS)
