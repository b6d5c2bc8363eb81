"""A page of chats from its bytes, typed or raw.

One decoder call reads a page that is as documented. Where that call fails, the page is opened row by row: each row
by the fast decoder again, and one that fails by :mod:`periskope_async.models.repair`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec import MsgspecError, Raw, Struct, ValidationError, json

from periskope_async.meta import ResponseMeta
from periskope_async.models.body import mend, mend_escapes, without_mark
from periskope_async.models.chat import Chat
from periskope_async.models.part import read_custom
from periskope_async.models.repair import Unreadable, repair_json
from periskope_async.models.unset import UNSET, UnsetType

__all__ = ["Body", "ChatPage", "RawPage", "RawRow", "Unreadable", "read_chat", "read_chat_page", "read_raw_page"]

Body: TypeAlias = bytes | bytearray | memoryview

# A UnicodeDecodeError is a ValueError; msgspec's own errors are that since 0.22 only.
_UNREAD = (MsgspecError, ValueError, RecursionError)


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


class RawRow(Struct, frozen=True, gc=False):
    """One row as the server wrote it, and what tells it from the others."""

    chat_id: str
    org_phone: str | None
    """None where it is absent, null, or no string."""
    json: bytes
    """The row's own bytes, exactly; they hold line breaks if the server put any."""


class RawPage(Struct, frozen=True, kw_only=True):
    """One page whose rows are left as bytes; the numbers are those of :class:`ChatPage`."""

    rows: list[RawRow]
    from_: int | None
    to: int | None
    count: int | None
    meta: ResponseMeta

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[RawRow]:
        return iter(self.rows)


class _Numbered(Struct, rename={"from_": "from"}):
    from_: int | None = None
    to: int | None = None
    count: int | None = None


class _TypedPage(_Numbered):
    chats: list[Chat] | UnsetType = UNSET


# Two scans that decode next to nothing are cheaper than one that decodes all, or than a call for each row.
class _Identity(Struct, gc=False):
    chat_id: str
    org_phone: str | None = None


class _IdentityPage(_Numbered):
    chats: list[_Identity] | UnsetType = UNSET


class _OpenPage(Struct, rename={"from_": "from"}):
    """Whatever could be an answer: a list of any rows, or one chat."""

    chats: list[Raw] | UnsetType = UNSET
    chat_id: Raw | UnsetType = UNSET
    from_: Raw | UnsetType = UNSET
    to: Raw | UnsetType = UNSET
    count: Raw | UnsetType = UNSET


# strict=False takes '4' for an int and 'false' for a bool, which is how the wire has ack and member_add_mode.
# Made when first used: working their types out is a tenth of what importing the package would take.
@functools.cache
def _typed_page() -> json.Decoder[_TypedPage]:
    return json.Decoder(_TypedPage, strict=False, dec_hook=read_custom)


@functools.cache
def _one_chat() -> json.Decoder[Chat]:
    return json.Decoder(Chat, strict=False, dec_hook=read_custom)


_IDENTITY_PAGE = json.Decoder(_IdentityPage, strict=False)
_IDENTITY = json.Decoder(_Identity)
_OPEN_PAGE = json.Decoder(_OpenPage)
_NUMBER = json.Decoder(int | None, strict=False)


def read_chat_page(body: Body, meta: ResponseMeta) -> ChatPage:
    """Read ``{from, to, count, chats}``, or one bare chat (what ``?chat_id=`` may answer) as a page of one.

    Raises Unreadable, with the JSON path, for a body that is not JSON, is neither shape, or has a row without a
    ``chat_id``. Nothing else fails a page: what cannot be read as its type is kept raw in ``undecoded``.
    """
    try:
        page = _typed_page().decode(body)
        if page.chats is not UNSET:
            return ChatPage(chats=page.chats, from_=page.from_, to=page.to, count=page.count, meta=meta)
    except _UNREAD:
        pass
    body, opened = _open(bytes(body), mend)
    numbers = _numbers(opened)
    return ChatPage(chats=_chats(body, opened), from_=numbers.from_, to=numbers.to, count=numbers.count, meta=meta)


def read_chat(body: Body) -> Chat:
    """Read one chat: bare, or as the only one of a list. Raises Unreadable as ``read_chat_page`` does."""
    try:
        return _one_chat().decode(body)
    except _UNREAD:
        chats = _chats(*_open(bytes(body), mend))
    if len(chats) != 1:
        raise Unreadable("$.chats", f"found {len(chats)} chats instead of one")
    return chats[0]


def read_raw_page(body: Body, meta: ResponseMeta) -> RawPage:
    """Read the same shapes, but of each row no more than its identity; raises Unreadable likewise."""
    try:
        page = _IDENTITY_PAGE.decode(body)
        slices = _OPEN_PAGE.decode(body).chats
        if page.chats is not UNSET and slices is not UNSET:
            rows = [RawRow(row.chat_id, row.org_phone, bytes(raw)) for row, raw in zip(page.chats, slices, strict=True)]
            return RawPage(rows=rows, from_=page.from_, to=page.to, count=page.count, meta=meta)
    except _UNREAD:
        pass
    body = without_mark(bytes(body))
    mended, opened = _open(body, mend_escapes)
    numbers = _numbers(opened)
    return RawPage(
        rows=list(_raw_rows(body, mended, opened)), from_=numbers.from_, to=numbers.to, count=numbers.count, meta=meta
    )


def _open(body: bytes, mender: Callable[[bytes], bytes]) -> tuple[bytes, _OpenPage]:
    """Open the page as it is, else as mended; give what was opened too."""
    try:
        return body, _open_whole(body)
    except Unreadable:
        mended = mender(body)
        if mended == body:
            raise
    return mended, _open_whole(mended)


def _open_whole(body: bytes) -> _OpenPage:
    try:
        opened = _OPEN_PAGE.decode(body)
    except ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise Unreadable(path.strip("`") or "$", reason[:1].lower() + reason[1:]) from error
    except (MsgspecError, ValueError) as error:
        raise Unreadable("$", f"broken JSON ({error})") from error
    except RecursionError as error:
        raise Unreadable("$", "this is nested too deeply to be read") from error
    if opened.chats is UNSET and opened.chat_id is UNSET:
        raise Unreadable("$", "found neither a list `chats` nor a `chat_id`")
    return opened


def _numbers(opened: _OpenPage) -> _Numbered:
    def number(raw: Raw | UnsetType) -> int | None:
        try:
            return None if raw is UNSET else _NUMBER.decode(raw)
        except _UNREAD:
            return None

    return _Numbered(from_=number(opened.from_), to=number(opened.to), count=number(opened.count))


def _chats(body: bytes, opened: _OpenPage) -> list[Chat]:
    if opened.chats is UNSET:
        return [_chat(body, "$")]
    return [_chat(row, f"$.chats[{index}]") for index, row in enumerate(opened.chats)]


def _chat(row: bytes | Raw, path: str) -> Chat:
    try:
        return _one_chat().decode(row)
    except _UNREAD:
        return repair_json(Chat, mend(bytes(row)), path)


def _raw_rows(body: bytes, mended: bytes, opened: _OpenPage) -> Iterator[RawRow]:
    if opened.chats is UNSET:
        yield _raw_row(body.strip(), mended, "$")
        return
    end = 0
    for index, row in enumerate(opened.chats):
        slice_ = bytes(row)
        # Rows lie in the body in this order, and mending has moved none: find the bytes that were sent.
        start = mended.index(slice_, end)
        end = start + len(slice_)
        yield _raw_row(body[start:end], slice_, f"$.chats[{index}]")


def _raw_row(sent: bytes, row: bytes, path: str) -> RawRow:
    try:
        identity = _IDENTITY.decode(row)
    except _UNREAD:
        # Reading the whole row says where its identity is missing; what else is wrong with it is not asked here.
        chat = repair_json(Chat, mend(row), path)
        return RawRow(chat.chat_id, chat.org_phone or None, sent)
    return RawRow(identity.chat_id, identity.org_phone, sent)
