"""Chats read from bytes, and asked for, as the client does it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from periskope_async.client.lists import CHATS
from periskope_async.decoding.page import reader_of
from periskope_async.meta import ResponseMeta
from periskope_async.models import ChatPage, ListPage
from periskope_async.wire.chats import chat_filters

if TYPE_CHECKING:
    from datetime import datetime

    from periskope_async.decoding.opened import Steps
    from periskope_async.decoding.page import ReadPage
    from periskope_async.models import Chat
    from periskope_async.wire.listing import ListQuery

T = TypeVar("T")

READER = reader_of(CHATS)
RECORDED = (Path(__file__).parent / "data" / "chats-200.json").read_bytes()
"""What GET /chats answered to the document's authors: 23 chats."""


class RawRow(Struct, frozen=True):
    chat_id: str
    org_phone: str | None
    json: bytes
    updated_at: datetime | None


def chat_query(*, phone: str | None = None, **filters: Any) -> ListQuery[Chat]:
    return CHATS.query(chat_filters(**filters), phone=phone)


def at_once(steps: Steps[T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value


def chat_page(read: ReadPage[Chat]) -> ChatPage:
    said = read.numbers
    return ChatPage(items=list(read.rows), from_=said.from_, to=said.to, count=said.count, meta=read.meta)


def chat_page_steps(body: bytes, meta: ResponseMeta) -> Steps[ChatPage]:
    return chat_page((yield from READER.page(body, meta)))


def raw_page_steps(body: bytes, meta: ResponseMeta) -> Steps[ListPage[RawRow]]:
    read = yield from READER.page(body, meta, "raw")
    rows = [
        RawRow(mark.chat_id, mark.org_phone or None, row, mark.updated_at or None)
        for mark, row in zip(read.marks, read.rows, strict=True)
    ]
    said = read.numbers
    return ListPage(items=rows, from_=said.from_, to=said.to, count=said.count, meta=read.meta)


def read_chat(body: bytes) -> Chat:
    return at_once(READER.one(body, ResponseMeta(status=200)))


def read_chat_page(body: bytes, meta: ResponseMeta) -> ChatPage:
    return at_once(chat_page_steps(body, meta))


def read_raw_page(body: bytes, meta: ResponseMeta) -> ListPage[RawRow]:
    return at_once(raw_page_steps(body, meta))
