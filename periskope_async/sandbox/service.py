"""The path of a request through the sandbox: counted, held up, answered, spoiled by its fault, sent."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from uuid import uuid1
from weakref import WeakKeyDictionary

from periskope_async.sandbox.api import Asked, Waiting, bearer_of, error_answer
from periskope_async.sandbox.delivery import Delivery
from periskope_async.sandbox.express import HTML, Answer, compressed, fresh, json_answer, not_modified
from periskope_async.sandbox.faults import Body, CutUpload, HeaderChange, Redirect, ResetConnection, Slow, Status
from periskope_async.sandbox.journal import RequestRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from aiohttp import web

    from periskope_async.sandbox.api import Api
    from periskope_async.sandbox.faults import Fault, Script
    from periskope_async.sandbox.journal import Journal
    from periskope_async.sandbox.limiter import Limiter, Verdict

__all__ = ["Service", "Timing"]

# The node part of the trace ids (time-based UUIDs), from a recorded one.
_TRACE_NODE = 0xFDF10DD80279
# Seconds between two polls of a pending answer.
_POLL = 0.005
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Stands for the answer of an unreached endpoint.
_LOST = Answer(500)


@dataclass(frozen=True, slots=True)
class Timing:
    """The server's clock, and the durations of things in seconds."""

    now: Callable[[], float]
    window: float
    keep_alive: float
    latency: tuple[float, float]
    latency_rng: Random


class Service:
    """Serves requests from start to close; the limiter, the script and the journal outlive it."""

    def __init__(
        self, *, api: Api, limiter: Limiter, script: Script, journal: Journal, timing: Timing, compress: bool
    ) -> None:
        self._api = api
        self._limiter = limiter
        self._script = script
        self._journal = journal
        self._timing = timing
        self._compress = compress
        self._delivery = Delivery()
        self._timer: asyncio.TimerHandle | None = None
        # Weak, so that an ended connection is forgotten with its transport.
        self._connections: WeakKeyDictionary[asyncio.Transport, int] = WeakKeyDictionary()

    def close(self) -> None:
        """End every wait for an answer, and drop every connection."""
        self._delivery.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for transport in list(self._connections):
            # A connection with its last bytes sent has ended; aborting it raises in asyncio until 3.12.
            if transport.get_extra_info("socket").fileno() >= 0:
                transport.abort()

    def tick(self) -> None:
        """Do all due work in the sandbox's world, and schedule the next call."""
        due_at = self._api.tick()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_at is not None:
            # A test may move the clock by hand: then the next look must not follow at once.
            delay = max(due_at - self._timing.now(), _POLL)
            self._timer = asyncio.get_running_loop().call_later(delay, self.tick)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        parameters = parse_qs(query, keep_blank_values=True)
        verdict = self._limiter.hit(bearer_of(request.headers), int(self._timing.now() * 1000))
        number = self._note(request, path, parameters, verdict)
        fault = self._script.take(path)
        try:
            body = await _body(request, fault)
        except ConnectionError:
            # The client has left, so nobody reads this.
            return await self._delivery.send(request, _LOST, [], fault)
        asked = Asked(request.method, path, parameters, request.headers, body)
        if body:
            self._journal.note(number, body=body)
        await self._delivery.pause(self._timing.latency_rng.uniform(*self._timing.latency))
        if isinstance(fault, Slow):
            await self._delivery.pause(fault.seconds)
        answer = _LOST if _stops(fault, request.method) else await self._answer(asked, verdict)
        done = answer.status < 400  # noqa: PLR2004 - HTTP
        answer = _replaced(answer, fault, verdict.limit)
        if fresh(request.headers, answer):
            answer = not_modified(answer)
        elif self._compress:
            answer = compressed(answer, request.headers.get("Accept-Encoding", ""))
        headers = self._headers(request, answer, verdict)
        if isinstance(fault, HeaderChange):
            headers = _changed(headers, fault, verdict)
        is_told = not isinstance(fault, ResetConnection | CutUpload)
        body_bytes = 0 if request.method == "HEAD" or not is_told else len(answer.body)
        self._journal.note(number, status=answer.status if is_told else 0, body_bytes=body_bytes, done=done)
        return await self._delivery.send(request, answer, headers, fault)

    async def _answer(self, asked: Asked, verdict: Verdict) -> Answer:
        if not verdict.refused:
            answer = self._api.respond(asked)
            if asked.method not in _READS:
                self.tick()
            while isinstance(answer, Waiting):
                await self._delivery.pause(_POLL)
                answer = self._api.resume(answer) or answer
            return answer
        span = "second" if self._timing.window == 1 else f"{self._timing.window:g} seconds"
        refusal = error_answer(429, f"You can only make {verdict.limit} requests per {span}")
        return replace(refusal, headers=(("Retry-After", str(verdict.retry_after)), *refusal.headers))

    def _headers(self, request: web.Request, answer: Answer, verdict: Verdict) -> list[tuple[str, str]]:
        """Give all headers in the order of Express and its limiter."""
        # The limiter sets Date itself, from the same reading of the clock as the reset; it is rounded down.
        headers = [
            ("X-Powered-By", "Express"),
            ("Access-Control-Allow-Origin", "*"),
            ("x-periskope-trace-id", str(uuid1(node=_TRACE_NODE))),
            ("X-RateLimit-Limit", str(verdict.limit)),
            ("X-RateLimit-Remaining", str(verdict.remaining)),
            ("Date", formatdate(verdict.now_ms // 1000, usegmt=True)),
            ("X-RateLimit-Reset", str(verdict.reset)),
            *answer.headers,
        ]
        if not request.keep_alive:
            return [*headers, ("Connection", "close")]
        return [*headers, ("Connection", "keep-alive"), ("Keep-Alive", f"timeout={int(self._timing.keep_alive)}")]

    def _note(self, request: web.Request, path: str, query: Mapping[str, Sequence[str]], verdict: Verdict) -> int:
        """Record the request at the moment when it was counted. Returns its number."""
        at = time.monotonic()
        transport = request.transport
        if transport is not None and transport not in self._connections:
            self._connections[transport] = self._journal.new_connection()
        return self._journal.open(
            RequestRecord(
                at=at,
                method=request.method,
                path=path,
                query={name: ",".join(values) for name, values in query.items()},
                phone=request.headers.get("x-phone"),
                connection=0 if transport is None else self._connections[transport],
                remaining=verdict.remaining,
            )
        )


async def _body(request: web.Request, fault: Fault) -> bytes:
    """Read the client's body. Raises ConnectionError if the client leaves on the way."""
    if isinstance(fault, CutUpload):
        with suppress(asyncio.IncompleteReadError):
            return await request.content.readexactly(fault.after_bytes) if fault.after_bytes else b""
    return await request.read() if request.body_exists else b""


def _stops(fault: Fault, method: str) -> bool:
    """Whether a fault keeps a request from its endpoint. Reads always reach it: lists may move by being read."""
    match fault:
        case CutUpload():
            return True
        case Status() | Body() | Redirect() | ResetConnection():
            return not fault.after_work and method not in _READS
        case _:
            return False


def _replaced(answer: Answer, fault: Fault, limit: int) -> Answer:
    """Give the fault's answer if it replaces this one, else this one."""
    match fault:
        case Status(status, body, headers):
            message = f"You can only make {limit} requests per second" if status == 429 else None  # noqa: PLR2004 - HTTP
            other = error_answer(status, message)
            if body is not None:
                other = json_answer(status, body)
            if status in {204, 304}:
                # These end with their headers; a body would be read as the next answer.
                return Answer(status, tuple(headers.items()))
            return replace(other, headers=(*headers.items(), *other.headers))
        case Body(content, content_type, status):
            return Answer(status, (("Content-Type", content_type), ("Content-Length", str(len(content)))), content)
        case Redirect(location, status):
            return Answer(status, (("Location", location), ("Content-Type", HTML), ("Content-Length", "0")))
        case _:
            return answer


def _changed(headers: list[tuple[str, str]], fault: HeaderChange, verdict: Verdict) -> list[tuple[str, str]]:
    """Drop and set headers; a replaced header keeps its place."""
    facts = {
        "limit": verdict.limit,
        "remaining": verdict.remaining,
        "reset": verdict.reset,
        "reset_ms": verdict.resets_at_ms,
        "resets_in": verdict.retry_after,
        "date": formatdate(verdict.now_ms // 1000, usegmt=True),
    }
    dropped = {name.lower() for name in fault.drop}
    wanted = {name.lower(): (name, text.format_map(facts)) for name, text in fault.set.items()}
    kept = [wanted.pop(name.lower(), (name, text)) for name, text in headers if name.lower() not in dropped]
    return [*kept, *wanted.values()]
