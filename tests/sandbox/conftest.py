"""A sandbox on a real socket, and plain aiohttp to ask it with: the client under test has no part in this."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from periskope_async.sandbox import PHONES, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from multidict import CIMultiDictProxy

    Served = Callable[..., AbstractAsyncContextManager["Wire"]]


START = 1_790_000_000.0
PHONE = {"x-phone": PHONES[0].phone_id}
SEND = {"chat_id": "4915112345678", "message": "hi"}


@dataclass(frozen=True)
class Reply:
    """An answer, with its body as it was on the wire. aiohttp spells some headers its own way, ``names`` does not."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    names: list[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        return [chat["chat_id"] for chat in self.json["chats"]]


@dataclass
class Clock:
    """The server's clock, moved by hand. In Unix seconds."""

    at: float

    def __call__(self) -> float:
        return self.at


class Wire:
    """Asks one sandbox over one session."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session

    @property
    def port(self) -> int:
        return int(self.sandbox.base_url.rpartition(":")[2].removesuffix("/v1"))

    async def ask(
        self,
        path: str = "/chats",
        *,
        method: str = "GET",
        key: str | None = "sandbox-key",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        **more_query: str | int,
    ) -> Reply:
        """Send one request; ``path`` goes behind ``/v1`` as it is, and no header is added but the key."""
        sent = {} if key is None else {"Authorization": f"Bearer {key}"}
        async with self.session.request(
            method,
            self.sandbox.base_url + path,
            params={**(query or {}), **more_query} or None,
            headers={**sent, **(headers or {})},
            allow_redirects=False,
        ) as response:
            assert response.reason is not None
            names = [name.decode() for name, _ in response.raw_headers]
            return Reply(response.status, response.reason, response.headers, names, await response.read())


def raw_request(*headers: str, version: str = "1.1") -> bytes:
    lines = [f"GET /v1/chats?limit=1 HTTP/{version}", "Host: localhost", "Authorization: Bearer k", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the sandbox gives no other sign of."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the sandbox knows nothing of its tests' events
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(*, clock: Callable[[], float] | None = None, **settings: Any) -> AsyncGenerator[Wire]:
    """Start a sandbox with a limit that is out of the way, on a clock of its own if one is given."""
    merged: dict[str, Any] = {"chats": 60, "limit": 10_000, **settings}
    sandbox = Sandbox(**merged)
    if clock is not None:
        sandbox._timing = replace(sandbox._timing, now=clock)
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        sandbox,
        aiohttp.ClientSession(
            auto_decompress=False, skip_auto_headers=["Accept-Encoding", "User-Agent"], timeout=timeout
        ) as session,
    ):
        yield Wire(sandbox, session)


@pytest.fixture
def served(nothing_left_over: None) -> Served:
    """Give what serves; the check for what is left over comes after it has closed."""
    return serving


class Caller:
    """Asks with a phone and JSON, and gives what came."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self.sandbox = wire.sandbox
        self.clock = clock
        self._wire = wire

    async def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        url = self._wire.sandbox.base_url + path
        headers = {"Authorization": "Bearer k", **PHONE}
        async with self._wire.session.request(method, url, json=body, headers=headers) as response:
            content = await response.read()
            assert response.status == status, content
            return await response.json() if content and "json" in response.headers["Content-Type"] else content


@pytest.fixture
def calling(served: Served) -> Any:
    @asynccontextmanager
    async def start(**settings: Any) -> AsyncGenerator[Caller]:
        clock = Clock(START)
        async with served(clock=clock, pace=1.0, **settings) as wire:
            # The world was made before the test's clock was put in.
            wire.sandbox._org.world.clock = clock
            yield Caller(wire, clock)

    return start
