"""A page of chats from its bytes, typed or raw.

One decoder call reads a page that is as documented, or a few if it is large. Where a call fails, the page is opened row
by row: each row by the fast decoder again, and one that fails by :mod:`periskope_async.models.repair`.

A page can be read in steps, between which others may have their turn.
"""

import functools
from collections.abc import Callable, Generator, Iterator
from typing import TypeAlias, TypeVar

from msgspec import MsgspecError, Raw, Struct, ValidationError, json

from periskope_async.meta import ResponseMeta
from periskope_async.models.body import mend, mend_escapes, without_mark
from periskope_async.models.chat import Chat
from periskope_async.models.part import read_custom
from periskope_async.models.repair import Unreadable, repair_json
from periskope_async.models.slices import cut_rows
from periskope_async.models.unset import UNSET, UnsetType

__all__ = [
    "UNREAD",
    "Body",
    "ChatPage",
    "RawPage",
    "RawRow",
    "Steps",
    "Unreadable",
    "chat_page_steps",
    "raw_page_steps",
    "read_chat",
    "read_chat_page",
    "read_raw_page",
]

T = TypeVar("T")

Body: TypeAlias = bytes | bytearray | memoryview
Steps: TypeAlias = Generator[None, None, T]
"""Reads something step by step, and returns it."""

# A row that has to be read the slow way takes up to a tenth of a millisecond.
_ROWS_A_STEP = 50

# A UnicodeDecodeError is a ValueError; msgspec's own errors are that since 0.22 only.
UNREAD = (MsgspecError, ValueError, RecursionError)


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
def _typed_rows() -> json.Decoder[list[Chat]]:
    return json.Decoder(list[Chat], strict=False, dec_hook=read_custom)


@functools.cache
def _one_chat() -> json.Decoder[Chat]:
    return json.Decoder(Chat, strict=False, dec_hook=read_custom)


_IDENTITY_PAGE = json.Decoder(_IdentityPage, strict=False)
_IDENTITY_ROWS = json.Decoder(list[_Identity], strict=False)
_RAW_ROWS = json.Decoder(list[Raw])
_IDENTITY = json.Decoder(_Identity)
_OPEN_PAGE = json.Decoder(_OpenPage)
_NUMBER = json.Decoder(int | None, strict=False)


def read_chat_page(body: Body, meta: ResponseMeta) -> ChatPage:
    """Read ``{from, to, count, chats}``, or one bare chat (what ``?chat_id=`` may answer) as a page of one.

    Raises Unreadable, with the JSON path, for a body that is not JSON, is neither shape, or has a row without a
    ``chat_id``. Nothing else fails a page: what cannot be read as its type is kept raw in ``undecoded``.
    """
    return _at_once(chat_page_steps(body, meta))


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
    body, opened = _open(body, mend)
    numbers = _numbers(opened)
    for chat in _chats(body, opened):
        chats.append(chat)
        if len(chats) % _ROWS_A_STEP == 0:
            yield
    return ChatPage(chats=chats, from_=numbers.from_, to=numbers.to, count=numbers.count, meta=meta)


def read_chat(body: Body) -> Chat:
    """Read one chat: bare, or as the only one of a list. Raises Unreadable as ``read_chat_page`` does."""
    try:
        return _one_chat().decode(body)
    except UNREAD:
        chats = list(_chats(*_open(bytes(body), mend)))
    if len(chats) != 1:
        raise Unreadable("$.chats", f"found {len(chats)} chats instead of one")
    return chats[0]


def read_raw_page(body: Body, meta: ResponseMeta) -> RawPage:
    """Read the same shapes, but of each row no more than its identity; raises Unreadable likewise."""
    return _at_once(raw_page_steps(body, meta))


def raw_page_steps(body: Body, meta: ResponseMeta) -> Steps[RawPage]:
    """Read a page as :func:`read_raw_page` does, in steps."""
    body = bytes(body)
    rows: list[RawRow] = []
    try:
        cut = cut_rows(body)
        envelope, slices = cut if cut is not None else (body, iter(()))
        page = _IDENTITY_PAGE.decode(envelope)
        if cut is not None and page.chats == []:
            for text in slices:
                rows += _raw_rows_of(_IDENTITY_ROWS.decode(text), _RAW_ROWS.decode(text))
                yield
            return RawPage(rows=rows, from_=page.from_, to=page.to, count=page.count, meta=meta)
        opened = _OPEN_PAGE.decode(body)
        if page.chats is not UNSET and opened.chats is not UNSET:
            rows = _raw_rows_of(page.chats, opened.chats)
            return RawPage(rows=rows, from_=page.from_, to=page.to, count=page.count, meta=meta)
    except UNREAD:
        rows = []
    body = without_mark(body)
    mended, opened = _open(body, mend_escapes)
    numbers = _numbers(opened)
    for row in _raw_rows(body, mended, opened):
        rows.append(row)
        if len(rows) % _ROWS_A_STEP == 0:
            yield
    return RawPage(rows=rows, from_=numbers.from_, to=numbers.to, count=numbers.count, meta=meta)


def _at_once(steps: Steps[T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value


def _raw_rows_of(identities: list[_Identity], texts: list[Raw]) -> list[RawRow]:
    return [RawRow(row.chat_id, row.org_phone, bytes(text)) for row, text in zip(identities, texts, strict=True)]


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
        except UNREAD:
            return None

    return _Numbered(from_=number(opened.from_), to=number(opened.to), count=number(opened.count))


def _chats(body: bytes, opened: _OpenPage) -> Iterator[Chat]:
    if opened.chats is UNSET:
        yield _chat(body, "$")
        return
    for index, row in enumerate(opened.chats):
        yield _chat(row, f"$.chats[{index}]")


def _chat(row: bytes | Raw, path: str) -> Chat:
    try:
        return _one_chat().decode(row)
    except UNREAD:
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
    except UNREAD:
        # Reading the whole row says where its identity is missing; what else is wrong with it is not asked here.
        chat = repair_json(Chat, mend(row), path)
        return RawRow(chat.chat_id, chat.org_phone or None, sent)
    return RawRow(identity.chat_id, identity.org_phone, sent)
