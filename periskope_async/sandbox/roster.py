"""The present list of chats: its orders, its filters, and its changes since the start.

Nothing is sorted. Both orders come from the arithmetic of :mod:`periskope_async.sandbox.data`. The few moved chats
are taken out of their old place and stand, newest first, in front of the rest.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from periskope_async.sandbox.data import TRAITS, ChatData, Traits
from periskope_async.sandbox.order import Places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from periskope_async.sandbox.validation import Filters, SortBy

__all__ = ["Nulls", "Roster", "Segment"]

Nulls = Literal["first", "last"]

_FILTERS_KEPT = 8


@dataclass(frozen=True, slots=True)
class _Moved:
    """A chat's changes after the start: Unix seconds of its insertion and of its last new message."""

    created: int | None = None
    messaged: int | None = None
    wakes: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the list, newest first. In a ``tied`` one all chats have the same sort key."""

    chats: Sequence[int] | Places
    rank_to_index: bool
    tied: bool = False


class Roster:
    """All present chats, in ``created_at`` and in latest-message order. Not for use by several threads at once.

    Chats with no latest message stand at the place of Postgres' nulls: first in descending order and last in
    ascending (``nulls="first"``), or the other way round (``nulls="last"``).
    """

    def __init__(self, data: ChatData, *, nulls: Nulls = "first") -> None:
        self.data = data
        self._nulls: Nulls = nulls
        self._moved: dict[int, _Moved] = {}
        self._removed: set[int] = set()
        self._inserted: list[int] = []
        self._woken: list[int] = []
        self._next = data.total
        self._changes: dict[int, dict[str, Any]] = {}
        self._traits: dict[int, Traits] = {}
        self._given_ids: dict[str, int] = {}
        self._trait_keys: array[int] | None = None
        self._places: OrderedDict[tuple[str, Filters], Places] = OrderedDict()

    def __len__(self) -> int:
        return self._next - len(self._removed)

    @property
    def ever(self) -> int:
        """How many indexes were ever given out: all present chats are below."""
        return self._next

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self._next and index not in self._removed

    def find(self, chat: int | str) -> int:
        """Find a present chat by its index or id, and give its index. Raises :class:`KeyError` for any other."""
        index = self._given_ids.get(chat, self.data.index_of(chat)) if isinstance(chat, str) else chat
        if index is None or index not in self or (isinstance(chat, str) and self.chat_id(index) != chat):
            raise KeyError(f"no chat {chat!r} in the sandbox now")
        return index

    def chat_id(self, index: int) -> str:
        """Give a chat's id."""
        changed = self._changes.get(index)
        return str(changed["chat_id"]) if changed and "chat_id" in changed else self.data.chat_id(index)

    def traits(self, index: int) -> Traits:
        """Give a chat's values for filters."""
        return self._traits.get(index) or TRAITS[self.data.trait_key(index)]

    def row(self, index: int) -> dict[str, Any]:
        """Make the chat's row as it is now."""
        moved = self._moved.get(index, _Moved())
        row = self.data.chat(index, created=moved.created, messaged=moved.messaged, wakes=moved.wakes)
        if index in self._changes:
            row.update((name, value) for name, value in self._changes[index].items() if name in row)
        return row

    def whole(self, index: int) -> dict[str, Any]:
        """Make the present answer for one chat, with members, and with the further keys of changed chats."""
        changes = self._changes.get(index, {})
        whole = self.data.whole_chat(index, self.row(index), with_members="members" not in changes)
        return dict(sorted({**whole, **changes}.items())) if changes else whole

    def change(self, index: int, changes: dict[str, Any], *, traits: Traits | None = None) -> None:
        """Change the content of a chat. ``traits`` are its new values for filters, if they change."""
        self._changes[index] = {**self._changes.get(index, {}), **changes}
        if traits is not None:
            self._traits[index] = traits
            # Filtered places are not worth mending: writes to traits are rare.
            self._places.clear()

    def name(self, index: int, chat_id: str) -> None:
        """Give an inserted chat another id than the made one."""
        self._given_ids[chat_id] = index
        self._changes[index] = {**self._changes.get(index, {}), "chat_id": chat_id}

    def last_said(self, index: int) -> _Moved:
        """Give the time of a chat's last wake, and the number of its wakes."""
        return self._moved.get(index, _Moved())

    def wake(self, index: int, now: int) -> None:
        """Give the chat a new latest message: it goes to the front of the latest-message order alone."""
        moved = self._moved.get(index, _Moved())
        self._moved[index] = replace(moved, messaged=now, wakes=moved.wakes + 1)
        self._changes.get(index, {}).pop("latest_message", None)
        if moved.messaged is None:
            self._leave("latest_message_timestamp", index)
        else:
            self._woken.remove(index)
        self._woken.append(index)

    def insert(self, now: int) -> int:
        """Add a chat, created now with a first message: it stands in front in both orders. Returns its index."""
        index, self._next = self._next, self._next + 1
        self._moved[index] = _Moved(created=now, messaged=now)
        self._inserted.append(index)
        self._woken.append(index)
        return index

    def remove(self, index: int) -> None:
        """Take a chat out of the list."""
        self._removed.add(index)
        self._leave("created_at", index)
        if self._moved.pop(index, None) is None:
            self._leave("latest_message_timestamp", index)
        else:
            self._woken.remove(index)
        if index >= self.data.total:
            self._inserted.remove(index)

    def segments(self, sort_by: SortBy, filters: Filters) -> list[Segment]:
        """Give the filtered list, newest first, as stretches. Their lengths add up to its own."""
        front = self._inserted if sort_by == "created_at" else self._woken
        ahead = Segment([index for index in reversed(front) if self.passes(index, filters)], rank_to_index=False)
        if sort_by == "created_at":
            dated, undated = (self._base(part, filters) for part in ("dated", "undated"))
            return [ahead, Segment(dated, rank_to_index=False), Segment(undated, rank_to_index=False, tied=True)]
        silent, spoken = (self._base(part, filters) for part in ("silent", "spoken"))
        quiet = Segment(silent, rank_to_index=True, tied=True)
        rest = [ahead, Segment(spoken, rank_to_index=True)]
        return [quiet, *rest] if self._nulls == "first" else [*rest, quiet]

    def stretch(self, segment: Segment, start: int, stop: int) -> Iterable[int]:
        """Give the indexes of the ``start``-th to before the ``stop``-th chat of a segment."""
        if not isinstance(segment.chats, Places):
            return segment.chats[start:stop]
        ranks = segment.chats.slice(start, stop)
        return map(self.data.index_at_message_rank, ranks) if segment.rank_to_index else ranks

    def _base(self, part: str, filters: Filters) -> Places:
        """Give the filtered places of one part of an order, and keep the last few of them."""
        key = (part, filters)
        if key in self._places:
            self._places.move_to_end(key)
            return self._places[key]
        data = self.data
        whole = {
            "dated": range(data.dated),
            "undated": range(data.dated, data.total),
            "silent": range(data.silent),
            "spoken": range(data.silent, data.total),
        }[part]
        by_created = part.endswith("dated")
        ranks: Sequence[int] = whole
        if not filters.empty:
            places = whole if by_created else map(data.index_at_message_rank, whole)
            passed = self._all_passing(filters)
            ranks = array("I", [rank for rank, index in zip(whole, places, strict=True) if passed[index]])
        gone = self._removed if by_created else self._removed.union(self._moved)
        without = (i if by_created else data.message_rank(i) for i in gone if i < data.total)
        self._places[key] = Places(ranks, without=without)
        # Four parts belong to each filter, and the unfiltered ones are cheap to make again.
        while len(self._places) > 4 * _FILTERS_KEPT:
            self._places.popitem(last=False)
        return self._places[key]

    def _leave(self, sort_by: SortBy, index: int) -> None:
        if index >= self.data.total:
            return
        by_created = sort_by == "created_at"
        rank = index if by_created else self.data.message_rank(index)
        for (part, _), places in self._places.items():
            if part.endswith("dated") == by_created:
                places.take_out(rank)

    def passes(self, index: int, filters: Filters) -> bool:
        """Whether a present chat passes the filters."""
        return filters.empty or _lets_through(filters, self.traits(index), self._created_at(index))

    def _created_at(self, index: int) -> int:
        created = self._moved.get(index, _Moved()).created
        return self.data.created_at(index) if created is None else created

    def _all_passing(self, filters: Filters) -> bytearray:
        """Give for every chat of the start whether it passes, from a list of trait keys made once."""
        if self._trait_keys is None:
            self._trait_keys = array("H", map(self.data.trait_key, range(self.data.total)))
        timeless = replace(filters, start=None, end=None)
        known = bytes(_lets_through(timeless, traits, 0) for traits in TRAITS)
        passing = bytearray(map(known.__getitem__, self._trait_keys))
        for index, traits in self._traits.items():
            if index < self.data.total:
                passing[index] = _lets_through(timeless, traits, 0)
        if timeless != filters:
            for index in range(self.data.total):
                if passing[index]:
                    passing[index] = _in_time(filters, self.data.created_at(index))
        return passing


def _in_time(filters: Filters, created_at: int) -> bool:
    after_start = filters.start is None or created_at >= filters.start
    return after_start and (filters.end is None or created_at <= filters.end)


def _lets_through(filters: Filters, traits: Traits, created_at: int) -> bool:
    return (
        filters.chat_type in {None, traits.chat_type}
        and (filters.label is None or filters.label in traits.labels)
        and (filters.phone is None or filters.phone in traits.phones)
        and _in_time(filters, created_at)
    )
