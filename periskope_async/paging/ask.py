"""What a walk asks for, and what it needs to know of the answer (pure)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from msgspec import Struct

from periskope_async.decoding.late_rows import LateRows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Answered", "Ask", "Consistency", "Phase", "pick"]

T = TypeVar("T")

Consistency: TypeAlias = Literal["exact", "dedupe", "none"]


class Phase(Enum):
    """Which part of the walk a page belongs to."""

    MAIN = "main"
    HEAD = "head"
    """Catching up what jumped behind the reader: newest first, whatever the order of the walk."""
    PEEK = "peek"
    """One row right behind where the count says that the list ends: where none is, that is not too low."""
    AGAIN = "again"
    """Over the list once more, in the other direction."""


class Ask(Struct, frozen=True):
    """A page to ask for."""

    phase: Phase
    offset: int
    limit: int
    is_gap: bool = False
    """Whether it only joins what was placed with a page that has come already."""
    is_reversed: bool = False
    """Whether to ask in the opposite sort order."""

    @property
    def is_behind(self) -> bool:
        """Whether the page lies behind the reader, where a resumed walk would not look again."""
        return self.phase is not Phase.MAIN


class Answered(Struct, frozen=True, kw_only=True):
    """A page as it came, told in what the walk needs to know."""

    keys: Sequence[int]
    """What identifies each row."""
    count: int | None = None
    first_index: int | None = None
    """The answer's ``from``: the first row's place, counted from 1."""
    resumed_after: int | None = None
    """While the walk resumes: the index of the last row that the token names and that stands where it stood."""
    named: Sequence[int] = ()
    """The indexes of all rows that the token names: they were delivered before the cut."""
    is_all: bool = False
    """Whether the answer is known to be everything: the one chat that was asked for by its id."""
    time_of: Callable[[int], float | None] = lambda _: None
    """Reads a row's sort time in Unix seconds, None where it has none; called for the few rows where that matters."""
    changed_since: Callable[[Sequence[int], float], int] = lambda indexes, _: len(indexes)
    """Counts those of the rows that may have come or changed since a time in Unix seconds: all but those that say when
    they were changed last, and say a time before that one."""
    date: float | None = None
    """The server's time of answering in Unix seconds."""
    seconds: float = 0.0
    """How long the answer took."""

    @property
    def cut_after(self) -> float | None:
        """A moment by the server's clock before which the page was not cut: it may have waited to be sent."""
        return None if self.date is None else self.date - self.seconds


def pick(indexes: Sequence[int], rows: Sequence[T]) -> Sequence[T]:
    """Give the rows of these indexes, which are in order; a run of rows, as most are, in one piece."""
    if isinstance(indexes, range):
        return rows[indexes.start : indexes.stop]
    return rows.pick(indexes) if isinstance(rows, LateRows) else [rows[index] for index in indexes]
