"""What the machine allows: a blocking socket that reads into one buffer, and msgspec decoding it in place.

No event loop, no HTTP library, no copy: the body lies in the buffer as the kernel wrote it, and the next page is
written over it. ``read`` does all of that but the decoding.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from benchmarks.compare.programs.harness import KEY, Outcome, checksum, clocked, read_job, say
from periskope_async.models.chat import Chat  # noqa: TC001 - msgspec reads the annotations
from periskope_async.models.part import read_custom

if TYPE_CHECKING:
    from collections.abc import Callable

_BUFFER_BYTES = 32 * 1024 * 1024
_LENGTH = b"Content-Length: "


class _Page(msgspec.Struct):
    chats: list[Chat]


class _Count(msgspec.Struct):
    count: int


_DECODER = msgspec.json.Decoder(_Page, strict=False, dec_hook=read_custom)


class _Blocking:
    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"GET {parts.path}/chats"
        self._tail = f"HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {KEY}\r\nAccept: */*\r\n\r\n"
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def walk(self, page_size: int, keep: Callable[[str], object]) -> None:
        offset = 0
        while True:
            chats = _DECODER.decode(self.page(offset, page_size)).chats
            for chat in chats:
                keep(chat.chat_id)
            if len(chats) < page_size:
                return
            offset += page_size

    def page(self, offset: int, limit: int) -> memoryview:
        """Give the body, as it lies in the buffer until the next call."""
        self._socket.sendall(f"{self._head}?offset={offset}&limit={limit} {self._tail}".encode())
        filled, begin = 0, -1
        while begin < 0:
            filled += self._receive(filled)
            begin = self._buffer.find(b"\r\n\r\n", 0, filled)
        begin += 4
        at = self._buffer.index(_LENGTH, 0, begin) + len(_LENGTH)
        end = begin + int(self._buffer[at : self._buffer.index(b"\r", at)])
        while filled < end:
            filled += self._receive(filled)
        return self._view[begin:end]

    def _receive(self, at: int) -> int:
        got = self._socket.recv_into(self._view[at:])
        if not got:
            raise ConnectionError("the server closed the connection in the middle of an answer")
        return got


def _main() -> None:
    job = read_job()
    outcome, ids = Outcome(), list[str]()
    blocking = _Blocking(job.base_url)
    count = msgspec.json.decode(blocking.page(0, job.page_size), type=_Count).count
    _DECODER.decode(blocking.page(0, job.page_size))
    with clocked(outcome):
        if job.task == "read":
            for offset in range(0, count, job.page_size):
                blocking.page(offset, job.page_size)
        else:
            blocking.walk(job.page_size, ids.append)
    outcome.rows = count if job.task == "read" else len(ids)
    outcome.checksum = checksum(ids) if ids else ""
    say(outcome)


if __name__ == "__main__":
    _main()
