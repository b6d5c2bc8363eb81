"""The requests of a walk, and its pages as received and delivered (pure)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence  # noqa: TC003 - help() reads them
from enum import Enum
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.decoding.late_rows import LateRows
from periskope_async.errors import PaginationError
from periskope_async.meta import ResponseMeta  # noqa: TC001 - help() reads it

if TYPE_CHECKING:
    from periskope_async.call import Costs

__all__ = ["Ask", "Consistency", "OffsetCheck", "Page", "Phase", "Source", "UnreadPage", "pick", "watermark"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# Equal pages in a row: a server with so many ignores the offset.
_MAX_REPEATS = 5
# Sort times may be whole seconds, written by several machines. Date is in whole seconds too, from another machine.
_ROWS_SLACK_SECONDS = 1.0
_DATE_SLACK_SECONDS = 2.0

Consistency: TypeAlias = Literal["exact", "dedupe", "none"]


class Phase(Enum):
    """The part of a walk."""

    FIRST = "first"
    """The first pass over the list."""
    HEAD = "head"
    """A look at the newest rows, for rows moved behind the reader."""
    AGAIN = "again"
    """A further pass, in the opposite order if the list offers it."""
    OVER = "over"


class Ask(Struct, frozen=True):
    """A page to ask for."""

    phase: Phase
    offset: int
    limit: int
    is_reversed: bool = False
    """Whether to ask in the opposite order."""


class Page(Struct, Generic[T_co], frozen=True, kw_only=True):
    """The rows of one answer, in order.

    The pager delivers only new rows; all of them under ``consistency="none"``.
    """

    items: Sequence[T_co]
    """The rows. They may be :class:`LateRows`, decoded on access."""
    keys: Sequence[int]
    """Each row's identity, hashed."""
    identity: Callable[[int], tuple[str | None, ...]]
    """Gives an item's identity: the values of the list's identity fields, of a chat ``(chat_id, org_phone)``."""
    count: int | None
    """The server's count of all rows, if it gave one: a plan, never a promise."""
    first_index: int | None
    """The answer's ``from``: the first row's index in the list, counted from 1."""
    meta: ResponseMeta
    is_all: bool = False
    """Whether this is known to be everything: a single row, asked for by its id."""
    sort_time: Callable[[int], float | None]
    """Reads an item's sort time in Unix seconds, None if it has none."""
    changed_since: Callable[[Sequence[int], float], int]
    """Counts the given rows with a possible arrival or change since a time in Unix seconds, by their ``updated_at``."""
    offset: int = 0
    """The requested offset, counted from 0; in the opposite order if the request was."""
    indexes: Sequence[int] | None = None
    """Each item's index in the answer, counted from 0; None for rows caught up after the first pass."""

    @property
    def cut_after(self) -> float | None:
        """A server time no later than its read of the rows; None without a ``Date``."""
        date = self.meta.rate_limit.server_time
        return None if date is None else date - self.meta.seconds

    def only(self, fresh: Sequence[int], ask: Ask) -> Page[T_co]:
        """Give the page to deliver: the rows of these sorted indexes."""
        return replace(
            self,
            items=pick(fresh, self.items),
            keys=pick(fresh, self.keys),
            identity=_of_chosen(fresh, self.identity),
            sort_time=_of_chosen(fresh, self.sort_time),
            offset=ask.offset,
            indexes=fresh if ask.phase is Phase.FIRST else None,
        )


class UnreadPage(Struct, Generic[T_co], frozen=True):
    """A received answer, not decoded yet."""

    read: Callable[[], Awaitable[Page[T_co]]]
    """Decodes it, and yields to the loop. A second call fetches a cut body anew. Raises DecodeError, and as fetch()."""
    look_through: Callable[[], Awaitable[Page[T_co]]]
    """Does the same, but may leave rows undecoded until delivery."""


class Source(Protocol[T_co]):
    """A source of pages: the client, bound to one query."""

    async def fetch(self, *, offset: int, limit: int, is_reversed: bool, costs: Costs) -> UnreadPage[T_co]:
        """Fetch one page. The source handles retries and the limit."""
        ...

    def requests_per_second(self) -> float:
        """Give the rate of the limit, as well as it is known."""
        ...

    def requests_at_once(self) -> int:
        """Give the limit's burst after a rest."""
        ...


def pick(indexes: Sequence[int], rows: Sequence[T]) -> Sequence[T]:
    """Give the rows of these sorted indexes. A run of rows, the usual case, comes in one piece."""
    if isinstance(indexes, range):
        return rows[indexes.start : indexes.stop]
    return rows.pick(indexes) if isinstance(rows, LateRows) else [rows[index] for index in indexes]


def _of_chosen(indexes: Sequence[int], read: Callable[[int], T]) -> Callable[[int], T]:
    return lambda index: read(indexes[index])


def watermark(newest: float | None, date: float | None) -> float:
    """Give a sort time: no older row has moved since.

    ``newest`` is the sort time of the newest row then, ``date`` the server's clock.
    """
    return max(
        -math.inf if newest is None else newest - _ROWS_SLACK_SECONDS,
        -math.inf if date is None else date - _DATE_SLACK_SECONDS,
    )


class OffsetCheck:
    """Whether the server heeds the offset. Otherwise a walk loses rows, or never ends."""

    def __init__(self, base: int) -> None:
        self.last: Sequence[int] = ()
        """The rows of the last page."""
        self.is_list_whole = False
        """Whether the second answer repeats the first, and neither the asked limit nor a count stands against that."""
        self._base = self._last_offset = base
        self._first_index: int | None = None
        self._repeats, self._is_limit_met = 0, False

    def check(self, ask: Ask, page: Page[object]) -> None:
        """Compare the answer's ``from`` with the requested offset. Raises PaginationError."""
        is_second = self._last_offset == self._base < ask.offset and not self._is_limit_met
        is_told = page.first_index is not None and page.first_index - ask.offset == self._first_index
        is_repeat = is_second and not is_told and bool(page.keys) and set(page.keys) == set(self.last)
        self.is_list_whole = is_repeat and page.count in {None, len(page.keys)}
        if is_told or self.is_list_whole or not page.keys or page.first_index is None:
            return
        # "from" counts from 1, the offset from 0. The first page shows the base, and no other may differ.
        first_index = page.first_index - ask.offset
        if self._first_index is not None or first_index not in {0, 1}:
            raise PaginationError(
                f"the server ignored offset={ask.offset}: its answer begins with row {page.first_index}; "
                "going on would lose rows or never end"
            )
        self._first_index = first_index

    def watch(self, ask: Ask, page: Page[object], *, has_news: bool) -> None:
        """Stop if page after page holds the same rows. Raises PaginationError.

        A right ``from`` proves the offset of an answer: then the list sinks as fast as it is read.
        """
        is_vouched = page.first_index is not None and ask.offset > 0
        is_repeat = bool(page.keys) and ask.offset > self._last_offset and not has_news and not is_vouched
        is_repeat = is_repeat and set(page.keys) == set(self.last)
        self._repeats = self._repeats + 1 if is_repeat else 0
        self.last, self._last_offset, self._is_limit_met = page.keys, ask.offset, len(page.keys) == ask.limit
        if self._repeats >= _MAX_REPEATS:
            raise PaginationError(
                f"{self._repeats} pages in a row, the last at offset {ask.offset}, held the same rows: "
                "the server ignores the offset, or the list moves faster than it can be read"
            )
