"""A page of chats from its bytes.

One decoder call reads a page that is as documented, or a few if it is large. Where a call fails, the page is opened row
by row: each row by the fast decoder again, and one that fails by :mod:`periskope_async.models.repair`.

A page can be read in steps, between which others may have their turn. And a large one need not be read at once: it is
looked through for what tells its rows apart, and its rows are decoded part by part when they are wanted.
"""

import functools
from collections.abc import Iterator

from msgspec import Raw, Struct, json

from periskope_async.meta import ResponseMeta
from periskope_async.models.body import mend
from periskope_async.models.chat import Chat
from periskope_async.models.opened import (
    ROWS_A_STEP,
    UNREAD,
    Body,
    Numbered,
    Opened,
    Steps,
    at_once,
    numbers_of,
    open_body,
)
from periskope_async.models.part import read_custom
from periskope_async.models.raw_page import Identity, read_identities, split_rows
from periskope_async.models.repair import Unreadable, repair
from periskope_async.models.slices import cut_rows
from periskope_async.models.unset import UNSET, UnsetType

__all__ = [
    "ChatPage",
    "PartedPage",
    "chat_page_steps",
    "chat_steps",
    "parted_page_steps",
    "read_chat",
    "read_chat_page",
    "read_part",
]

# The parts that a large page is decoded in when its rows are wanted one by one. A part's rows stay in the processor's
# nearest cache until they are let go, and the next part's take their place there: so a walk in pages of 2,000 rows
# takes less CPU than a bare loop that decodes each page whole (``python -m benchmarks compare``).
_PART_BYTES = 64 * 1024
_LEAST_PARTED_BYTES = 3 * 512 * 1024
_PARTS_A_STEP = 32


class ChatPage(Struct, frozen=True, kw_only=True):
    """One page of a list of chats, in the server's order."""

    chats: list[Chat]
    from_: int | None
    """1-based index of the first row in the whole list, as sent; None where it was absent, null or unreadable."""
    to: int | None
    """Index of the last row, likewise."""
    count: int | None
    """As sent. Documented as the total, though no recorded answer decides whether it is that of the page alone."""
    meta: ResponseMeta

    def __len__(self) -> int:
        return len(self.chats)

    def __iter__(self) -> Iterator[Chat]:
        return iter(self.chats)


class PartedPage(Struct, frozen=True, kw_only=True):
    """A large page, looked through: each part can be read by :func:`read_part`, and holds rows that follow."""

    parts: list[bytes]
    ends: list[int]
    """Of each part, how many rows it and those before it hold."""
    identities: list[Identity]
    """What tells the rows apart, all of them."""
    from_: int | None
    count: int | None
    meta: ResponseMeta


class _TypedPage(Numbered):
    chats: list[Chat] | UnsetType = UNSET


# strict=False takes '4' for an int and 'false' for a bool, which is how the wire has ack and member_add_mode.
# Made when first used: working their types out is a tenth of what importing the package would take.
@functools.cache
def _typed_page() -> json.Decoder[_TypedPage]:
    return json.Decoder(_TypedPage, strict=False, dec_hook=read_custom)


@functools.cache
def _typed_rows() -> json.Decoder[list[Chat]]:
    return json.Decoder(list[Chat], strict=False, dec_hook=read_custom)


@functools.cache
def _one_chat() -> json.Decoder[Chat]:
    return json.Decoder(Chat, strict=False, dec_hook=read_custom)


def read_chat_page(body: Body, meta: ResponseMeta) -> ChatPage:
    """Read ``{from, to, count, chats}``, or one bare chat (what ``?chat_id=`` may answer) as a page of one.

    Raises Unreadable, with the JSON path, for a body that is not JSON, is neither shape, or has a row without a
    ``chat_id``. Nothing else fails a page: what cannot be read as its type is kept raw in ``undecoded``.
    """
    return at_once(chat_page_steps(body, meta))


def chat_page_steps(body: Body, meta: ResponseMeta) -> Steps[ChatPage]:
    """Read a page as :func:`read_chat_page` does, in steps."""
    body = bytes(body)
    chats: list[Chat] = []
    try:
        if (cut := cut_rows(body)) is not None:
            envelope, slices = cut
            page = _typed_page().decode(envelope)
            if page.chats == []:
                for rows in slices:
                    chats += _typed_rows().decode(rows)
                    yield
                return ChatPage(chats=chats, from_=page.from_, to=page.to, count=page.count, meta=meta)
        page = _typed_page().decode(body)
        if page.chats is not UNSET:
            return ChatPage(chats=page.chats, from_=page.from_, to=page.to, count=page.count, meta=meta)
    except UNREAD:
        chats = []
    body, opened = open_body(body, mend)
    numbers = numbers_of(opened)
    for chat in _chats(body, opened):
        chats.append(chat)
        if len(chats) % ROWS_A_STEP == 0:
            yield
    return ChatPage(chats=chats, from_=numbers.from_, to=numbers.to, count=numbers.count, meta=meta)


def parted_page_steps(body: Body, meta: ResponseMeta) -> Steps[PartedPage | ChatPage]:
    """Look a page through, in steps; or read it as :func:`chat_page_steps` does, where it is small or not as usual."""
    body = bytes(body)
    if (cut := cut_rows(body, slice_bytes=_PART_BYTES, least_bytes=_LEAST_PARTED_BYTES)) is not None:
        envelope, slices = cut
        parts: list[bytes] = []
        ends: list[int] = []
        identities: list[Identity] = []
        try:
            page = _typed_page().decode(envelope)
            for part in slices:
                identities += read_identities(part)
                parts.append(part)
                ends.append(len(identities))
                if len(parts) % _PARTS_A_STEP == 0:
                    yield
            if page.chats == []:
                return PartedPage(
                    parts=parts, ends=ends, identities=identities, from_=page.from_, count=page.count, meta=meta
                )
        except UNREAD:
            pass
    return (yield from chat_page_steps(body, meta))


def read_part(part: bytes) -> list[Chat]:
    """Read the rows of a page's part: as many as it was found to hold, whatever else is wrong with them."""
    try:
        return _typed_rows().decode(part)
    except UNREAD:
        pass  # The failure holds what it was given, so nothing more is read before it is let go.
    return [_chat(row, "$") for row in split_rows(part)]


def read_chat(body: Body) -> Chat:
    """Read one chat: bare, or as the only one of a list. Raises Unreadable as ``read_chat_page`` does."""
    try:
        return _one_chat().decode(body)
    except UNREAD:
        pass  # As above.
    body, opened = open_body(bytes(body), mend)
    # Counted before they are read: a whole list that comes by mistake takes seconds.
    if isinstance(opened.chats, list) and len(opened.chats) != 1:
        raise Unreadable("$.chats", f"found {len(opened.chats)} chats instead of one")
    return next(_chats(body, opened))


def chat_steps(body: Body, _: ResponseMeta) -> Steps[Chat]:
    """Read one chat as :func:`read_chat` does: it is small, and takes no step."""
    yield from ()
    return read_chat(body)


def _chats(body: bytes, opened: Opened) -> Iterator[Chat]:
    if not isinstance(opened.chats, list):
        yield _chat(body, "$")
        return
    for index, row in enumerate(opened.chats):
        yield _chat(row, f"$.chats[{index}]")


def _chat(row: bytes | Raw, path: str) -> Chat:
    try:
        return _one_chat().decode(row)
    except UNREAD:
        pass  # As above.
    return repair(Chat, mend(row), path)
