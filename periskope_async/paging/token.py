"""The resume token: where the last delivered row lay and what the rows before it were, in one short string (pure).

Rows are told by a hash of their ids, so a token holds no chat id and no secret; the query's fingerprint binds it to
the walk that made it.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from periskope_async.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Place", "mark", "read_token"]

_PREFIX = "pw1."


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a walk stood."""

    query: str
    """The query's fingerprint."""
    offset: int
    """One past the last delivered row, as the list lay then."""
    delivered: int
    """Rows delivered so far, over all resumed walks."""
    tail: tuple[str, ...]
    """Marks of the last rows delivered, the latest last."""

    def token(self) -> str:
        """Give the string to keep."""
        return _PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


_DECODER = msgspec.json.Decoder(Place)


def read_token(token: str, *, query: str) -> Place:
    """Read a token and check that it belongs to the query. Raises ConfigError."""
    text = token.strip()
    if not text.startswith(_PREFIX):
        raise ConfigError(
            "resume is not a token of this version; pass a pager.token as it was given", parameter="resume"
        )
    encoded = text.removeprefix(_PREFIX)
    try:
        place = _DECODER.decode(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        raise ConfigError("resume is damaged: the token was cut or changed", parameter="resume") from None
    if place.query != query:
        raise ConfigError(
            "resume belongs to another query: filters, order and phone must be those of the walk that made the token",
            parameter="resume",
        )
    if place.offset < 0 or place.delivered < 0:
        raise ConfigError("resume is damaged: the token was cut or changed", parameter="resume")
    return place


def mark(identity: Iterable[str | None]) -> str:
    """Tell a row by a short hash of what identifies it, the same in every process."""
    text = "\x1f".join(part or "" for part in identity)
    return blake2b(text.encode(), digest_size=6).hexdigest()
