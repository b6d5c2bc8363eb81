"""The resume token: where the last delivered row lay and what the rows before it were, in one short string (pure).

Rows are told by a hash of their ids, so a token holds no chat id and no secret; the query's fingerprint binds it to
the walk that made it, and a checksum tells damage.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from periskope_async.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["NamedRows", "Place", "mark", "read_token"]

_PREFIX = "pw1."
_CHECKSUM_BYTES = 4
# Of a mark: so many bytes for what identifies the row, and these for its sort time.
_IDENTITY_BYTES = 6
_TIME_BYTES = 2


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a walk stood."""

    query: str
    """The query's fingerprint."""
    offset: int
    """One past the last delivered row, as the list lay then."""
    delivered: int
    """Rows delivered so far, over all resumed walks."""
    tail: tuple[bytes, ...]
    """Marks of the last rows delivered, the latest last."""
    time: float | None = None
    """The sort time of the last one in Unix seconds, where it has one."""
    caught_up: tuple[bytes, ...] = ()
    """Marks of the last rows that were caught up, oldest first: they stand behind the cut, and shall not come again."""

    def token(self) -> str:
        """Give the string to keep."""
        body = msgspec.msgpack.encode(self)
        return _PREFIX + base64.urlsafe_b64encode(_checksum(body) + body).decode().rstrip("=")


_DECODER = msgspec.msgpack.Decoder(Place)


def read_token(token: str, *, query: str) -> Place:
    """Read a token and check that it belongs to the query. Raises ConfigError."""
    if not isinstance(token, str) or not token.strip().startswith(_PREFIX):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        raise ConfigError(
            f"resume is {token!r:.60}, no token of this version; pass a pager.token as it was given", parameter="resume"
        )
    encoded = token.strip().removeprefix(_PREFIX)
    try:
        checked = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        checksum, body = checked[:_CHECKSUM_BYTES], checked[_CHECKSUM_BYTES:]
        place = _DECODER.decode(body) if checksum == _checksum(body) else None
    except (msgspec.DecodeError, UnicodeError, binascii.Error, ValueError):
        place = None
    if place is None or place.offset < 0 or place.delivered < 0:
        raise ConfigError("resume is damaged: the token was cut or changed", parameter="resume")
    if place.query != query:
        raise ConfigError(
            "resume belongs to another query: filters, order and phone must be those of the walk that made the token",
            parameter="resume",
        )
    return place


def mark(identity: Iterable[str | None], time: float | None) -> bytes:
    """Tell a row, and whether it stands where it stood, by a short hash that is the same in every process."""
    return _mark_of(identity) + blake2b(repr(time).encode(), digest_size=_TIME_BYTES).digest()


class NamedRows:
    """The rows that a token names, to be known again on the pages of the walk that resumes."""

    def __init__(self, place: Place) -> None:
        self._tail = frozenset(place.tail)
        self._known = {row[:_IDENTITY_BYTES] for row in (*place.tail, *place.caught_up)}

    def find(
        self, identity_of: Callable[[int], Iterable[str | None]], time_of: Callable[[int], float | None], rows: int
    ) -> tuple[list[int], int | None]:
        """Give the indexes of the named rows on a page, and that of the last one that has its sort time still."""
        found = [index for index in range(rows) if _mark_of(identity_of(index)) in self._known]
        standing = [index for index in found if mark(identity_of(index), time_of(index)) in self._tail]
        return found, standing[-1] if standing else None


def _mark_of(identity: Iterable[str | None]) -> bytes:
    text = "\x1f".join(part or "" for part in identity)
    return blake2b(text.encode(), digest_size=_IDENTITY_BYTES).digest()


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM_BYTES).digest()
