"""A page of chats from its bytes, each row left as the server wrote it.

No more is read of a row than what tells it from the others, and when it was changed last.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Raw, Struct, json

from periskope_async.meta import ResponseMeta
from periskope_async.models.body import Text, mend, mend_escapes, without_mark
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
from periskope_async.models.repair import repair
from periskope_async.models.slices import cut_rows
from periskope_async.models.times import Time
from periskope_async.models.unset import UNSET, UnsetType

__all__ = ["Identity", "RawPage", "RawRow", "raw_page_steps", "read_identities", "read_raw_page", "split_rows"]


class RawRow(Struct, frozen=True, gc=False):
    """One row as the server wrote it, and what tells it from the others."""

    chat_id: str
    org_phone: str | None
    """None where it is absent, null, or no string."""
    json: bytes
    """The row's own bytes, exactly; they hold line breaks if the server put any."""
    updated_at: datetime | None = None
    """When it was changed last; None where that is absent, null, or no time."""


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


# Two scans that decode next to nothing are cheaper than one that decodes all, or than a call for each row.
class Identity(Struct, gc=False):
    """What tells a row from the others, and when it was changed last."""

    chat_id: str
    org_phone: str | None = None
    updated_at: Time | None = None


class _IdentityPage(Numbered):
    chats: list[Identity] | UnsetType = UNSET


class _RawRows(Struct):
    chats: list[Raw]


_IDENTITY_PAGE = json.Decoder(_IdentityPage, strict=False)
_IDENTITY_ROWS = json.Decoder(list[Identity], strict=False)
_RAW_PAGE = json.Decoder(_RawRows)
_RAW_ROWS = json.Decoder(list[Raw])
_IDENTITY = json.Decoder(Identity)


def read_raw_page(body: Body, meta: ResponseMeta) -> RawPage:
    """Read the same shapes as ``read_chat_page``; raises Unreadable likewise."""
    return at_once(raw_page_steps(body, meta))


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
                rows += _rows_of(_IDENTITY_ROWS.decode(text), _RAW_ROWS.decode(text))
                yield
            return RawPage(rows=rows, from_=page.from_, to=page.to, count=page.count, meta=meta)
        if page.chats is not UNSET:
            rows = _rows_of(page.chats, _RAW_PAGE.decode(body).chats)
            return RawPage(rows=rows, from_=page.from_, to=page.to, count=page.count, meta=meta)
    except UNREAD:
        rows = []
    body = bytes(without_mark(body))
    mended, opened = open_body(body, mend_escapes)
    numbers = numbers_of(opened)
    for row in _raw_rows(body, mended, opened):
        rows.append(row)
        if len(rows) % ROWS_A_STEP == 0:
            yield
    return RawPage(rows=rows, from_=numbers.from_, to=numbers.to, count=numbers.count, meta=meta)


def read_identities(rows: bytes) -> list[Identity]:
    """Read what tells the rows of a JSON list apart. Raises one of UNREAD where any of them cannot be read."""
    return _IDENTITY_ROWS.decode(rows)


def split_rows(rows: bytes) -> list[Raw]:
    """Give the rows of a JSON list as they are written. Raises one of UNREAD where that is none."""
    return _RAW_ROWS.decode(rows)


def _rows_of(identities: list[Identity], texts: list[Raw]) -> list[RawRow]:
    return [
        RawRow(row.chat_id, row.org_phone, bytes(text), row.updated_at)
        for row, text in zip(identities, texts, strict=True)
    ]


def _raw_rows(body: bytes, mended: bytes, opened: Opened) -> Iterator[RawRow]:
    if not isinstance(opened.chats, list):
        yield _raw_row(body.strip(), mended, "$")
        return
    end = 0
    for index, row in enumerate(opened.chats):
        # Rows lie in the body in this order, and mending has moved none: find the bytes that were sent.
        start = mended.index(row, end)
        end = start + len(memoryview(row))
        yield _raw_row(body[start:end], row, f"$.chats[{index}]")


def _raw_row(sent: bytes, row: Text, path: str) -> RawRow:
    try:
        identity = _IDENTITY.decode(row)
    except UNREAD:
        pass  # The failure holds what it was given, so nothing more is read before it is let go.
    else:
        return RawRow(identity.chat_id, identity.org_phone, sent, identity.updated_at)
    # Reading the whole row says where its identity is missing; what else is wrong with it is not asked here.
    chat = repair(Chat, mend(row), path)
    return RawRow(chat.chat_id, chat.org_phone or None, sent, chat.updated_at or None)
