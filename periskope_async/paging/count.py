"""What the answer's ``count`` is worth: a total, the page's own number, or nothing (pure).

It is documented as the total, and no recorded answer proves it, so it plans how far to look ahead and it is asked
whether something is missing; it never ends a walk by itself.
"""

from __future__ import annotations

__all__ = ["Count"]

_NO_BOUND = 1 << 62


class Count:
    """The latest count, and whether it has been seen to count more than its own page."""

    def __init__(self) -> None:
        self.look_ahead = 1
        """Pages that are worth having out at once, as far as the end is known."""
        self.is_proven = False
        """Whether it was seen to count more than what had been read: a page's own number never does."""
        self.is_verified = False
        """Whether it was seen not to be too low: right behind as many rows as were counted lay none."""
        self._is_first_whole = False
        self._has_first = False
        self._empty_at: int | None = None
        self._is_not_of_page = False
        self._value: int | None = None
        self._is_refuted = False
        self._pages = 0

    @property
    def is_total(self) -> bool:
        """Whether it can be taken for the number of all rows: it counted more than a page held, and none lay beyond."""
        return self._is_not_of_page and not self._is_refuted

    @property
    def may_be_one_page(self) -> bool:
        """Whether the first page may be all there is: fewer rows than it might have held, and as many as it counts.

        A server that gives no more at once and counts the page looks the same, but for what lies right behind.
        """
        return self._is_first_whole and self._pages == 1

    @property
    def was_one_page(self) -> bool:
        """Whether the first page was all there was."""
        return self._is_first_whole and self.is_verified

    def was_told(self, value: int | None, *, rows: int, offset: int, asked: int) -> None:
        """Take an answer's count, how many rows it held, from where on, and how many were asked for."""
        if not self._has_first:
            self._has_first, self._is_first_whole = True, offset == 0 and rows == value and rows < asked
        # Where rows have left, a count that is too low has become less too.
        self.is_verified |= value is not None and value == (offset if rows == 0 else self._empty_at)
        if value is not None:
            self._value = value
            self._is_not_of_page |= value > rows
            if rows and offset + rows > value:
                self._refute()

    def was_empty_at(self, offset: int) -> None:
        """Learn that no row lay there, from an answer that counted none; a later one may still count that many."""
        self._empty_at = offset

    def was_reached(self, end: int, *, has_rows: bool, is_full: bool) -> None:
        """Learn from a page that ended one before ``end``."""
        self._pages += 1
        if self._value is None or (has_rows and end > self._value):
            self._refute()
        elif end < self._value and not self._is_refuted:
            self.is_proven = True
        if self.is_proven:
            self.look_ahead = _NO_BOUND
        elif self._pages > 1 and is_full:
            # Nobody knows where the end is: look further ahead with each full page.
            self.look_ahead = min(2 * self.look_ahead, _NO_BOUND)
        else:
            self.look_ahead = 1

    def is_passed_by(self, offset: int) -> bool:
        """Whether an offset lies at or beyond the last row, as far as the count can be believed."""
        return self._value is not None and not self._is_refuted and offset >= self._value

    def beyond(self, rows: int) -> int:
        """Rows that it counts beyond so many, below 0 where there are fewer; 0 where it cannot be believed."""
        return 0 if self._value is None or self._is_refuted else self._value - rows

    def _refute(self) -> None:
        self._is_refuted, self.is_proven = True, False
