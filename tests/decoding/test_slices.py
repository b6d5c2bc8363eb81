"""A large page in slices is the page in one piece: the same rows, or the same error."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from periskope_async.decoding import page as page_module
from periskope_async.decoding.late_rows import LateRows, next_batch
from periskope_async.decoding.repair import Unreadable
from periskope_async.decoding.slices import cut_lines, cut_rows
from periskope_async.meta import ResponseMeta
from tests.reading import READER, chat_page_steps, raw_page_steps, read_chat_page, read_raw_page

if TYPE_CHECKING:
    from collections.abc import Generator

    from periskope_async.decoding.opened import Steps
    from periskope_async.decoding.page import ReadPage
    from periskope_async.models import Chat

META = ResponseMeta(status=200)
READERS: list[tuple[Any, Any]] = [(read_chat_page, chat_page_steps), (read_raw_page, raw_page_steps)]


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module._Typed, "min_bytes", 600)
    for kind in (page_module._Typed, page_module._Lines):
        monkeypatch.setattr(kind, "slice_bytes", 300)
        monkeypatch.setattr(kind, "slices_a_step", 2)


def page_of(rows: list[dict[str, Any]], **more: Any) -> bytes:
    return msgspec.json.encode({"chats": rows, "from": 1, "to": len(rows), "count": len(rows), **more})


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"chat_id": f"{number}@c.us", "org_phone": "1@c.us", "chat_name": "x" * (number % 50), **more}


def drained(steps: Generator[None, None, Any]) -> tuple[int, Any]:
    turns = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return turns, done.value
        turns += 1


def whole(monkeypatch: pytest.MonkeyPatch, reader: Any, body: bytes) -> Any:
    with monkeypatch.context() as patch:
        for kind in (page_module._Typed, page_module._Lines):
            patch.setattr(kind, "min_bytes", 1 << 40)
        return reader(body, META)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("reader", "steps"), READERS)
def test_a_large_page_is_read_in_turns_and_is_the_same(
    reader: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = page_of([row(number) for number in range(100)])
    turns, page = drained(steps(body, META))
    assert turns > 5
    assert page == whole(monkeypatch, reader, body)
    assert len(page) == 100


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("_", "steps"), READERS)
def test_a_small_page_is_read_at_once(_: Any, steps: Any) -> None:
    turns, page = drained(steps(page_of([row(1)]), META))
    assert (turns, len(page)) == (0, 1)


# What looks like the seam between two rows and is none, or hides it.
NASTY: list[dict[str, Any]] = [
    row(1, chat_name='"},{"chat_id":"2@c.us'),
    row(2, custom_properties={"a": [{"chat_id": "3@c.us"}, {"chat_id": "4@c.us"}]}),
    row(3, custom_properties={"chats": [{"chat_id": "5@c.us"}]}),
    row(4, chat_name=']}}]},{\\"chat_id\\":'),
    {"org_phone": "1@c.us", "chat_id": "6@c.us"},
    row(5, custom_properties={}),
]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("reader", "steps"), READERS)
@given(data=st.data(), seed=st.integers(0, 10_000))
@settings(max_examples=150)
def test_whatever_rows_hold_slices_give_the_same_page(reader: Any, steps: Any, data: st.DataObject, seed: int) -> None:
    rng = random.Random(seed)
    rows = [rng.choice([*NASTY, row(rng.randrange(10_000))]) for _ in range(data.draw(st.integers(0, 40)))]
    more: dict[str, Any] = data.draw(
        st.sampled_from([{}, {"meta": [{"chats": []}]}, {"last": {"chats": [{"chat_id": "9@c.us"}]}}])
    )
    body = page_of(rows, **more)
    if data.draw(st.booleans()):
        body = body.replace(b",", b", ")
    _, page = drained(steps(body, META))
    with pytest.MonkeyPatch.context() as patch:
        assert page == whole(patch, reader, body)
    assert [item.chat_id for item in page] == [item["chat_id"] for item in rows]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("reader", "steps"), READERS)
def test_a_row_that_cannot_be_read_is_repaired_or_named_as_without_slices(
    reader: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(number) for number in range(60)]
    rows[40]["created_at"] = {"odd": True}
    body = page_of(rows)
    assert drained(steps(body, META))[1] == whole(monkeypatch, reader, body)
    del rows[50]["chat_id"]
    with pytest.raises(Unreadable) as caught:
        drained(steps(page_of(rows), META))
    assert caught.value.path.startswith("$.chats[50]")


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("cut_at", [5, 900, -1])
def test_a_body_cut_off_is_no_page(cut_at: int) -> None:
    body = page_of([row(number) for number in range(60)])[:cut_at]
    for _, steps in READERS:
        with pytest.raises(Unreadable):
            drained(steps(body, META))


@pytest.fixture
def _parted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module._Late, "slice_bytes", 200)
    monkeypatch.setattr(page_module._Late, "min_bytes", 600)
    monkeypatch.setattr(page_module._Late, "slices_a_step", 4)


def late_page_steps(body: bytes) -> Steps[ReadPage[Chat]]:
    return READER.page(body, META, "late")


def joined(page: ReadPage[Chat]) -> list[Chat]:
    """Give all rows, and be sure that what tells them apart was found before they were read."""
    found = [(mark.chat_id, mark.org_phone or None) for mark in page.marks]
    chats: list[Chat] = []
    rest = page.rows
    while rest:
        rows, rest = next_batch(rest)
        chats += rows
    assert found == [(chat.chat_id, chat.org_phone or None) for chat in chats]
    return chats


@pytest.mark.usefixtures("_parted")
def test_a_large_page_is_looked_through_in_turns_and_its_parts_are_the_same() -> None:
    body = page_of([row(number) for number in range(100)], count=7_000)
    turns, page = drained(late_page_steps(body))
    assert isinstance(page.rows, LateRows)
    assert turns > 5
    whole = read_chat_page(body, META)
    assert joined(page) == whole.chats
    assert (page.numbers.from_, page.numbers.count) == (whole.from_, whole.count) == (1, 7_000)


@pytest.mark.usefixtures("_parted")
def test_a_small_page_is_read_instead_of_looked_through() -> None:
    turns, page = drained(late_page_steps(page_of([row(1), row(2)])))
    assert turns == 0
    assert not isinstance(page.rows, LateRows)
    assert len(page.rows) == 2


@pytest.mark.usefixtures("_parted")
@given(data=st.data(), seed=st.integers(0, 10_000))
@settings(max_examples=150)
def test_whatever_rows_hold_a_page_that_was_looked_through_gives_the_same(data: st.DataObject, seed: int) -> None:
    rng = random.Random(seed)
    odd = [
        *NASTY,
        row(7, created_at={"odd": True}),
        row(8, org_phone=None),
        row(9, org_phone=""),
        row(10, members="none"),
        row(11, chat_name=12),
    ]
    rows = [rng.choice([*odd, row(rng.randrange(10_000))]) for _ in range(data.draw(st.integers(0, 40)))]
    body = page_of(rows)
    spoilt = data.draw(st.sampled_from([b"", b"\\ud800", b"\xff", b"\\x41", b"\x01", b"\\u12g4"]))
    body = body.replace(b"xxxxx", b"xx" + spoilt, 1)
    if data.draw(st.booleans()):
        body = body.replace(b",", b", ")
    try:
        whole = read_chat_page(body, META)
    except Unreadable:
        # It shows before a row is given, or not at all.
        with pytest.raises(Unreadable):
            drained(late_page_steps(body))
    else:
        _, page = drained(late_page_steps(body))
        assert joined(page) == whole.chats


@pytest.mark.usefixtures("_parted")
def test_a_page_with_a_row_that_nothing_tells_apart_is_an_error_before_any_row_is_given() -> None:
    rows = [row(number) for number in range(60)]
    del rows[50]["chat_id"]
    with pytest.raises(Unreadable) as caught:
        drained(late_page_steps(page_of(rows)))
    assert caught.value.path.startswith("$.chats[50]")


@pytest.mark.parametrize("is_lines", [True, False])
def test_what_is_cut_is_exactly_the_rows(*, is_lines: bool) -> None:
    body = page_of([row(number) for number in range(40_000)])
    cut = (cut_lines if is_lines else cut_rows)(body, "chats", slice_bytes=512 * 1024, min_bytes=1024 * 1024)
    assert cut is not None
    envelope, parts = cut
    assert msgspec.json.decode(envelope)["chats"] == []
    read: Any = msgspec.json.Decoder().decode_lines if is_lines else msgspec.json.decode
    found = [one for part in parts for one in read(part)]
    assert found == msgspec.json.decode(body)["chats"]
