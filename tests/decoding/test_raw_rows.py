"""Rows in blocks of lines behave as a list of them."""

from __future__ import annotations

from operator import length_hint

import msgspec
import pytest
from hypothesis import given, strategies as st

from periskope_async.decoding.raw_rows import RawRows
from periskope_async.meta import ResponseMeta
from tests.reading import READER, at_once

META = ResponseMeta(status=200)
ROWS = [b'{"chat_id":"%d@c.us","chat_name":"%s"}' % (number, b"x" * (number % 7)) for number in range(40)]


def page_of(rows: list[bytes]) -> bytes:
    return b'{"chats":[%s],"count":%d}' % (b",".join(rows), len(rows))


def in_blocks(rows: list[bytes], sizes: list[int]) -> RawRows:
    blocks: list[bytes] = []
    ends: list[int] = []
    start = 0
    for size in [*sizes, len(rows)]:
        if part := rows[start : start + size]:
            blocks.append(b"".join(row + b"\n" for row in part))
            start += len(part)
            ends.append(start)
    return RawRows(blocks, ends)


@given(
    count=st.integers(0, 40),
    sizes=st.lists(st.integers(1, 9), max_size=9),
    start=st.none() | st.integers(-45, 45),
    stop=st.none() | st.integers(-45, 45),
    step=st.sampled_from([None, 1, 2, -1]),
)
def test_blocks_are_as_a_list(count: int, sizes: list[int], start: int | None, stop: int | None, step: int) -> None:
    plain, rows = ROWS[:count], in_blocks(ROWS[:count], sizes)
    assert [*rows] == plain
    assert [rows[index] for index in range(-len(plain), len(plain))] == plain * 2
    some = rows[start:stop:step]
    assert [*some] == plain[start:stop:step]
    assert len(some) == len(plain[start:stop:step])
    if isinstance(some, RawRows):
        assert b"".join(some.blocks) == b"".join(row + b"\n" for row in some)
        assert [some[index] for index in range(len(some))] == [*some]


@pytest.mark.parametrize("index", [40, -41])
def test_a_row_beyond_the_end_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError):
        in_blocks(ROWS, [7])[index]


ODD = [
    b'{"chat_id":"1","\\u006febb":1}',
    b'{"chat_name":"x","chat_id":"1"}',
    b'{"chat_id":"1","members":[{"chat_id":"2"},{"chat_id":"3"}]}',
    b'{"chat_id":"1","chat_name":"},{\\"chat_id\\":"}',
    b'{"chat_id":"1",\n"chat_name":"x"}',
    b'{"chat_id":"1",\r"chat_name":"x"}',
    b'{ "chat_id":"1"}',
    b'{"chat_id":"1"} ',
    b'\n{"chat_id":"1"}',
    b'{"chat_id":"\\ud83d"}',
]


@pytest.mark.parametrize("row", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("place", ["only", "first", "between", "last"])
def test_an_odd_row_stays_as_it_was_sent(row: bytes, place: str) -> None:
    """Whatever looks like the end of a row, and is none, or hides it."""
    before = {"only": [], "first": [], "between": ROWS[:9], "last": ROWS[:9]}[place]
    after = ROWS[9:] if place in {"first", "between"} else []
    page = at_once(READER.page(page_of([*before, row, *after]), META, "raw"))
    assert [*page.rows] == [*before, row.strip(), *after]
    assert len(page.marks) == len(page.rows)


def test_rows_that_begin_alike_are_lines() -> None:
    page = at_once(READER.page(page_of(ROWS), META, "raw"))
    assert isinstance(page.rows, RawRows)
    assert b"".join(page.rows.blocks).splitlines() == ROWS
    assert [msgspec.json.decode(page.rows[index])["chat_id"] for index in (0, -1)] == ["0@c.us", "39@c.us"]


def test_an_iterator_tells_how_many_rows_are_left() -> None:
    """A resume token is made of that."""
    page = at_once(READER.page(page_of(ROWS), META, "raw"))
    rows = iter(page.rows)
    next(rows)
    assert length_hint(rows) == len(ROWS) - 1
