"""The resume token, and where a resumed walk goes on (pure).

A token tells where the last delivered row lay and what the rows before it were, in one short string. Rows are told by a
hash of their ids, so a token holds no chat id and no secret. The query's fingerprint binds it to the walk that made it,
and a checksum tells damage.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async.errors import ConfigError, PaginationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from periskope_async.paging.page import Ask, Page
    from periskope_async.wire.order import Order

__all__ = ["CutSearch", "Place", "mark", "read_token"]

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


class CutSearch:
    """Looks for the row behind which a walk was cut: the last one that the token names and that has not moved."""

    def __init__(self, place: Place, *, order: Order) -> None:
        self.is_found = False
        self.offset = place.offset
        """Where the cut lay."""
        self._time = place.time
        self._tail = frozenset(place.tail)
        self._known = {row[:_IDENTITY_BYTES] for row in (*place.tail, *place.caught_up)}
        self._is_newest_first = order.is_newest_first
        self._is_going_on = False
        self._step = 0

    def find(self, page: Page[Any], seen: set[int]) -> int:
        """Look through a page, and note the rows that the token names as seen: they were delivered before the cut.

        Where the page is the first one to show the cut, give the index behind it, else 0.
        """
        named = [index for index in range(len(page.keys)) if _mark_of(page.identity(index)) in self._known]
        seen.update(page.keys[index] for index in named)
        if self.is_found:
            return 0
        standing = [index for index in named if mark(page.identity(index), page.sort_time(index)) in self._tail]
        self.is_found = bool(standing)
        return standing[-1] + 1 if standing else 0

    def next_offset(self, ask: Ask, page: Page[Any], *, base: int, overlap: int) -> int:
        """Give where to look next, since a page does not show the cut. Raises PaginationError where it is nowhere."""
        rows = len(page.keys)
        if rows == 0 and (self._is_going_on or ask.offset <= base):
            raise PaginationError(
                "the list has changed too much to resume: none of the rows that the token names is where it stood; "
                "begin anew, without resume"
            )
        if not self._is_going_on and ask.offset > base and not self._is_before(page):
            # Rows above have left; or it has sunk, which the first page of all will show.
            self._step = max(2 * self._step, 2 * overlap, 1)
            return ask.offset - self._step
        self._is_going_on = True
        return ask.offset + max(1, rows - overlap)

    def _is_before(self, page: Page[Any]) -> bool:
        """Whether by their sort times all rows of a page stand before the cut."""
        last = page.sort_time(len(page.keys) - 1) if page.keys else None
        if last is None or self._time is None:
            return False
        return last > self._time if self._is_newest_first else last < self._time


def _mark_of(identity: Iterable[str | None]) -> bytes:
    text = "\x1f".join(part or "" for part in identity)
    return blake2b(text.encode(), digest_size=_IDENTITY_BYTES).digest()


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM_BYTES).digest()
