"""The list and all its changes, from any thread: pages are cut from it while others move it."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from threading import RLock
from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import PHONES
from periskope_async.sandbox.data import ChatData
from periskope_async.sandbox.pages import Pages
from periskope_async.sandbox.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from periskope_async.sandbox.data import Traits
    from periskope_async.sandbox.pages import Count, Ties
    from periskope_async.sandbox.roster import Nulls
    from periskope_async.sandbox.validation import Filters, ListQuery, SortBy

__all__ = ["Churn", "PageAsked", "World"]


@dataclass(frozen=True, slots=True)
class Churn:
    """The moves before each page: so many chats wake up, are inserted, are removed. 0.5 is every other page."""

    wakes: float = 0.0
    inserts: float = 0.0
    removes: float = 0.0


@dataclass(frozen=True, slots=True)
class PageAsked:
    """The facts of a page for a hook: its number from 1, the requested rows, and the list.

    ``filters`` is None for every list but that of chats, and those lists are newest first.
    """

    number: int
    offset: int
    limit: int
    sort_by: SortBy
    descending: bool
    filters: Filters | None
    list: str = "chats"


class World:
    """Moving chats. ``clock`` gives the server's time in Unix seconds; moved chats bear it."""

    def __init__(
        self,
        *,
        seed: int,
        chats: int,
        churn: Churn,
        count: Count,
        ties: Ties,
        nulls: Nulls,
        clock: Callable[[], float],
        before_page: Callable[[PageAsked], object] | None,
        after_page: Callable[[PageAsked], object] | None,
    ) -> None:
        # One generator for each purpose: shuffled ties do not change the choice of chats to wake.
        self._rng = Random(f"{seed} churn")
        self._roster = Roster(ChatData(seed=seed, total=chats), nulls=nulls)
        self._pages = Pages(self._roster, count=count, ties=ties, rng=Random(f"{seed} ties"))
        self._churn = churn
        self._owed = [0.0, 0.0, 0.0]
        self._listeners: list[Callable[[str, dict[str, Any]], object]] = []
        self._number = 0
        self.clock = clock
        self.lock = RLock()
        # Woken chats, for the list of messages: index, number of the wake, Unix seconds.
        self.woken: deque[tuple[int, int, int]] = deque(maxlen=10_000)
        self.before_page = before_page
        self.after_page = after_page

    def __len__(self) -> int:
        return len(self._roster)

    def wake(self, chat: int | str | None = None) -> str:
        """Give a chat (index, id, or None for a drawn one) a new latest message. Returns its id."""
        with self.lock:
            index = self._drawn() if chat is None else self._roster.find(chat)
            now = int(self.clock())
            self._roster.wake(index, now)
            self._pages.forget(index)
            self.woken.append((index, self._roster.last_said(index).wakes, now))
            if self._listeners:
                self.emit("message.created", self._roster.row(index)["latest_message"])
            return self._roster.chat_id(index)

    def insert(self) -> str:
        """Add a chat. It is newest in both orders. Returns its id."""
        with self.lock:
            now = int(self.clock())
            index = self._roster.insert(now)
            self.woken.append((index, 0, now))
            if self._listeners:
                self.emit("chat.created", self._roster.whole(index))
            return self._roster.chat_id(index)

    def remove(self, chat: int | str | None = None) -> str:
        """Take a chat (index, id, or None for a drawn one) out of the list. Returns its id."""
        with self.lock:
            index = self._drawn() if chat is None else self._roster.find(chat)
            self._roster.remove(index)
            self._pages.forget(index)
            return self._roster.chat_id(index)

    def chat_ids(self, query: ListQuery) -> list[str]:
        """Give the ids of all chats within the query's filters, in its order; its page has no effect here."""
        with self.lock:
            indexes = self._pages.indexes(
                query.sort_by, query.filters, descending=query.descending, start=0, stop=len(self)
            )
            return [self._roster.chat_id(index) for index in indexes]

    def page(self, query: ListQuery) -> bytes:
        """Let the list move, then cut a page."""
        with self.lock:
            asked = PageAsked(
                self.next_number(), query.offset, query.limit, query.sort_by, query.descending, query.filters
            )
            with self.cutting(asked, wake=self.wake, grow=self.insert, shrink=self.remove):
                return self._pages.page(query)

    def next_number(self) -> int:
        """Give the next page its number."""
        self._number += 1
        return self._number

    @contextmanager
    def cutting(
        self,
        asked: PageAsked,
        *,
        grow: Callable[[], object],
        shrink: Callable[[], object],
        wake: Callable[[], object] | None = None,
    ) -> Generator[None]:
        """Let the list move by these ways, and call the hooks around the cut."""
        self._move(wake, grow, shrink)
        if self.before_page:
            self.before_page(asked)
        yield
        if self.after_page:
            self.after_page(asked)

    def one_chat(self, chat_id: str, filters: Filters, *, whole: bool) -> bytes | None:
        """Give one chat if it is there and passes the filters: ``whole`` with members, or as the list's row."""
        with self.lock:
            try:
                index = self._roster.find(chat_id)
            except KeyError:
                return None
            if not self._roster.passes(index, filters):
                return None
            return self._pages.whole_chat(index) if whole else self._pages.row(index)

    # Events

    def listen(self, listener: Callable[[str, dict[str, Any]], object]) -> None:
        """Have ``listener(event_name, object)`` called for each event, in the event's thread."""
        self._listeners.append(listener)

    def emit(self, name: str, said: dict[str, Any]) -> None:
        """Tell the listeners of an event. They must not change the object."""
        for listener in self._listeners:
            listener(name, said)

    # What endpoints do to chats

    def whole(self, chat_id: str, phone: int | None = None) -> dict[str, Any] | None:
        """Give a chat with all its keys, if it is there and, with a ``phone``, on it."""
        try:
            index = self._roster.find(chat_id)
        except KeyError:
            return None
        seen = phone is None or phone in self._roster.traits(index).phones
        return self._roster.whole(index) if seen else None

    def traits(self, chat_id: str) -> Traits:
        """Give a chat's values for filters. Raises :class:`KeyError` for an unknown one."""
        return self._roster.traits(self._roster.find(chat_id))

    def change(self, chat_id: str, changes: dict[str, Any], *, traits: Traits | None = None) -> dict[str, Any]:
        """Change a chat. Returns the changed chat. Raises :class:`KeyError` for an unknown one."""
        index = self._roster.find(chat_id)
        self._roster.change(index, changes, traits=traits)
        self._pages.forget(index)
        return self._roster.whole(index)

    def open(self, chat_id: str, traits: Traits, chat: dict[str, Any]) -> dict[str, Any]:
        """Add a chat of this id without a message yet. Returns it, and emits ``chat.created``."""
        index = self._roster.insert(int(self.clock()))
        self._roster.name(index, chat_id)
        self._roster.change(index, {"latest_message": None, **chat}, traits=traits)
        opened = self._roster.whole(index)
        self.emit("chat.created", opened)
        return opened

    def say(self, chat_id: str, message: dict[str, Any], at: float) -> None:
        """Make a message the latest of its chat; the chat goes to the front of the latest-message order."""
        index = self._roster.find(chat_id)
        self._roster.wake(index, int(at))
        self._roster.change(index, {"latest_message": message})
        self._pages.forget(index)

    def amend(self, message: dict[str, Any]) -> None:
        """Show a changed message in its chat too, if it is the latest there."""
        index = self._roster.find(message["chat_id"])
        latest = self._roster.row(index)["latest_message"]
        if latest is not None and latest["message_id"] == message["message_id"]:
            self._roster.change(index, {"latest_message": message})
            self._pages.forget(index)

    def chat_of(self, index: int) -> tuple[str, str]:
        """Give a made chat's id and its row's phone, even after its removal."""
        return self._roster.chat_id(index), PHONES[self._roster.traits(index).phones[0]].org_phone

    @property
    def data(self) -> ChatData:
        """The source of the chats of the start."""
        return self._roster.data

    def _move(
        self, wake: Callable[[], object] | None, grow: Callable[[], object], shrink: Callable[[], object]
    ) -> None:
        churn = self._churn
        steps = (wake, grow, shrink)
        for number, (much, step) in enumerate(zip((churn.wakes, churn.inserts, churn.removes), steps, strict=True)):
            self._owed[number] += much if step else 0
            while self._owed[number] >= 1 and step:
                self._owed[number] -= 1
                # An empty list of chats grows, and does nothing else.
                if len(self) or step == grow:
                    step()

    def _drawn(self) -> int:
        """Draw a present chat. Raises :class:`KeyError` if there is none."""
        if not len(self):
            raise KeyError("the sandbox holds no chat to move")
        while True:
            index = self._rng.randrange(self._roster.ever)
            if index in self._roster:
                return index
