"""What a walk is told of the rows that may have come or changed since it began."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from periskope_async.client.lists import CHATS
from periskope_async.meta import ResponseMeta
from periskope_async.paging.report import WalkReport
from periskope_async.sources import ListSource
from periskope_async.transport import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGAN = datetime(2025, 1, 24, 5, 0, tzinfo=UTC).timestamp()
# As the API writes them, and as it might: and whether a row that says so may have come since.
TIMES: list[tuple[object, bool]] = [
    ("2025-01-24T04:59:59.999999+00:00", False),
    ("2025-01-24T05:00:00+00:00", True),
    ("2025-01-24T05:00:00.1Z", True),
    ("2025-01-24T05:30:00+01:00", False),
    ("2025-01-24T04:30:00-01:00", True),
    ("2025-01-21T07:48:04.316415+00:00", False),
    ("2025-01-23", False),
    (1737000000000, False),
    (1937000000000, True),
    (None, True),
    ("soon", True),
    ({}, True),
    (msgspec.UNSET, True),
]


class OnePage:
    """A session that gives the same answer to each request."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def fetch(self, *_: Any, **__: Any) -> Answer:
        return Answer(ResponseMeta(status=200), self._body, None)


class Row(msgspec.Struct):
    chat_id: str
    org_phone: str
    updated_at: Any
    filling: str = ""


async def told(times: Sequence[object], *, is_raw: bool, is_late: bool = False) -> list[int]:
    """Give for each row of a page whether it may have changed, as a number; the page is long enough to be late."""
    filling = "x" * (2_000_000 // len(times)) if is_late else ""
    rows = [Row(f"{number}@g.us", "1@c.us", time, filling) for number, time in enumerate(times)]
    manager: Any = OnePage(msgspec.json.encode({"from": 1, "to": len(rows), "count": len(rows), "chats": rows}))
    source = ListSource[Any](manager, CHATS.query(), is_raw=is_raw)
    unread = await source.fetch(offset=0, limit=100, is_reversed=False, costs=WalkReport())
    page = await (unread.look_through() if is_late else unread.read())
    each = [page.changed_since([index], BEGAN) for index in range(len(rows))]
    assert page.changed_since(range(len(rows)), BEGAN) == sum(each)
    assert page.changed_since(range(1, len(rows)), BEGAN) == sum(each[1:])
    return each


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("is_raw", [False, True])
async def test_a_row_is_told_to_have_changed_unless_it_says_that_it_has_not(*, is_raw: bool, is_late: bool) -> None:
    assert await told([time for time, _ in TIMES], is_raw=is_raw, is_late=is_late) == [late for _, late in TIMES]


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("is_raw", [False, True])
async def test_a_page_of_rows_that_all_say_so_is_told_at_once(*, is_raw: bool, is_late: bool) -> None:
    old, new = "2025-01-21T07:48:04.316415+00:00", "2025-01-24T05:11:10.691753+00:00"
    assert await told([old] * 20, is_raw=is_raw, is_late=is_late) == [0] * 20
    assert await told([old] * 19 + [new], is_raw=is_raw, is_late=is_late) == [0] * 19 + [1]
