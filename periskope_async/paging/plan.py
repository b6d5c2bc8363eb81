"""Which pages to ask for next: where they begin, how far they overlap, and how many are worth having out (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.paging.ask import Ask, Phase

if TYPE_CHECKING:
    from periskope_async.paging.count import Count

__all__ = ["LEAST_OVERLAP", "Plan", "least_overlap"]

# The most that the API gives in one answer.
MAX_LIMIT = 2000
# Rows that a page shares with the one before, where nothing leaves; and the most, as a part of a page.
LEAST_OVERLAP = 3
_MOST_OF_A_PAGE = 4


class Plan:
    """The pages that are out, oldest first, and the place at which the next one begins."""

    def __init__(self, *, page_size: int, base: int, cursor: int, is_overlapping: bool) -> None:
        self.page_size = page_size
        self.given = page_size
        """Rows of a full page: fewer than asked for where the server clamps the limit."""
        self.most_rows = MAX_LIMIT
        """Never to be asked for more than that."""
        self.base = base
        """Where the walk began."""
        self.cursor = cursor
        """One past the last row that was placed."""
        self.out: list[Ask] = []
        self._is_overlapping = is_overlapping
        self._is_reversed = self._has_turned = False
        self._largest = 0
        self._accepted = 0
        self._seam = LEAST_OVERLAP
        self._next_offset = max(base, cursor - self.overlap)
        self.is_to_peek = False
        """Whether to find out next whether the count is too low."""
        self._has_peeked_ahead = False

    @property
    def overlap(self) -> int:
        """Rows that a page shares with the one before: a few, and never so many that small pages get nowhere."""
        if not self._is_overlapping or self.given == 1:
            return 0
        least = least_overlap(self.given)
        return least if self._seam <= LEAST_OVERLAP else max(least, min(self._seam, self.given // _MOST_OF_A_PAGE))

    @property
    def was_one_page(self) -> bool:
        """Whether a single answer held all rows from where the walk began, or turned round, to where it ended."""
        return self._largest >= self.cursor - self.base

    def reached(self, end: int, *, rows: int) -> int:
        """Note that a page of so many rows was placed, which ended there; give how many rows further that is."""
        gained = max(0, end - self.cursor) if rows else 0
        self.cursor += gained
        self._largest = max(self._largest, rows)
        return gained

    def rose(self, rows: int) -> None:
        """Overlap by more from now on, where rows rise by so many between two pages; and by less again in time."""
        self._seam = max(LEAST_OVERLAP, self._seam - 1, 2 * rows + 1)

    def next_page(self, phase: Phase, *, wanted: int, count: Count, may_peek: bool) -> Ask | None:
        """Plan the page behind the last one; None where no more rows are wanted, or none are likely to be there.

        Where it ``may_peek``, that follows the last page at once.
        """
        if self.is_to_peek:
            return self.peek(count)
        if self.out and self.out[-1].phase is Phase.PEEK:
            # Where it is given up, nothing that is out is left behind it.
            return None
        reach = max(self.cursor, *(last.offset + min(last.limit, self.given) for last in self.out[-1:]), 0)
        # Once turned round, nearly all rows are known: how many are wanted says nothing of how many to ask for.
        wanted = wanted if self._has_turned else wanted - (reach - self.cursor)
        # Where the last page will be full, only one more says that it was the last.
        if wanted <= 0:
            return None
        if self.out and count.beyond(reach) < 0:
            is_to_peek = may_peek and not self._has_peeked_ahead
            self._has_peeked_ahead |= is_to_peek
            return self.peek(count) if is_to_peek else None
        if self._has_turned and self.out and not self._largest:
            # Nobody knows yet how many rows the server gives to one who asks for the most.
            return None
        known_ahead = max(0, reach - self._next_offset)
        limit = self.page_size if self._has_turned else min(self.page_size, wanted + known_ahead)
        ask = Ask(phase, self._next_offset, limit, is_reversed=self._is_reversed)
        self._next_offset += max(1, min(ask.limit, self.given) - self.overlap)
        self.out.append(ask)
        return ask

    def peek(self, count: Count) -> Ask:
        """Plan to ask for what lies right behind as many rows as are counted."""
        self.is_to_peek = False
        ask = Ask(Phase.PEEK, count.beyond(0), 1)
        self.out.append(ask)
        return ask

    def gap_before(self, ask: Ask, *, step: int) -> Ask:
        """Plan a small page that joins what was placed with a page that is out, and have it out before that one.

        It reaches a page's length into that page, for rows may sink meanwhile.
        """
        start = max(self.base, ask.offset - step)
        limit = ask.offset - start + self.given
        gap = Ask(Phase.MAIN, start, min(limit, self.most_rows), is_gap=True)
        self.out.insert(self.out.index(ask), gap)
        return gap

    def ask_for_less(self, limit: int, *, is_refused: bool) -> int | None:
        """Never ask for so many rows again: the server refused to give them, or such a page did not come.

        Gives what to ask for at the most: where it was refused half of it, or as many as the first pass asks for if
        that is more. Where it did not come just these, and None if they are no fewer: then the reason is another one.
        """
        known = self._accepted if self._has_turned else self.page_size
        if limit <= (1 if is_refused else known):
            return None
        self.most_rows = max(limit // 2 if is_refused else 0, known if known < limit else 0, 1)
        self.page_size = min(self.page_size, self.most_rows)
        # What the server gives at the most stays known, though it may be asked for more than that.
        self.given = min(self.given, self.page_size)
        return self.most_rows

    def go_on_from(self, offset: int) -> None:
        """Drop what is out, and begin the next page there."""
        self._next_offset = max(self.base, offset)
        self.out.clear()

    def go_on_behind(self, end: int, *, overlap: int | None = None) -> bool:
        """Begin the next page so many rows before an end that was reached; tell whether pages are dropped for that."""
        has_dropped = bool(self.out)
        self.go_on_from(end - (self.overlap if overlap is None else overlap))
        return has_dropped

    def ask_again(self) -> None:
        """Drop what is out; the same pages are asked for anew."""
        if self.out and self.out[0].phase is Phase.PEEK:
            self.is_to_peek = True
            self.out.clear()
        elif self.out:
            self.go_on_from(self.out[0].offset)

    def turn_round(self) -> None:
        """Begin again, in the other direction and in the largest pages."""
        self._is_reversed = not self._is_reversed
        if not self._has_turned:
            self._accepted = self.page_size
        self._has_turned = True
        self.page_size = self.given = self.most_rows
        self.cursor = self.base
        self._largest = 0
        self.go_on_from(self.base)


def least_overlap(rows: int) -> int:
    """Give how many rows a page of so many shares with the one before, in a list that stands still."""
    return min(LEAST_OVERLAP, max(1, rows // 10))
