"""Rows in parts are the same rows, and no more of them are held than are being handed over."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from periskope_async.decoding.late_rows import LateRows, Parts, next_batch
from periskope_async.paging.page import pick

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Row:
    def __init__(self, number: int) -> None:
        self.number = number


class Decoder:
    """Decodes parts that are a row's number to a byte, counts how often, and knows which rows are held."""

    def __init__(self) -> None:
        self.calls = 0
        self._rows: list[weakref.ref[Row]] = []

    def __call__(self, part: bytes) -> list[Row]:
        self.calls += 1
        rows = [Row(number) for number in part]
        self._rows += map(weakref.ref, rows)
        return rows

    @property
    def held(self) -> list[int]:
        return [row.number for held in self._rows if (row := held()) is not None]


def in_parts(lengths: Sequence[int], decoder: Decoder | None = None) -> LateRows[Row]:
    rows = 0
    parts: list[bytes] = []
    ends: list[int] = []
    for length in lengths:
        parts.append(bytes(range(rows, rows + length)))
        rows += length
        ends.append(rows)
    return LateRows(Parts(parts, ends, decoder or Decoder()))


def batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    while rows:
        batch, rows = next_batch(rows)
        yield batch
        del batch


def numbers(rows: Sequence[Row]) -> list[int]:
    return [row.number for row in rows]


lengths = st.lists(st.integers(1, 7), max_size=12)


@given(lengths=lengths, data=st.data())
def test_they_are_the_rows_in_whatever_piece_and_order_they_are_asked_for(
    lengths: list[int], data: st.DataObject
) -> None:
    whole = list(range(sum(lengths)))
    late = in_parts(lengths)
    assert len(late) == len(whole)
    assert numbers(late) == whole
    start, stop = data.draw(st.integers(0, len(whole) + 2)), data.draw(st.integers(-3, len(whole) + 2))
    run = late[start:stop]
    assert numbers(run) == whole[start:stop]
    assert [row.number for batch in batches(run) for row in batch] == whole[start:stop]
    assert numbers(run[1:]) == whole[start:stop][1:]
    for index in range(-len(run), len(run)):
        assert run[index].number == whole[start:stop][index]
    with pytest.raises(IndexError):
        run[len(run)]


@given(lengths=lengths)
def test_each_part_is_decoded_once_and_let_go_when_the_next_is_wanted(lengths: list[int]) -> None:
    decoder = Decoder()
    late = in_parts(lengths, decoder)
    first = 0
    for batch in batches(late):
        length = lengths[decoder.calls - 1]
        assert numbers(batch) == decoder.held == list(range(first, first + length))
        first += length
        # As the list's own iterator does when it has given the last one.
        del batch
    assert decoder.calls == len(lengths)
    assert first == len(late)


def test_a_part_that_was_looked_at_before_is_not_decoded_again() -> None:
    decoder = Decoder()
    late = in_parts([3, 3, 3], decoder)
    assert (late[0].number, late[8].number) == (0, 8)
    assert decoder.calls == 2
    assert [len(batch) for batch in batches(late)] == [3, 3, 3]
    assert late[8].number == 8
    assert decoder.calls == 3


def test_a_run_is_handed_over_from_the_part_that_it_begins_in_to_the_one_that_it_ends_in() -> None:
    decoder = Decoder()
    late = in_parts([3, 3, 3, 3], decoder)
    assert [numbers(batch) for batch in batches(late[4:8])] == [[4, 5], [6, 7]]
    assert decoder.calls == 2


@given(lengths=lengths, data=st.data())
def test_some_rows_are_handed_over_part_by_part_too(lengths: list[int], data: st.DataObject) -> None:
    decoder = Decoder()
    late = in_parts(lengths, decoder)
    whole = list(range(sum(lengths)))
    chosen = [number for number in whole if data.draw(st.booleans())]
    some = pick(chosen, late)
    assert [row.number for batch in batches(some) for row in batch] == chosen
    assert decoder.calls <= len(lengths)
    assert numbers(some[::2]) == chosen[::2]


def test_parts_that_were_looked_at_again_are_let_go_with_the_next_one() -> None:
    decoder = Decoder()
    late = in_parts([3] * 10, decoder)
    most = 0
    for number, batch in enumerate(batches(late)):
        # Who reads the token looks back at rows of the part before.
        assert late[max(0, 3 * number - 1)].number >= 0
        most = max(most, len(decoder.held))
        del batch
    assert most <= 6


def test_rows_that_are_there_are_one_batch() -> None:
    rows = [1, 2, 3]
    assert next_batch(rows) == (rows, ())


def test_a_part_that_cannot_be_decoded_is_not_passed_over() -> None:
    calls = 0

    def decode(part: bytes) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RecursionError
        return list(part)

    rest = LateRows(Parts([b"\1\2", b"\3"], [2, 3], decode))
    first, rest = rest.cut()
    with pytest.raises(RecursionError):
        rest.cut()
    assert (first, rest.cut()[0]) == ([1, 2], [3])
