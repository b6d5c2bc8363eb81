"""Handshakes as requests: counted by the client's limiter where the server counts them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from periskope_async.connection import open_stream_session
from periskope_async.limits.headers import parse_limit_headers
from periskope_async.limits.permit import Permit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import SimpleNamespace

    from periskope_async.config import Config
    from periskope_async.limits.limiter import Limiter

__all__ = ["Handshakes", "Redirected"]


class Redirected(Exception):  # noqa: N818 - it never leaves this room
    """The server redirects a handshake."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Handshakes:
    """The session of one stream.

    It follows no redirect, which would take the key to another host. socket.io itself counts no handshakes. A gateway
    before it may: its answer then has the limit's headers, and from then on each handshake waits for the limit.
    """

    def __init__(self, config: Config, lent: aiohttp.ClientSession | None, limiter: Limiter) -> None:
        self._limiter = limiter
        self._permit = Permit()
        self._is_counted = False
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(self._refuse_redirect)
        trace.on_request_end.append(self._take_answer)
        self.session = open_stream_session(config, lent, trace)

    @asynccontextmanager
    async def allowed(self) -> AsyncGenerator[None]:
        """Wait for the limit where the server counts handshakes. Raises what the limiter does."""
        self._permit = permit = await self._limiter.acquire() if self._is_counted else Permit()
        permit.sent()
        try:
            yield
        finally:
            permit.lost()

    async def _take_answer(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        told = parse_limit_headers(params.response.headers)
        self._is_counted = told.limit is not None
        self._permit.answered(told, status=params.response.status)

    async def _refuse_redirect(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
    ) -> None:
        raise Redirected(params.response.status)
