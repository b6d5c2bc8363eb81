"""One connection: opened as Socket.IO wants it, read frame by frame, closed. Every failure is one of our errors."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from periskope_async.connection import ConnectionBroke, SendContext, proxy_arguments, send_context
from periskope_async.errors import APIError, ConnectError, PeriskopeError, StreamRefusedError, TimeoutError_
from periskope_async.frames import hide_frames
from periskope_async.printable import one_line
from periskope_async.realtime.codec import PONG, Broken, Connected, Event, Hello, Refused, Sign, connect_frame, decode
from periskope_async.realtime.handshakes import Redirected
from periskope_async.transport import cause_of, connect_error, words_of
from periskope_async.wire.answer import read_meta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from periskope_async.config import Config
    from periskope_async.realtime.items import GapReason

    Websocket = aiohttp.ClientWebSocketResponse[Any]

__all__ = ["Link", "stream_url"]

_WHAT = "GET /socket.io/"
_SAID_CHARACTERS = 300
# socket.io answers 400 if its allowRequest says no.
_REFUSED = frozenset({400, 401, 403})
_CLOSE_SECONDS = 1.0
# aiohttp makes it by attrs: pyright does not see attrs fields in another package.
_TIMEOUT: Any = aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS)  # pyright: ignore[reportCallIssue]
_CONTENT = (Event, Broken)
# aiohttp 3.14 brought the option to give texts as bytes, and we need only bytes.
_AS_BYTES: dict[str, Any] = (
    {"decode_text": False} if tuple(map(int, aiohttp.__version__.split(".")[:2])) >= (3, 14) else {}
)


def stream_url(base_url: str) -> URL:
    """Give the stream's address, beside the REST API's ``/v1``."""
    url = URL(f"{base_url.removesuffix('/v1')}/socket.io/", encoded=True)
    return url.with_query({"EIO": "4", "transport": "websocket"})


class Link:
    """A connection, let in by the server."""

    def __init__(self, socket: Websocket, hello: Hello, pid: str | None, missed: list[Event | Broken]) -> None:
        self._socket = socket
        self._patience = hello.patience
        self.pid = pid
        """The session's name, if the server can recover it."""
        self.missed = missed
        """Missed events, sent first by a recovering server."""

    @classmethod
    async def open(
        cls,
        session: aiohttp.ClientSession,
        config: Config,
        *,
        patience: float,
        heartbeat: float,
        max_message: int,
        pid: str | None = None,
        offset: str | None = None,
    ) -> Link:
        """Connect, and be let in, within ``patience`` seconds. ``pid`` and ``offset`` ask for the missed events.

        Raises StreamRefusedError, APIError, ConnectError, TimeoutError_; none of them shows the key. A cancel leaves
        nothing behind.
        """
        deadline = asyncio.timeout(patience)
        try:
            async with deadline:
                socket = await _upgrade(session, config, heartbeat=heartbeat, max_message=max_message)
                try:
                    return await cls._enter(socket, config, pid=pid, offset=offset)
                except BaseException:
                    await _close(socket)
                    raise
        except (PeriskopeError, asyncio.CancelledError) as error:
            hide_frames(error)
            raise
        except TimeoutError as error:
            if not deadline.expired():
                raise
            hide_frames(error)
            failure = TimeoutError_(
                f"{_WHAT}: the server has not let the stream in within {patience:g} s", phase="connect"
            )
        raise failure

    @classmethod
    async def _enter(cls, socket: Websocket, config: Config, *, pid: str | None, offset: str | None) -> Link:
        """Say hello, ask to be let in, and wait for the answer."""
        hello: Hello | None = None
        missed: list[Event | Broken] = []
        while True:
            packet = decode(_frame(socket, await socket.receive()))
            if packet is Sign.PING:
                await socket.send_str(PONG)
            elif isinstance(packet, Hello):
                hello = packet
                await socket.send_str(connect_frame(pid, offset))
            elif isinstance(packet, Connected) and hello is not None:
                return cls(socket, hello, packet.pid, missed)
            elif isinstance(packet, Refused):
                said = one_line(config.api_key.redact_text(packet.message), limit=_SAID_CHARACTERS)
                raise StreamRefusedError(
                    f"{_WHAT}: the server refused the stream: {said}",
                    status=101,
                    body=config.api_key.redact(packet.content),
                )
            elif packet is Sign.CLOSE or packet is Sign.GOODBYE:
                raise ConnectError(f"{_WHAT}: the server closed the connection before it let the stream in")
            elif isinstance(packet, _CONTENT):
                missed.append(packet)

    async def read(self, take: Callable[[Event | Broken, int], None], heard: Callable[[], float]) -> GapReason:
        """Give every event and the size of its frame to ``take`` until the connection ends; give why it did.

        ``heard`` is told of each frame, and gives the time. Errors of ``take`` come through.
        """
        loop = asyncio.get_running_loop()
        try:
            # Set anew once a second, not for each frame.
            async with asyncio.timeout(self._patience + 1) as silence:
                set_at = heard()
                while True:
                    frame = _frame(self._socket, await self._socket.receive())
                    packet = decode(frame)
                    # The clock of heard may be set back.
                    if abs((now := heard()) - set_at) > 1:
                        silence.reschedule(loop.time() + self._patience + 1)
                        set_at = now
                    if isinstance(packet, _CONTENT):
                        take(packet, len(frame))
                    elif packet is Sign.PING:
                        await self._socket.send_str(PONG)
                    elif packet is Sign.GOODBYE:
                        return "goodbye"
                    elif packet is Sign.CLOSE:
                        return "closed"
        except TimeoutError:
            return "silent"
        except (ConnectError, ConnectionError):
            return "closed"

    async def close(self) -> None:
        """Close the connection; waits a second at most for the server to agree."""
        await _close(self._socket)


def _frame(socket: Websocket, message: Any) -> bytes:
    """Give a frame's text; nothing for one of binary parts. Raises ConnectError where the connection has ended."""
    if message.type is aiohttp.WSMsgType.TEXT:
        data = message.data
        return data if isinstance(data, bytes) else data.encode()
    if message.type is aiohttp.WSMsgType.BINARY:
        return b""
    raise ConnectError(f"{_WHAT}: the connection ended (code {socket.close_code})")


async def _close(socket: Websocket) -> None:
    with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
        await socket.close()


async def _upgrade(session: aiohttp.ClientSession, config: Config, *, heartbeat: float, max_message: int) -> Websocket:
    """Turn a request into a websocket. Raises our errors alone: the repr of aiohttp's shows headers."""
    sending = send_context.set(SendContext(None, config.api_key))
    try:
        # Any: pyright cannot choose among its overloads by arguments from a mapping.
        connect: Any = session.ws_connect
        socket: Websocket = await connect(
            stream_url(config.base_url),
            headers=None if config.phone is None else {"x-phone": config.phone},
            timeout=_TIMEOUT,
            heartbeat=heartbeat,
            max_msg_size=max_message,
            **proxy_arguments(config),
            **_AS_BYTES,
        )
    except Redirected as redirected:
        failure: PeriskopeError = APIError(
            f"{_WHAT}: the server redirects the stream, which is not followed; check base_url",
            status=redirected.status,
        )
    except aiohttp.WSServerHandshakeError as error:
        failure = _handshake_failure(error.status, error.headers, config)
    except (aiohttp.ClientError, ConnectionBroke, OSError) as error:
        said = words_of(error, config)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            failure = TimeoutError_(f"{_WHAT}: no connection: {said}", phase="connect")
        else:
            failure = connect_error(error, _WHAT, said, config)
            failure.__cause__ = cause_of(error)
    else:
        return socket
    finally:
        send_context.reset(sending)
    # Raised after the except block: inside, the caught error would be its context, with the request and all.
    raise failure


def _handshake_failure(status: int, headers: Mapping[str, str] | None, config: Config) -> PeriskopeError:
    shown = CIMultiDict((name, config.api_key.redact_text(value)) for name, value in (headers or {}).items())
    meta = read_meta(status, shown)
    if status in _REFUSED:
        return StreamRefusedError(
            f"{_WHAT}: the server refused the stream with status {status}: a wrong key, or a phone outside its scope",
            status=status,
            meta=meta,
        )
    if status in {101, 200}:
        return ConnectError(f"{_WHAT}: what answers is no Socket.IO server (status {status}); check base_url")
    return APIError(f"{_WHAT}: the server answered {status} instead of opening the stream", status=status, meta=meta)
