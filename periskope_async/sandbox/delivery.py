"""Sends an answer through aiohttp, with the headers of Express in their order, and with its fault."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from periskope_async.sandbox.express import reason_of
from periskope_async.sandbox.faults import CutAnswer, CutBody, CutUpload, ResetConnection, StallBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.sandbox.express import Answer
    from periskope_async.sandbox.faults import Fault

__all__ = ["Delivery", "ExpressResponse", "settle_headers"]


class ExpressResponse(web.StreamResponse):
    """A response with exactly the given headers: aiohttp would add its name and set them in its own order."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        super().__init__(status=status, reason=reason_of(status), headers=headers)
        self.exact_headers = list(headers)


async def settle_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Restore the given headers after aiohttp prepared its own (an ``on_response_prepare`` signal)."""
    if isinstance(response, ExpressResponse):
        response.headers.clear()
        response.headers.extend(response.exact_headers)


class Delivery:
    """Sends answers until the sandbox closes; all pauses then end at once."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every pause, later ones as well."""
        self._closing.set()

    async def pause(self, seconds: float) -> None:
        """Wait, unless the sandbox closes."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._closing.wait()

    async def send(
        self, request: web.Request, answer: Answer, headers: Sequence[tuple[str, str]], fault: Fault
    ) -> web.StreamResponse:
        """Send an answer with these headers. It is no error here if the client has left."""
        response = ExpressResponse(answer.status, headers)
        if isinstance(fault, ResetConnection | CutUpload):
            _reset(request)
            return response
        if isinstance(fault, CutAnswer):
            _cut(request, answer, headers, fault.after_bytes)
            return response
        with suppress(ConnectionError):
            await response.prepare(request)
            if request.method != "HEAD" and answer.body:
                await self._send_body(request, response, answer.body, fault)
            await response.write_eof()
        return response

    async def _send_body(self, request: web.Request, response: web.StreamResponse, body: bytes, fault: Fault) -> None:
        if isinstance(fault, CutBody | StallBody):
            if fault.after_bytes:
                await response.write(body[: fault.after_bytes])
            if isinstance(fault, CutBody):
                response.force_close()
                if request.transport is not None:
                    request.transport.close()
                return
            await self.pause(fault.seconds)
            body = body[fault.after_bytes :]
        if body:
            await response.write(body)


def _cut(request: web.Request, answer: Answer, headers: Sequence[tuple[str, str]], after_bytes: int) -> None:
    """Send so many bytes of the whole answer, and close."""
    lines = [f"HTTP/1.1 {answer.status} {reason_of(answer.status)}", *(f"{name}: {text}" for name, text in headers)]
    whole = "\r\n".join([*lines, "", ""]).encode() + answer.body
    if request.transport is not None:
        if after_bytes:
            request.transport.write(whole[:after_bytes])
        request.transport.close()


def _reset(request: web.Request) -> None:
    """Close the connection so that the client sees a reset: with no time to linger, the kernel sends RST for FIN."""
    transport = request.transport
    if transport is not None:
        plug = transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
