"""The resume token, and the search for the cut of a resumed walk (pure).

A token is one short string. It holds the offset of the last delivered row, and hashed ids of the rows before it, so it
holds no chat id and no secret. The query's fingerprint binds it to its walk, and a checksum shows damage.
"""

from __future__ import annotations

import base64
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async.errors import ConfigError, PaginationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from periskope_async.compact_keys import CompactKeys
    from periskope_async.paging.page import Ask, Page
    from periskope_async.wire.order import Order

__all__ = ["CutSearch", "Place", "mark", "read_token"]

_PREFIX = "pw1."
_CHECKSUM_BYTES = 4
# A mark is this many bytes for the row's identity, and these for its sort time.
_IDENTITY_BYTES = 6
_TIME_BYTES = 2


class Place(msgspec.Struct, frozen=True, array_like=True):
    """The cut of a walk."""

    query: str
    """The query's fingerprint."""
    offset: int
    """One past the last delivered row, in the list of that time."""
    delivered: int
    """Rows delivered so far, over all resumed walks."""
    tail: tuple[bytes, ...]
    """Marks of the last rows delivered, the latest last."""
    time: float | None = None
    """The sort time of the last one in Unix seconds, if it has one."""
    caught_up: tuple[bytes, ...] = ()
    """Marks of the last caught-up rows, oldest first: they stand behind the cut, and must not come again."""

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
    except (msgspec.DecodeError, ValueError):
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
    """Hash a row's identity and sort time, the same in every process. The time shows whether the row has moved."""
    return _mark_of(identity) + blake2b(repr(time).encode(), digest_size=_TIME_BYTES).digest()


class CutSearch:
    """Looks for the row before the cut: the token's last unmoved row."""

    def __init__(self, place: Place, *, order: Order) -> None:
        self.is_found = False
        self.offset = place.offset
        """The offset of the cut in the token."""
        self._time = place.time
        self._tail = frozenset(place.tail)
        self._known = {row[:_IDENTITY_BYTES] for row in (*place.tail, *place.caught_up)}
        self._is_newest_first = order.is_newest_first
        self._is_going_on = False
        self._step = 0

    def find(self, page: Page[Any], seen: set[int] | CompactKeys) -> int:
        """Look through a page, and note the token's rows as seen: they were delivered before the cut.

        Give the index behind the cut if the page is the first one to show it, else 0.
        """
        named = [index for index in range(len(page.keys)) if _mark_of(page.identity(index)) in self._known]
        seen.update(page.keys[index] for index in named)
        if self.is_found:
            return 0
        standing = [index for index in named if mark(page.identity(index), page.sort_time(index)) in self._tail]
        self.is_found = bool(standing)
        return standing[-1] + 1 if standing else 0

    def next_offset(self, ask: Ask, page: Page[Any], *, base: int, overlap: int) -> int:
        """Give the next offset to look at after a page without the cut. Raises PaginationError if it is nowhere."""
        rows = len(page.keys)
        if rows == 0 and (self._is_going_on or ask.offset <= base):
            raise PaginationError(
                "the list has changed too much to resume: none of the rows that the token names is where it stood; "
                "begin anew, without resume"
            )
        if not self._is_going_on and ask.offset > base and not self._is_before(page):
            # Rows above have left. Or the cut has sunk: the very first page will show that.
            self._step = max(2 * self._step, 2 * overlap, 1)
            return ask.offset - self._step
        self._is_going_on = True
        return ask.offset + max(1, rows - overlap)

    def _is_before(self, page: Page[Any]) -> bool:
        """Whether all rows of a page stand before the cut, by their sort times."""
        last = page.sort_time(len(page.keys) - 1) if page.keys else None
        if last is None or self._time is None:
            return False
        return last > self._time if self._is_newest_first else last < self._time


def _mark_of(identity: Iterable[str | None]) -> bytes:
    text = "\x1f".join(part or "" for part in identity)
    return blake2b(text.encode(), digest_size=_IDENTITY_BYTES).digest()


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM_BYTES).digest()
