"""The compression of JSON lines: one frame or member a page, so a file can be cut back to any page."""

from __future__ import annotations

import importlib
import sys
import zlib
from contextlib import contextmanager
from gzip import GzipFile
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from periskope_async.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

__all__ = ["Codec", "compressor", "decompressed", "opened"]

Codec: TypeAlias = Literal["", "gz", "zst"]

_GZIP = 31  # zlib's way to say: with gzip's header, and no time in it
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3


def compressor(codec: Codec) -> Callable[[bytes], bytes]:
    """Give the function to compress one page. Raises ConfigError if its package is missing."""
    if codec == "gz":
        return _gzip
    if codec == "zst":
        zstd = _zstd()
        return lambda data: zstd.compress(data, _ZSTD_LEVEL)
    return bytes


def decompressed(data: bytes, codec: Codec) -> bytes:
    """Decompress the bytes of one page."""
    if not data:
        return data
    if codec == "gz":
        return zlib.decompress(data, wbits=_GZIP)
    return _zstd().decompress(data) if codec == "zst" else data


@contextmanager
def opened(path: Path, codec: Codec) -> Generator[Iterable[bytes]]:
    """Open a file to read its lines, as if it were not compressed.

    Raises ConfigError and OSError; reading raises ValueError, EOFError and zlib.error where the file is damaged.
    """
    with path.open("rb") as file:
        if codec == "gz":
            with GzipFile(fileobj=file) as lines:
                yield lines
        elif codec == "zst":
            zstd = _zstd()
            with zstd.ZstdFile(file) as lines:
                try:
                    yield lines
                except zstd.ZstdError as error:
                    raise ValueError(str(error)) from error
        else:
            yield file


def _gzip(data: bytes) -> bytes:
    compress = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
    return compress.compress(data) + compress.flush()


def _zstd() -> Any:
    try:
        return importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ModuleNotFoundError:
        raise ConfigError(
            "zstd needs a package before Python 3.14: pip install 'periskope-async[compression]'", parameter="format"
        ) from None
