"""A file to send: from a path, from bytes, or from a URL for the server to fetch.

The server's limit for a file is not documented. WhatsApp takes documents of up to 100 MB, so a larger file is refused
here, before a byte is sent. A thread reads a file and encodes it as base64, so the event loop goes on.
"""

from __future__ import annotations

import asyncio
import base64
import mimetypes
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from periskope_async.errors import ConfigError
from periskope_async.wire import inputs

if TYPE_CHECKING:
    import os
    from typing import Self

__all__ = ["Media", "MediaType"]

MediaType: TypeAlias = Literal["document", "image", "video", "audio"]

_TYPES: tuple[MediaType, ...] = get_args(MediaType)
_MIMETYPE = r"(?i)[a-z]+/[a-z0-9][a-z0-9.+-]{0,126}(;\s*[^\r\n]{1,128})?"
_OFFICE = "application/vnd.openxmlformats-officedocument"
# Asked first, so that common files are the same everywhere: Python knows few of these, and takes the rest from files of
# the machine, which may be missing or tell other names.
_MIMETYPES = {
    "3g2": "video/3gpp2",
    "3gp": "video/3gpp",
    "7z": "application/x-7z-compressed",
    "aac": "audio/aac",
    "amr": "audio/amr",
    "apk": "application/vnd.android.package-archive",
    "avi": "video/x-msvideo",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "flac": "audio/flac",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "log": "text/plain",
    "m4a": "audio/mp4",
    "md": "text/markdown",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "rar": "application/vnd.rar",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
}
_UNKNOWN = "application/octet-stream"
# What WhatsApp shows as an image. It shows others as documents, and webp as a sticker.
_IMAGES = frozenset({"image/jpeg", "image/jpg", "image/png", "image/gif"})
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_MOST_BYTES = 100 * 1000 * 1000


class Media(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A file to send. Make it with :meth:`from_path`, :meth:`from_bytes` or :meth:`from_url`."""

    type: MediaType
    """How WhatsApp shows it; sticker-like or unknown files are documents."""
    filename: str
    mimetype: str
    size: int | None = None
    """Bytes, before base64 adds a third. None for a URL."""
    url: str | None = None
    path: Path | None = None
    data: bytes | None = None

    def __repr__(self) -> str:
        size = "" if self.size is None else f", {self.size} bytes"
        return f"<Media {self.filename!r}, {self.mimetype}{size}>"

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        mimetype: str | None = None,
        type: MediaType | None = None,  # noqa: A002 - the API's own word
    ) -> Self:
        """Take a file of this machine; it is read when it is sent.

        The mimetype is guessed from the name, and the type from the mimetype. Raises ConfigError if there is no such
        file, or if it is empty or larger than 100 MB. A file of an unknown kind is a document.
        """
        try:
            where = Path(path)
        except TypeError:
            raise ConfigError(f"path is {path!r:.100}; give a str or a Path", parameter="path") from None
        size = _size_of(where)
        name, kind, shown = _described(filename or where.name, mimetype, type, unknown=_UNKNOWN)
        return cls(type=shown, filename=name, mimetype=kind, size=size, path=where)

    @classmethod
    def from_bytes(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        filename: str,
        mimetype: str | None = None,
        type: MediaType | None = None,  # noqa: A002 - as above
    ) -> Self:
        """Take bytes. Guesses and raises as :meth:`from_path` does, and if the name tells no kind."""
        if not isinstance(data, bytes | bytearray | memoryview):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
            raise ConfigError("data is no bytes; encode a text first", parameter="data")
        name, kind, shown = _described(filename, mimetype, type)
        whole = bytes(data)
        return cls(type=shown, filename=name, mimetype=kind, size=_checked_size(len(whole), name), data=whole)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        filename: str | None = None,
        mimetype: str | None = None,
        type: MediaType | None = None,  # noqa: A002 - as above
    ) -> Self:
        """Name a public URL for Periskope's server to fetch. Guesses and raises as :meth:`from_bytes` does."""
        address = inputs.url("url", url)
        found = PurePosixPath(unquote(urlsplit(address).path)).name
        name, kind, shown = _described(filename or found, mimetype, type)
        return cls(type=shown, filename=name, mimetype=kind, url=address)

    async def to_wire(self) -> dict[str, Any]:
        """Give the ``media`` of a body."""
        described = {"type": self.type, "filename": self.filename, "mimetype": self.mimetype}
        if self.url is not None:
            return {**described, "url": self.url}
        return {**described, "filedata": await self.encoded()}

    async def encoded(self) -> str:
        """Give the bytes in base64, read and encoded in a thread. Raises ConfigError if they cannot be sent now."""
        return await asyncio.to_thread(self._encode)

    def _encode(self) -> str:
        data = self.data
        if data is None:
            path = self.path or Path()
            # It may be another one by now, of any size, or a pipe that nobody writes to.
            _size_of(path)
            try:
                data = path.read_bytes()
            except OSError as error:
                raise _unreadable(path, error) from None
            _checked_size(len(data), str(path))
        return base64.b64encode(data).decode("ascii")


def _described(
    filename: str, mimetype: str | None, kind: MediaType | None, *, unknown: str | None = None
) -> tuple[str, str, MediaType]:
    """Give the name, the mimetype and the type of a file, each given or guessed; ``unknown`` if nothing can be."""
    name = inputs.text("filename", filename, most=255)
    guessed = inputs.optional_text("mimetype", mimetype) or _guess(name) or unknown
    if guessed is None:
        raise ConfigError(f"the mimetype of {name!r} cannot be guessed; give mimetype=…", parameter="mimetype")
    if not re.fullmatch(_MIMETYPE, guessed):
        raise ConfigError(f"mimetype is {guessed!r:.100}; it looks like image/png", parameter="mimetype")
    shown = inputs.one_of("type", kind, _TYPES)
    plain = guessed.partition(";")[0].strip().lower()
    by_family: dict[str, MediaType] = {"image": "image", "video": "video", "audio": "audio"}
    fitting = by_family.get(plain.partition("/")[0], "document")
    if shown not in {None, "document", fitting}:
        choice = " or ".join(sorted({"'document'", repr(fitting)}))
        raise ConfigError(f"a file of {guessed} is no {shown}; give type={choice}", parameter="type")
    is_document = fitting == "image" and plain not in _IMAGES
    return name, guessed, shown or ("document" if is_document else fitting)


def _guess(filename: str) -> str | None:
    """Guess a mimetype from a name; None for an unknown one. A compressed file is told as such, not as its content."""
    if known := _MIMETYPES.get(PurePosixPath(filename).suffix[1:].lower()):
        return known
    kind, encoding = mimetypes.guess_type(filename)
    return kind if encoding is None else _COMPRESSED.get(encoding, _UNKNOWN)


def _size_of(path: Path) -> int:
    try:
        if not path.is_file():
            raise ConfigError(f"there is no file {str(path)!r}", parameter="path")
        return _checked_size(path.stat().st_size, str(path))
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"the file {str(path)!r} cannot be read: {error.strerror}", parameter="path")


def _checked_size(size: int, what: str) -> int:
    if size == 0:
        raise ConfigError(f"{what!r} is empty", parameter="media")
    if size > _MOST_BYTES:
        raise ConfigError(
            f"{what!r} has {size:,} bytes; {_MOST_BYTES:,} is the most that WhatsApp takes. Send a link to it instead",
            parameter="media",
        )
    return size
