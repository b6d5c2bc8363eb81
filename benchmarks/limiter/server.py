"""The server that counts: real Express with express-rate-limit, or the sandbox for what npm cannot give."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from benchmarks.compare.npm import Node, node_with
from benchmarks.limiter.fronts import nginx, proxy
from benchmarks.limiter.programs import NoServerError, child, free_port, listening, redis_here, told_port
from benchmarks.limiter.records import Arrival, Server
from benchmarks.limiter.scenario import FAILING, REDIS_WAY
from periskope_async.sandbox import HeaderChange, Pass, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from benchmarks.limiter.scenario import Scenario

__all__ = ["express_here", "serve"]

_PACKAGES = {"express": "4.21.2", "express-rate-limit": "8.7.5"}
_REDIS_PACKAGES = {"rate-limit-redis": "6.0.1", "redis": "5.8.0"}

_SERVER = Path(__file__).with_name("server.js")
_DROPPED = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_JUNK: dict[str, str] = dict(zip(_DROPPED, ("many", "-7", "soon"), strict=True))


def express_here() -> Node | str:
    """Find or install Express with express-rate-limit; a string says why that cannot be."""
    found = node_with(_PACKAGES)
    if isinstance(found, str):
        return found
    wanted = ", ".join(f"{name}@{version}" for name, version in _PACKAGES.items())
    return msgspec.structs.replace(found, version=f"{found.version}, {wanted}")


@contextlib.asynccontextmanager
async def serve(scenario: Scenario, express: Node | None) -> AsyncGenerator[Server]:
    """Run a fresh server for one client. Express counts fixed windows; the sandbox does the rest.

    Raises :class:`NoServerError` for a scenario that needs a program which is not here.
    """
    if express is not None and scenario.kind == "fixed":
        async with _express(scenario, express) as port, _fronted(scenario, express, port) as server:
            yield server
    elif _can_sandbox(scenario):
        async with _sandbox(scenario) as sandbox:
            yield _SandboxServer(sandbox, scenario)
    else:
        raise NoServerError(f"{scenario.title}: only Express does that")


def _can_sandbox(scenario: Scenario) -> bool:
    needs_express = (
        any((*scenario.delay, *scenario.late)),
        scenario.change,
        scenario.short_limit,
        scenario.foreign + scenario.foreign_first,
        scenario.opened_before,
        scenario.tamper == "down",
        scenario.headers != "x",
        scenario.store != "memory",
        scenario.has_failures,
        scenario.front,
    )
    return not any(needs_express)


@contextlib.asynccontextmanager
async def _express(scenario: Scenario, express: Node) -> AsyncGenerator[int]:
    """Run the app and give its port."""
    modules, redis_port = express.modules, 0
    async with contextlib.AsyncExitStack() as stack:
        if scenario.store == "redis":
            with_store = node_with(_PACKAGES | _REDIS_PACKAGES)
            if isinstance(with_store, str):
                raise NoServerError(with_store)
            modules, redis_port = with_store.modules, await stack.enter_async_context(_redis())
        options = {
            "limit": scenario.limit,
            "windowMs": round(scenario.window * 1000),
            "latencyMs": [seconds * 1000 for seconds in scenario.latency],
            "delayMs": [seconds * 1000 for seconds in scenario.delay],
            "shortLimit": scenario.short_limit and [scenario.short_limit[0], scenario.short_limit[1] * 1000],
            "lateEvery": scenario.late[0],
            "lateMs": scenario.late[1] * 1000,
            "changes": [[scenario.change[0] * 1000, scenario.change[1]]] if scenario.change else [],
            "counts": not (scenario.front and scenario.front.refuses_with),
            "headers": scenario.headers,
            "redisPort": redis_port,
            "redisWayMs": [seconds * 1000 for seconds in REDIS_WAY],
            "failing": FAILING[1] if scenario.has_failures else [],
            "rowsAPage": scenario.page_size,
            "foreignFirst": scenario.foreign_first,
            "tamper": scenario.tamper,
            "skewMs": scenario.server_ahead * 1000,
            "chats": scenario.rows,
            "seed": 1,
        }
        command = (express.binary, str(_SERVER), json.dumps(options))
        process = await stack.enter_async_context(child(*command, env={"NODE_PATH": str(modules)}))
        yield await told_port(process)


@contextlib.asynccontextmanager
async def _redis() -> AsyncGenerator[int]:
    program = redis_here()
    port = free_port()
    arguments = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning")
    async with child(*program.command, *arguments, env=program.env):
        await listening(port)
        yield port


@contextlib.asynccontextmanager
async def _fronted(scenario: Scenario, express: Node, app: int) -> AsyncGenerator[Server]:
    front = scenario.front
    if front is None:
        yield _ExpressServer(app, app)
    elif front.program == "nginx":
        async with nginx(scenario, front, app) as (port, read_book):
            yield _ExpressServer(port, app, read_book if front.refuses_with else None)
    else:
        async with proxy(scenario, front, app, express) as port:
            yield _ExpressServer(port, app)


class _ExpressServer:
    def __init__(self, port: int, app: int, read_book: Callable[[], list[Arrival]] | None = None) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._records = f"http://127.0.0.1:{app}/control/records"
        self._read_book = read_book

    async def arrivals(self) -> list[Arrival]:
        """Ask the app, by a path that no limit counts, or read the front's book where the front counts."""
        if self._read_book:
            found = self._read_book()
        else:
            async with aiohttp.ClientSession() as session, session.get(self._records) as response:
                found = msgspec.json.decode(await response.read(), type=list[Arrival])
        return sorted(found, key=lambda arrival: arrival.counted)


def _sandbox(scenario: Scenario) -> Sandbox:
    tampered = {"missing": HeaderChange(drop=_DROPPED), "junk": HeaderChange(set=_JUNK)}.get(scenario.tamper)
    return Sandbox(
        chats=scenario.rows,
        limit=scenario.limit,
        window=scenario.window,
        kind=scenario.kind,
        latency=scenario.latency,
        clock_skew=scenario.server_ahead,
        faults=[Pass(), Pass(), tampered] * scenario.pages if tampered else (),
    )


class _SandboxServer:
    def __init__(self, sandbox: Sandbox, scenario: Scenario) -> None:
        self.base_url = sandbox.base_url
        self._sandbox = sandbox
        self._scenario = scenario

    async def arrivals(self) -> list[Arrival]:
        """Read the sandbox's journal; it has no windows, so they are found as the limiter opens them."""
        found: list[Arrival] = []
        ends_at, used = 0.0, 0
        for record in self._sandbox.requests:
            if record.at >= ends_at or record.remaining == self._scenario.limit - 1:
                ends_at, used = record.at + self._scenario.window, 0
            used += 1
            at = record.at * 1000
            window = round(ends_at * 1000) if self._scenario.kind == "fixed" else 0
            status = record.status or 200  # one that was counted and not answered yet
            found.append(Arrival("", at, at, status, window, used, self._scenario.limit))
        return found
