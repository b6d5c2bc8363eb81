"""A page of any list from its bytes (pure).

One decoder call reads a page as documented; a large page takes a few. The page is opened and read row by row if a call
fails: each row by the fast decoder again, and a failing one by :mod:`periskope_async.decoding.repair`. So is a page
with very many small values: msgspec decodes all of them where a time should stand.

Rows are wanted ``typed``; ``raw``, as the server wrote them; or ``late``. The reader decodes only the marks of raw and
late rows: their identity, and the time of their last change. Late rows are decoded on delivery. Reading takes steps,
and other tasks can run in between.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import GenericAlias
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct, json

from periskope_async.decoding.body import UNREAD, Text, is_dense, mend, mend_escapes, without_mark
from periskope_async.decoding.late_rows import LateRows, Parts
from periskope_async.decoding.narrow import narrowed
from periskope_async.decoding.opened import Numbers, Steps, open_body
from periskope_async.decoding.raw_rows import RawRows
from periskope_async.decoding.repair import Unreadable, decoder_of, repair
from periskope_async.decoding.slices import cut_lines, cut_rows
from periskope_async.meta import ResponseMeta
from periskope_async.models.part import Part
from periskope_async.models.unset import UNSET, UnsetType
from periskope_async.wire.listing import Listing

__all__ = ["ReadPage", "Reader", "Want", "reader_of"]

T = TypeVar("T", bound=Part)
R = TypeVar("R")

Want: TypeAlias = Literal["typed", "raw", "late"]

# A row read the slow way takes up to a tenth of a millisecond.
_ROWS_A_STEP = 50
_BYTES_A_STEP = 64 * 1024


class ReadPage(Struct, Generic[R], frozen=True, kw_only=True):
    """One decoded page, in the server's order."""

    rows: Sequence[R]
    """Typed rows, decoded or late; or bytes, as :class:`RawRows` where they came without line breaks."""
    marks: Sequence[Any]
    """One object for each row, with the fields of its identity, and its ``updated_at`` if the list has it."""
    timed: Callable[[int], Any]
    """Gives an object with the fields of a row's sort times; it may decode them."""
    numbers: Numbers
    meta: ResponseMeta


class _Whole(Numbers):
    """A page for one decoder call. Each list has its own subclass, with its key and its type of row."""

    rows: list[Any] | UnsetType = UNSET


class Decoders(Generic[R]):
    """The decoders of one type of row, made when first used: making all is a tenth of importing the package."""

    def __init__(self, kind: type[R], key: str) -> None:
        self._row: Any = kind
        self._rows: Any = GenericAlias(list, (kind,))
        self._key = key

    @cached_property
    def row(self) -> json.Decoder[R]:
        """Reads one row."""
        return decoder_of(self._row)

    @cached_property
    def rows(self) -> json.Decoder[list[R]]:
        """Reads a JSON list of rows."""
        return decoder_of(self._rows)

    @cached_property
    def page(self) -> json.Decoder[_Whole]:
        """Reads a page; its ``rows`` are UNSET if it has none under the list's key."""
        rows = ("rows", self._rows | UnsetType, UNSET)
        page: Any = msgspec.defstruct("Page", [rows], bases=(_Whole,), rename={"rows": self._key})
        return decoder_of(page)


class Reader(Generic[T]):
    """Reads answers with rows of one list.

    An unreadable body raises Unreadable, with the JSON path: it is not JSON, is neither a page nor a row, or has a row
    without its identity. Nothing else fails a page: a value of another type than its field's is kept raw in
    ``undecoded``.
    """

    def __init__(self, listing: Listing[T]) -> None:
        self.listing = listing
        row, key = listing.row, listing.key
        marks = (*listing.identity, "updated_at") if listing.says_updated_at else listing.identity
        self.typed = Decoders(row, key)
        self.raw = Decoders(Raw, key)
        self.marks = Decoders(narrowed(row, marks), key)
        self.times = Decoders(narrowed(row, [path for sort in listing.sorts for path in sort.times]), key)

    def page(self, body: bytes, meta: ResponseMeta, want: Want = "typed") -> Steps[ReadPage[Any]]:
        """Read ``{from, to, count, key: [row, ...]}``, or one bare row as a page of one."""
        # A dense page is read row by row: decoded in one go, it may take many times its memory. Raw rows stay text.
        if want == "raw" or not is_dense(body):
            for kind in _KINDS[want]:
                if (page := (yield from self._fast(body, meta, kind(self)))) is not None:
                    return page
        if want == "raw":
            # Escapes are mended in place: the sent bytes and the mended ones have the same offsets.
            sent = bytes(without_mark(body))
            opened, rows, numbers = open_body(self.listing, sent, mend_escapes)
        else:
            opened, rows, numbers = open_body(self.listing, body, mend)
            sent = opened
        taker = _KINDS[want][-1](self)
        size = number = 0
        for text, row, path in self._each(sent, opened, rows):
            taker.take_row(text, row, path)
            number, size = number + 1, size + len(text)
            if number >= _ROWS_A_STEP or size >= _BYTES_A_STEP:
                number = size = 0
                yield
        return taker.page(numbers, meta)

    def one(self, body: bytes, _: ResponseMeta) -> Steps[T]:
        """Read one row: bare, or as the only one of a list. It is small, and takes no step."""
        yield from ()
        if not is_dense(body):
            try:
                return self.typed.row.decode(body)
            except UNREAD:
                pass  # The failure holds its input, so reading goes on only after it is dropped.
        opened, rows, _numbers = open_body(self.listing, body, mend)
        # The count comes before the reading: a whole list sent by mistake takes seconds.
        if rows is not None and len(rows) != 1:
            key = self.listing.key
            raise Unreadable(f"$.{key}", f"found {len(rows)} {key} instead of one")
        ((_sent, row, path),) = self._each(opened, opened, rows)
        found: T = self.row(row, path=path)
        return found

    def row(self, row: Text, decoders: Decoders[Any] | None = None, *, path: str = "$") -> Any:
        """Read a row, or some of its fields by other ``decoders``. Repairs all of it if that fails."""
        if not is_dense(row):
            try:
                return (decoders or self.typed).row.decode(row)
            except UNREAD:
                pass  # As above.
        return repair(self.listing.row, mend(row), path)

    def part(self, part: bytes, decoders: Decoders[Any] | None = None) -> Sequence[Any]:
        """Read a JSON list of rows with readable marks, as :meth:`row` reads each."""
        try:
            return (decoders or self.typed).rows.decode(part)
        except UNREAD:
            pass  # As above.
        return [self.row(row, decoders) for row in self.raw.rows.decode(part)]

    def _fast(self, body: bytes, meta: ResponseMeta, taker: "_Typed") -> Steps[ReadPage[Any] | None]:
        """Read a page as documented, a large one slice by slice; None if it has to be opened."""
        try:
            cut = taker.cut(body, self.listing.key, slice_bytes=taker.slice_bytes, min_bytes=taker.min_bytes)
            if cut is not None:
                envelope, slices = cut
                numbers = self.typed.page.decode(envelope)
                if numbers.rows == []:
                    for number, rows in enumerate(slices, 1):
                        taker.take_list(rows)
                        if number % taker.slices_a_step == 0:
                            yield
                    return taker.page(numbers, meta)
            whole = taker.take_page(body)
            return None if whole is None else taker.page(whole, meta)
        except UNREAD:
            return None

    def _each(self, sent: bytes, opened: bytes, rows: list[Raw] | None) -> Iterator[tuple[bytes, Text, str]]:
        """Give each row's bytes as sent, its text as opened, and its JSON path."""
        if rows is None:
            yield sent.strip(), opened, "$"
            return
        end = 0
        for index, row in enumerate(rows):
            # Rows lie in the body in this order.
            start = opened.index(row, end)
            end = start + len(memoryview(row))
            yield sent[start:end], row, f"$.{self.listing.key}[{index}]"


_reader_of: Callable[[Listing[Any]], Reader[Any]] = functools.cache(Reader)


def reader_of(listing: Listing[T]) -> Reader[T]:
    """Give the one reader of a list."""
    return _reader_of(listing)


class _Typed:
    """Takes a page's rows, in one go, list by list, or one by one.

    The base, and the taker of typed rows: these are their own marks.
    """

    # A slice stays in the processor's cache for all that is done with it. A step is some 250 chats: ``benchmarks walk``
    # tells how long it holds the event loop. A page of the default size has less than this minimum, and holds the loop
    # for 5 ms. In slices it would cost up to a tenth more.
    slice_bytes: ClassVar = 256 * 1024
    min_bytes: ClassVar = 2 * 1024 * 1024
    slices_a_step: ClassVar = 2
    cut = staticmethod(cut_rows)

    def __init__(self, reader: Reader[Any]) -> None:
        self._reader = reader
        self._rows: list[Any] = []
        self._marks: list[Any] = []
        self._ends: list[int] = []
        """How many rows there are up to the end of each list, where lists stay as they are."""

    def take_page(self, body: bytes) -> _Whole | None:
        """Take all rows of a page; None if it has none under the list's key, or cannot be read in one go."""
        page = self._reader.typed.page.decode(body)
        if page.rows is UNSET:
            return None
        self._rows = page.rows
        return page

    def take_list(self, rows: bytes) -> None:
        """Take the rows of a JSON list."""
        self._rows += self._reader.typed.rows.decode(rows)

    def take_row(self, sent: bytes, row: Text, path: str) -> None:  # noqa: ARG002 - what raw rows need
        """Take one row, which may need repair."""
        self._rows.append(self._reader.row(row, path=path))

    def page(self, numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        """Give the page of the taken rows."""
        rows = self._rows
        return ReadPage(rows=rows, marks=rows, timed=rows.__getitem__, numbers=numbers, meta=meta)


class _Raw(_Typed):
    """Takes rows as they were sent. Two scans with next to no decoding are cheaper than decoding all."""

    def take_page(self, body: bytes) -> _Whole | None:
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
        self._marks.append(self._reader.row(row, self._reader.marks, path=path))
        self._rows.append(sent)

    def page(self, numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        return self._page_of(self._rows, numbers, meta)

    def _page_of(self, rows: Sequence[bytes], numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        reader = self._reader
        return ReadPage(
            rows=rows,
            marks=self._marks,
            timed=lambda index: reader.row(rows[index], reader.times),
            numbers=numbers,
            meta=meta,
        )


class _Lines(_Raw):
    """Takes raw rows as JSON lines: with one scan, and no object for a row.

    A page whose rows do not begin alike, or have line breaks, is not for it.
    """

    min_bytes: ClassVar = 0
    slices_a_step: ClassVar = 16
    cut = staticmethod(cut_lines)

    def take_page(self, body: bytes) -> _Whole | None:  # noqa: ARG002 - see the class
        return None

    def take_list(self, rows: bytes) -> None:
        self._marks += self._reader.marks.row.decode_lines(rows)
        self._rows.append(rows)
        self._ends.append(len(self._marks))

    def page(self, numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        return self._page_of(RawRows(self._rows, self._ends), numbers, meta)


class _Late(_Typed):
    """Takes the parts of a large page, each a list of rows to be decoded later. A small page is not for it.

    A part's rows stay in the processor's nearest cache until they are dropped, and the next part's take their place
    there. A walk in pages of 2,000 rows thus takes less CPU than a bare loop over whole decoded pages (``python -m
    benchmarks compare``).
    """

    slice_bytes: ClassVar = 64 * 1024
    min_bytes: ClassVar = 3 * 512 * 1024
    slices_a_step: ClassVar = 32

    def take_page(self, body: bytes) -> _Whole | None:  # noqa: ARG002 - see the class
        return None

    def take_list(self, rows: bytes) -> None:
        self._marks += self._reader.marks.rows.decode(rows)
        self._rows.append(rows)
        self._ends.append(len(self._marks))

    def page(self, numbers: Numbers, meta: ResponseMeta) -> ReadPage[Any]:
        reader, parts, ends = self._reader, self._rows, self._ends
        rows = LateRows(Parts(parts, ends, reader.part))
        # Times are read by themselves: this is cheaper than decoding the rows, and keeps none of them.
        times = LateRows(Parts(parts, ends, lambda part: reader.part(part, reader.times)))
        return ReadPage(rows=rows, marks=self._marks, timed=times.__getitem__, numbers=numbers, meta=meta)


# The kinds in the order of trial: a page too small to be read late is read typed.
_KINDS: dict[Want, tuple[type[_Typed], ...]] = {"typed": (_Typed,), "raw": (_Lines, _Raw), "late": (_Late, _Typed)}
