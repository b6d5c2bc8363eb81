"""A page of any list from its bytes (pure).

One decoder call reads a page that is as documented, or a few if it is large. Where a call fails, the page is opened row
by row: each row by the fast decoder again, and one that fails by :mod:`periskope_async.decoding.repair`.

Rows are wanted ``typed``; ``raw``, as the server wrote them; or ``late``. Of raw and late rows no more is read than
their marks: what tells them apart, and when they were changed last. A large page of late rows is decoded part by part
as it is handed over. Each page is read in steps, so that other tasks can run in between.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import GenericAlias
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct, json

from periskope_async.decoding.body import Text, mend, mend_escapes, without_mark
from periskope_async.decoding.envelope import UNREAD, Body, Numbers, Steps, open_body
from periskope_async.decoding.late_rows import LateRows, Parts
from periskope_async.decoding.narrow import narrowed
from periskope_async.decoding.repair import Unreadable, repair
from periskope_async.decoding.slices import cut_rows
from periskope_async.meta import ResponseMeta
from periskope_async.models.part import Part, read_custom
from periskope_async.models.unset import UNSET, UnsetType
from periskope_async.wire.listing import Listing

__all__ = ["ReadPage", "Reader", "Want", "reader_of"]

T = TypeVar("T", bound=Part)
R = TypeVar("R")

Want: TypeAlias = Literal["typed", "raw", "late"]

# The parts that a large page is decoded in when its rows are wanted one by one. A part's rows stay in the processor's
# nearest cache until they are let go, and the next part's take their place there: so a walk in pages of 2,000 rows
# takes less CPU than a bare loop that decodes each page whole (``python -m benchmarks compare``).
_PART_BYTES = 64 * 1024
_LEAST_PARTED_BYTES = 3 * 512 * 1024
_PARTS_A_STEP = 32

# A row that has to be read the slow way takes up to a tenth of a millisecond.
_ROWS_A_STEP = 50


class ReadPage(Struct, Generic[R], frozen=True, kw_only=True):
    """One page as it was read, in the server's order."""

    rows: Sequence[R]
    marks: Sequence[Any]
    """For each row an object that has the fields of its identity, and its ``updated_at`` where the list has them."""
    timed: Callable[[int], Any]
    """Gives for a row an object that has the fields of its sort times; it may decode them."""
    from_: int | None
    """1-based index of the first row in the whole list, as sent; None where it was absent, null or unreadable."""
    to: int | None
    count: int | None
    meta: ResponseMeta


class _Whole(Numbers):
    """A page that one decoder call reads. Each list has its own type of these, with its key and its type of row."""

    rows: list[Any] | UnsetType = UNSET


class Decoders(Generic[R]):
    """The decoders of one type of row, made when first used: working types out is a tenth of the package's import."""

    def __init__(self, kind: type[R], key: str) -> None:
        self.kind = kind
        self._list: Any = GenericAlias(list, (kind,))
        self._key = key

    # strict=False takes '4' for an int and 'false' for a bool, which is how the wire has ack and member_add_mode.
    @cached_property
    def page(self) -> json.Decoder[_Whole]:
        """Reads a page into its numbers and ``rows``, which is UNSET where the page has none under its key."""
        rows = ("rows", self._list | UnsetType, UNSET)
        page: Any = msgspec.defstruct("Page", [rows], bases=(_Whole,), rename={"rows": self._key})
        return json.Decoder(page, strict=False, dec_hook=read_custom)

    @cached_property
    def rows(self) -> json.Decoder[list[R]]:
        """Reads a JSON list of rows."""
        return json.Decoder(self._list, strict=False, dec_hook=read_custom)

    @cached_property
    def row(self) -> json.Decoder[R]:
        """Reads one row."""
        return json.Decoder(self.kind, strict=False, dec_hook=read_custom)


def reader_of(listing: Listing[T]) -> "Reader[T]":
    """Give the one reader of a list."""
    return _reader_of(listing)


@functools.cache
def _reader_of(listing: Listing[Any]) -> "Reader[Any]":
    return Reader(listing)


class Reader(Generic[T]):
    """Reads answers that hold rows of one list.

    What cannot be read raises Unreadable, with the JSON path: a body that is not JSON, that is neither a page nor a
    row, or that has a row without its identity. Nothing else fails a page: a value that cannot be read as its type is
    kept raw in ``undecoded``.
    """

    def __init__(self, listing: Listing[T]) -> None:
        self.listing = listing
        self.typed = Decoders(listing.row, listing.key)
        self.raw = Decoders(Raw, listing.key)
        self._mark_fields = (*listing.identity, *(("updated_at",) if listing.says_updated_at else ()))
        self.marks = Decoders(narrowed(listing.row, self._mark_fields), listing.key)
        times = [path for sort in listing.sorts for path in sort.times]
        self.times = Decoders(narrowed(listing.row, times), listing.key)

    def page(self, body: Body, meta: ResponseMeta, want: Want = "typed") -> Steps[ReadPage[Any]]:
        """Read ``{from, to, count, key: [row, ...]}``, or one bare row as a page of one, in steps."""
        body = bytes(body)
        if want == "late" and (late := (yield from self._look_through(body, meta))) is not None:
            return late
        taken: _Taken = _Raw(self) if want == "raw" else _Taken(self)
        try:
            found = (yield from self._take_slices(body, taken)) or taken.take_page(body)
            if found is not None:
                return taken.read(found, meta)
        except UNREAD:
            taken = type(taken)(self)
        sent, opened, rows, numbers = taken.open(body)
        for number, (text, row, path) in enumerate(self._rows_of(sent, opened, rows), 1):
            taken.take_row(text, row, path)
            if number % _ROWS_A_STEP == 0:
                yield
        return taken.read(numbers, meta)

    def one(self, body: Body, _: ResponseMeta) -> Steps[T]:
        """Read one row: bare, or as the only one of a list. It is small, and takes no step."""
        yield from ()
        try:
            return self.typed.row.decode(body)
        except UNREAD:
            pass  # The failure holds what it was given, so nothing more is read before it is let go.
        opened, rows, _numbers = open_body(self.listing, bytes(body), mend)
        # Counted before they are read: a whole list that comes by mistake takes seconds.
        if rows is not None and len(rows) != 1:
            key = self.listing.key
            raise Unreadable(f"$.{key}", f"found {len(rows)} {key} instead of one")
        return next(self.read_row(row, path) for _, row, path in self._rows_of(opened, opened, rows))

    def read_row(self, row: Text, path: str = "$") -> T:
        """Read a row that may need repair."""
        try:
            return self.typed.row.decode(row)
        except UNREAD:
            pass  # As above.
        return repair(self.listing.row, mend(row), path)

    def read_mark(self, row: Text, path: str) -> Any:
        """Read a row's mark. Where it needs repair, all of the row is read, which says what is wrong with it."""
        try:
            return self.marks.row.decode(row)
        except UNREAD:
            pass  # As above.
        whole = self.read_row(row, path)
        return self.marks.kind(*[getattr(whole, name) for name in self._mark_fields])

    def read_times(self, row: Body) -> Any:
        """Read no more of a row than its sort times, where that can be."""
        try:
            return self.times.row.decode(row)
        except UNREAD:
            pass  # As above.
        return self.read_row(bytes(row))

    def read_part(self, part: bytes) -> Sequence[T]:
        """Read a part of a page: as many rows as it was found to hold, whatever else is wrong with them."""
        try:
            return self.typed.rows.decode(part)
        except UNREAD:
            pass  # As above.
        return [self.read_row(row) for row in self.raw.rows.decode(part)]

    def read_part_times(self, part: bytes) -> Sequence[Any]:
        """Read no more of a page's part than its rows' sort times."""
        try:
            return self.times.rows.decode(part)
        except UNREAD:
            pass  # As above.
        return [self.read_times(row) for row in self.raw.rows.decode(part)]

    def _look_through(self, body: bytes, meta: ResponseMeta) -> Steps[ReadPage[T] | None]:
        """Read no more than the marks of a large page; None where it is small or not as usual."""
        late = _Late(self)
        try:
            numbers = yield from self._take_slices(
                body, late, slice_bytes=_PART_BYTES, least_bytes=_LEAST_PARTED_BYTES, slices_a_step=_PARTS_A_STEP
            )
        except UNREAD:
            return None
        return None if numbers is None else late.read(numbers, meta)

    def _take_slices(
        self, body: bytes, taken: "_Taken", *, slices_a_step: int = 1, **sizes: int
    ) -> Steps[Numbers | None]:
        """Take a large page's rows, a list of them at a time; None where it is small or cannot be cut."""
        if (cut := cut_rows(body, self.listing.key, **sizes)) is None:
            return None
        envelope, slices = cut
        numbers = self.typed.page.decode(envelope)
        if numbers.rows != []:
            return None
        for number, rows in enumerate(slices, 1):
            taken.take_list(rows)
            if number % slices_a_step == 0:
                yield
        return numbers

    def _rows_of(self, sent: bytes, opened: bytes, rows: list[Raw] | None) -> Iterator[tuple[bytes, Text, str]]:
        """Give each row's bytes as sent, its text as opened, and its JSON path."""
        if rows is None:
            yield sent.strip(), opened, "$"
            return
        end = 0
        for index, row in enumerate(rows):
            # Rows lie in the body in this order, and mending has moved none: find the bytes that were sent.
            start = opened.index(row, end)
            end = start + len(memoryview(row))
            yield sent[start:end], row, f"$.{self.listing.key}[{index}]"


class _Taken:
    """The rows of one page as they are taken: here typed ones, which are their own marks."""

    def __init__(self, reader: Reader[Any]) -> None:
        self._reader = reader
        self._rows: list[Any] = []

    def open(self, body: bytes) -> tuple[bytes, bytes, list[Raw] | None, Numbers]:
        """Give the body as sent and as opened, its rows, and its numbers; typed rows need not be as sent."""
        opened, rows, numbers = open_body(self._reader.listing, body, mend)
        return opened, opened, rows, numbers

    def take_page(self, body: bytes) -> Numbers | None:
        """Take all rows in one go; None where the page has none under its key."""
        page = self._reader.typed.page.decode(body)
        if page.rows is UNSET:
            return None
        self._rows = page.rows
        return page

    def take_list(self, rows: bytes) -> None:
        """Take the rows of a JSON list."""
        self._rows += self._reader.typed.rows.decode(rows)

    def take_row(self, sent: bytes, row: Text, path: str) -> None:  # noqa: ARG002 - raw rows are as sent
        """Take one row, which may need repair."""
        self._rows.append(self._reader.read_row(row, path))

    def read(self, numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        """Give what was taken."""
        rows = self._rows
        return _page(rows, rows, rows.__getitem__, numbers, meta)


class _Raw(_Taken):
    """Rows as they were sent. Two scans that decode next to nothing are cheaper than one that decodes all."""

    def __init__(self, reader: Reader[Any]) -> None:
        super().__init__(reader)
        self._marks: list[Any] = []

    def open(self, body: bytes) -> tuple[bytes, bytes, list[Raw] | None, Numbers]:
        sent = bytes(without_mark(body))
        return sent, *open_body(self._reader.listing, sent, mend_escapes)

    def take_page(self, body: bytes) -> Numbers | None:
        page = self._reader.marks.page.decode(body)
        if page.rows is UNSET:
            return None
        self._marks = page.rows
        self._rows = [bytes(row) for row in self._reader.raw.page.decode(body).rows or ()]
        return page

    def take_list(self, rows: bytes) -> None:
        self._marks += self._reader.marks.rows.decode(rows)
        self._rows += [bytes(row) for row in self._reader.raw.rows.decode(rows)]

    def take_row(self, sent: bytes, row: Text, path: str) -> None:
        self._marks.append(self._reader.read_mark(row, path))
        self._rows.append(sent)

    def read(self, numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        rows, reader = self._rows, self._reader
        return _page(rows, self._marks, lambda index: reader.read_times(rows[index]), numbers, meta)


class _Late(_Taken):
    """The parts of a large page, and the marks of their rows."""

    def __init__(self, reader: Reader[Any]) -> None:
        super().__init__(reader)
        self._marks: list[Any] = []
        self._ends: list[int] = []

    def take_list(self, rows: bytes) -> None:
        self._marks += self._reader.marks.rows.decode(rows)
        self._rows.append(rows)
        self._ends.append(len(self._marks))

    def read(self, numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        parts, ends, reader = self._rows, self._ends, self._reader
        rows = LateRows(Parts(parts, ends, reader.read_part))
        # Times are read by themselves: that is cheaper than decoding the rows, and keeps none of them.
        times = LateRows(Parts(parts, ends, reader.read_part_times))
        return _page(rows, self._marks, times.__getitem__, numbers, meta)


def _page(
    rows: Sequence[R], marks: Sequence[Any], timed: Callable[[int], Any], numbers: Numbers, meta: ResponseMeta
) -> ReadPage[R]:
    return ReadPage(
        rows=rows, marks=marks, timed=timed, from_=numbers.from_, to=numbers.to, count=numbers.count, meta=meta
    )
