"""The times of a row that is left as bytes: what tells where it stands, and no more than that."""

import functools
from collections.abc import Sequence

from msgspec import Struct, json

from periskope_async.models.chat import Chat
from periskope_async.models.opened import UNREAD, Body
from periskope_async.models.page import read_chat
from periskope_async.models.part import read_custom
from periskope_async.models.raw_page import split_rows
from periskope_async.models.times import FlexTime, Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["RowTimes", "read_part_times", "read_row_times"]


class _MessageTime(Struct, frozen=True, gc=False):
    timestamp: Maybe[Time] = UNSET


class RowTimes(Struct, frozen=True, gc=False):
    """What a row can be sorted by, as in :class:`Chat`."""

    created_at: Maybe[Time] = UNSET
    latest_message_timestamp: Maybe[FlexTime] = UNSET
    latest_message: Maybe[_MessageTime] = UNSET


@functools.cache
def _decoder() -> json.Decoder[RowTimes]:
    return json.Decoder(RowTimes, strict=False, dec_hook=read_custom)


@functools.cache
def _rows_decoder() -> json.Decoder[list[RowTimes]]:
    return json.Decoder(list[RowTimes], strict=False, dec_hook=read_custom)


def read_part_times(part: bytes) -> Sequence[RowTimes | Chat]:
    """Read no more of a page's part than its rows' times."""
    try:
        return _rows_decoder().decode(part)
    except UNREAD:
        pass  # The failure holds what it was given, so nothing more is read before it is let go.
    return [read_row_times(row) for row in split_rows(part)]


def read_row_times(row: Body) -> RowTimes | Chat:
    """Read no more of a row than its times; raises Unreadable where it cannot be read at all."""
    try:
        return _decoder().decode(row)
    except UNREAD:
        pass  # As above.
    return read_chat(row)
