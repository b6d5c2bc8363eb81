"""A list of rows, newest first. Rows of the start are made from their number at their first use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Entry", "Shelf", "Wanted"]

_LISTS_KEPT = 16


@dataclass(slots=True, eq=False)
class Entry:
    """A row's place in the list, and its values for filters. ``at`` is in Unix seconds.

    ``made_from`` is the source of the row; ``row`` is there once the row changed; ``text`` once it was written.
    """

    key: str
    at: int = 0
    phone: str | None = None
    chat_id: str | None = None
    tag: str | None = None
    made_from: Any = None
    row: dict[str, Any] | None = None
    text: bytes | None = None


class Wanted(NamedTuple):
    """Which rows are wanted: None lets all through. Times are Unix seconds, both ends included."""

    chat_id: str | None = None
    phone: str | None = None
    tag: str | None = None
    start: float | None = None
    end: float | None = None

    def passes(self, entry: Entry) -> bool:
        """Whether a row is wanted."""
        return (
            self.chat_id in {None, entry.chat_id}
            and self.phone in {None, entry.phone}
            and self.tag in {None, entry.tag}
            and (self.start is None or entry.at >= self.start)
            and (self.end is None or entry.at <= self.end)
        )


class Shelf:
    """The rows of one list.

    ``stock`` gives the rows of the start, ``make`` a row's content, ``fresh`` a made-up new row, and ``news`` the rows
    added elsewhere since the last look, oldest first.
    """

    def __init__(
        self,
        *,
        stock: Callable[[], Iterable[Entry]],
        make: Callable[[Entry], dict[str, Any]],
        fresh: Callable[[], Entry],
        news: Callable[[], Iterable[Entry]] = tuple,
    ) -> None:
        self._stock = stock
        self._make = make
        self._fresh = fresh
        self._news = news
        self._filtered: dict[Wanted, list[Entry]] = {}

    @cached_property
    def _entries(self) -> list[Entry]:
        """All rows, newest first. Made at the first request: most sandboxes serve chats alone."""
        return list(self._stock())

    @cached_property
    def _by_key(self) -> dict[str, Entry]:
        return {entry.key: entry for entry in self._entries}

    def entries(self, wanted: Wanted = Wanted()) -> list[Entry]:  # noqa: B008 - it is frozen
        """Give the wanted rows, newest first. The list is the shelf's own: not to be changed."""
        self._catch_up()
        if wanted == Wanted():
            return self._entries
        if wanted not in self._filtered:
            while len(self._filtered) >= _LISTS_KEPT:
                self._filtered.pop(next(iter(self._filtered)))
            self._filtered[wanted] = [entry for entry in self._entries if wanted.passes(entry)]
        return self._filtered[wanted]

    def find(self, key: str) -> Entry | None:
        """Give the row of a key, if it is there."""
        self._catch_up()
        return self._by_key.get(key)

    def row(self, entry: Entry) -> dict[str, Any]:
        """Give a row's content. Only :meth:`change` may change it."""
        return self._make(entry) if entry.row is None else entry.row

    def text(self, entry: Entry) -> bytes:
        """Give a row as JSON."""
        if entry.text is None:
            entry.text = msgspec.json.encode(self.row(entry))
        return entry.text

    def add(self, entry: Entry) -> Entry:
        """Put a new row in front."""
        self._catch_up()
        return self._put(entry)

    def grow(self) -> Entry:
        """Put a made-up row of now in front."""
        return self.add(self._fresh())

    def change(self, entry: Entry, **changes: Any) -> dict[str, Any]:
        """Change a row where it stands. Returns its content."""
        entry.row = {**self.row(entry), **changes}
        entry.text = None
        return entry.row

    def remove(self, entry: Entry) -> None:
        """Take a row out."""
        self._entries.remove(entry)
        del self._by_key[entry.key]
        self._filtered.clear()

    def _catch_up(self) -> None:
        for entry in self._news():
            self._put(entry)

    def _put(self, entry: Entry) -> Entry:
        self._entries.insert(0, entry)
        self._by_key[entry.key] = entry
        self._filtered.clear()
        return entry

    def __len__(self) -> int:
        return len(self._entries)
