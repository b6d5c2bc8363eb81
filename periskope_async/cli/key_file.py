"""Reads a key from a file or a pipe, such as ``<(pass show periskope)``."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from periskope_async.errors import ConfigError

__all__ = ["read_key_file"]

_MOST_BYTES = 8192
_PIPE_SECONDS = 60.0


async def read_key_file(path: Path, *, option: str = "--api-key-file") -> str:
    """Give the key in ``path``. Raises ConfigError, with the name of its option and never the key."""
    try:
        content = await _content(path)
        # Notepad writes a byte order mark.
        key = content.decode("utf-8-sig")
    except TimeoutError:
        raise _unfit(option, path, f"is a pipe, and nothing came out of it in {_PIPE_SECONDS:.0f} s") from None
    except OSError as error:
        raise _unfit(option, path, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise _unfit(option, path, "is not UTF-8; save the key as plain text") from None
    if len(content) > _MOST_BYTES:
        raise _unfit(option, path, f"holds more than {_MOST_BYTES} bytes, so it is no key")
    if not key.strip():
        raise _unfit(option, path, "is empty")
    return key


def _unfit(option: str, path: Path, why: str) -> ConfigError:
    parameter = "api_key" if option == "--api-key-file" else "keys"
    return ConfigError(f"{option} {str(path)!r} {why}", parameter=parameter)


async def _content(path: Path) -> bytes:
    # A pipe without a writer would hold the event loop at its opening.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb", buffering=0) as file:  # noqa: ASYNC230, PTH123
        if not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            return file.read(_MOST_BYTES + 1)
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        content = b""
        try:
            async with asyncio.timeout(_PIPE_SECONDS):
                while len(content) <= _MOST_BYTES and (block := await reader.read(_MOST_BYTES)):
                    content += block
        finally:
            transport.close()
        return content
