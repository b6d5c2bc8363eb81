"""The sandbox's live events: a Socket.IO 5 server on Engine.IO 4, websocket only, in the form of socket.io 4.8.

Written from the protocol (https://socket.io/docs/v4/socket-io-protocol/), without code of the client's receiver. The
npm package's defaults stand in for unknown choices of Periskope's own server.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import WSMsgType, web

from periskope_async.sandbox.api import bearer_of
from periskope_async.sandbox.cast import ORG_ID, phone_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["SocketFaults", "Sockets"]

_KEPT_FOR_RECOVERY = 10_000


@dataclass
class SocketFaults:
    """Settings of the sandbox's socket; may be changed while it runs."""

    recovery: bool = False
    """Whether a returning client is sent its missed events; each event then bears an offset."""
    envelope: bool = False
    """Whether events come as the webhooks' ``{event, data, org_id, timestamp}``; else as bare objects."""
    status: int | None = None
    """Status of a refused upgrade, such as 400 or 503."""
    location: str | None = None
    """Target of a redirected upgrade."""
    refuse: str | None = None
    """What the server's middleware says no with."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """Further headers of the upgrade's answer, such as a gateway's."""
    hello_delay: float = 0.0
    """Seconds before the first frame; ``float("inf")`` never sends one."""
    connect_delay: float = 0.0
    """Seconds before the client is let in."""
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    pings: bool = True
    """Whether pings are sent at all."""


@dataclass(eq=False)
class _Peer:
    socket: web.WebSocketResponse
    request: web.Request
    org_phone: str | None
    task: asyncio.Task[Any]
    frames: asyncio.Queue[str] = field(default_factory=asyncio.Queue[str])
    is_in: bool = False


class Sockets:
    """All connections to ``/socket.io/``. :meth:`emit` may be called from any thread."""

    def __init__(
        self,
        *,
        api_key: str | None,
        now: Callable[[], float],
        listen: Callable[[Callable[[str, dict[str, Any]], object]], object],
    ) -> None:
        self.faults = SocketFaults()
        self._api_key = api_key
        self._now = now
        self._listen = listen
        self._is_listening = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._peers: set[_Peer] = set()
        self._kept: deque[tuple[int, str, dict[str, Any]]] = deque(maxlen=_KEPT_FOR_RECOVERY)
        self._number = 0
        self._pids: set[str] = set()

    @property
    def connected(self) -> int:
        """Number of clients let in and still there."""
        return sum(peer.is_in for peer in self._peers)

    def emit(self, name: str, said: dict[str, Any]) -> None:
        """Send an event to all clients with access, and keep it for returning ones."""
        self._call(self._emit, name, said)

    def send(self, frame: str) -> None:
        """Send a raw frame to all clients, for things that no server should send."""
        self._call(self._send, frame)

    def drop(self) -> None:
        """Cut all connections off, without a word."""
        self._call(self._drop)

    def goodbye(self) -> None:
        """Disconnect all clients by intent, and tell them so."""
        self._call(self._say, "41")

    def restart(self) -> None:
        """Close all connections in order, like a server that stops for an update."""
        self._call(self._say, "1")

    def close(self) -> None:
        """Drop all connections at once."""
        self._drop()
        for peer in self._peers:
            peer.task.cancel()
        self._loop = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        faults = self.faults
        if faults.location is not None:
            return web.Response(status=302, headers={"Location": faults.location})
        if faults.status is not None:
            return web.json_response({"code": 4, "message": "Forbidden"}, status=faults.status)
        if request.query.get("transport") != "websocket" or request.query.get("EIO") != "4":
            return web.json_response({"code": 0, "message": "Transport unknown"}, status=400)
        self._loop = asyncio.get_running_loop()
        if not self._is_listening:
            self._is_listening = True
            self._listen(self.emit)
        header = request.headers.get("x-phone")
        phone = None if header is None else phone_of(header)
        socket = web.WebSocketResponse(autoping=True, max_msg_size=1 << 20)
        socket.headers.update(faults.headers)
        await socket.prepare(request)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a handler runs in one
        peer = _Peer(socket, request, phone.org_phone if phone else header, task)
        self._peers.add(peer)
        try:
            await self._serve(peer)
        finally:
            self._peers.discard(peer)
        return socket

    async def _serve(self, peer: _Peer) -> None:
        faults = self.faults
        tasks = [asyncio.create_task(self._write(peer))]
        try:
            await asyncio.sleep(min(faults.hello_delay, 3600))
            hello: dict[str, Any] = {
                "sid": uuid4().hex[:20],
                "upgrades": [],
                "pingInterval": round(faults.ping_interval * 1000),
                "pingTimeout": round(faults.ping_timeout * 1000),
                "maxPayload": 1_000_000,
            }
            peer.frames.put_nowait(f"0{_json(hello)}")
            if faults.pings:
                tasks.append(asyncio.create_task(self._ping(peer, faults.ping_interval)))
            async for message in peer.socket:
                if message.type is WSMsgType.TEXT and message.data.startswith("40"):
                    await self._let_in(peer, message.data[2:])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _let_in(self, peer: _Peer, asked: str) -> None:
        await asyncio.sleep(self.faults.connect_delay)
        key = bearer_of(peer.request.headers)
        refusal = self.faults.refuse
        if not key or self._api_key not in {None, key}:
            refusal = "Unauthorized"
        if refusal is not None:
            peer.frames.put_nowait(f"44{_json({'message': refusal})}")
            return
        answer = {"sid": uuid4().hex[:20]}
        if self.faults.recovery:
            wanted: dict[str, Any] = json.loads(asked) if asked else {}
            pid = wanted.get("pid")
            if pid not in self._pids:
                pid = uuid4().hex[:20]
                self._pids.add(pid)
            else:
                # Before the answer, as socket.io does.
                behind = int(wanted["offset"])
                for frame in self._frames(peer, (kept for kept in self._kept if kept[0] > behind)):
                    peer.frames.put_nowait(frame)
            answer["pid"] = pid
        peer.frames.put_nowait(f"40{_json(answer)}")
        peer.is_in = True

    def _frames(self, peer: _Peer, events: Iterable[tuple[int, str, dict[str, Any]]]) -> list[str]:
        frames: list[str] = []
        for number, name, said in events:
            if peer.org_phone is not None and said.get("org_phone", peer.org_phone) != peer.org_phone:
                continue
            data = said
            if self.faults.envelope:
                data = {"event": name, "data": said, "org_id": ORG_ID, "timestamp": round(self._now() * 1000)}
            arguments: list[object] = [name, data]
            if self.faults.recovery:
                arguments.append(str(number))
            frames.append(f"42{_json(arguments)}")
        return frames

    async def _write(self, peer: _Peer) -> None:
        with suppress(ConnectionError):
            while True:
                frame = await peer.frames.get()
                await peer.socket.send_str(frame)
                if frame == "1":
                    await peer.socket.close()

    async def _ping(self, peer: _Peer, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            peer.frames.put_nowait("2")

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function, *arguments)

    def _emit(self, name: str, said: dict[str, Any]) -> None:
        self._number += 1
        event = self._number, name, said
        self._kept.append(event)
        for peer in self._peers:
            if peer.is_in:
                for frame in self._frames(peer, [event]):
                    peer.frames.put_nowait(frame)

    def _send(self, frame: str) -> None:
        for peer in self._peers:
            peer.frames.put_nowait(frame)

    def _say(self, frame: str) -> None:
        for peer in self._peers:
            peer.is_in = False
            peer.frames.put_nowait(frame)

    def _drop(self) -> None:
        for peer in self._peers:
            peer.is_in = False
            if peer.request.transport is not None:
                peer.request.transport.abort()


def _json(value: object) -> str:
    """Write JSON as ``JSON.stringify`` does, half an emoji too."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()
