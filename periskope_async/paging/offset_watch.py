"""Whether the server heeds the offset at all: one that does not would be read for ever, or lose rows (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.errors import PaginationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.paging.ask import Answered, Ask

__all__ = ["OffsetWatch"]

# A list that gains a whole page between two requests shows a full page of known rows; thrice in a row is no list.
_MOST_FULL_PAGES = 3
# At the end of the list a single new row does it, where no count says that this is the end.
_MOST_SHORT_PAGES = 30


class OffsetWatch:
    """What the pages so far have shown."""

    def __init__(self) -> None:
        self.is_suspicious = False
        """Whether the last page held nothing new, and nothing else vouches for the offset: ask for one page at a time,
        since pages asked for at once may reach the server late, and a list that moves has sunk by then."""
        self._index_base: int | None = None
        self._is_vouched_for = False
        self._barren = self._full = 0
        self._last_page: Sequence[int] = ()

    def check(self, ask: Ask, answer: Answered) -> None:
        """Compare the answer's own word on where it begins with what was asked. Raises PaginationError."""
        self._is_vouched_for = answer.first_index is not None and ask.offset > 0
        if not answer.keys or answer.first_index is None:
            return
        # "from" counts from 1 where the offset counts from 0; the first page shows it, and no other may differ.
        base = answer.first_index - ask.offset
        if self._index_base is None and base in {0, 1}:
            self._index_base = base
        if base != self._index_base:
            raise PaginationError(
                f"the server ignored offset={ask.offset}: its answer begins with row {answer.first_index}; "
                "going on would lose rows or never end"
            )

    def look_for_repeats(self, ask: Ask, keys: Sequence[int], *, base: int) -> None:
        """Count a page as barren where it holds just the rows of the one before; ``base`` is where the walk began."""
        is_repeated = bool(keys) and ask.offset > base and set(keys) == set(self._last_page)
        self.count_barren(ask, is_barren=is_repeated, is_full=len(keys) == ask.limit)
        self._last_page = keys

    def count_barren(self, ask: Ask, *, is_barren: bool, is_full: bool) -> None:
        """Take note of a page: whether it reached beyond what is known, and held nothing new.

        Raises PaginationError where that goes on. Where the answer's own word has vouched for the offset, the list has
        sunk under the reader, and will end.
        """
        self.is_suspicious = is_barren and not self._is_vouched_for
        self._barren = self._barren + 1 if self.is_suspicious else 0
        self._full = self._full + is_full if self.is_suspicious else 0
        if self._full >= _MOST_FULL_PAGES or self._barren >= _MOST_SHORT_PAGES:
            raise PaginationError(
                f"{self._barren} pages in a row, the last at offset {ask.offset}, held nothing new: "
                "the server ignores the offset, or the list moves faster than it can be read"
            )
