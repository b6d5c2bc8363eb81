"""The list and all that may be done to it, from any thread: pages are cut from it while others move it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from threading import RLock
from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.data import ChatData
from periskope_async.sandbox.pages import Pages
from periskope_async.sandbox.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async.sandbox.pages import Count, Ties
    from periskope_async.sandbox.roster import Nulls
    from periskope_async.sandbox.validation import Filters, ListQuery, SortBy

__all__ = ["Churn", "PageAsked", "World"]


@dataclass(frozen=True, slots=True)
class Churn:
    """What moves before each page is cut: so many chats wake up, are inserted, are removed. 0.5 is every other page."""

    wakes: float = 0.0
    inserts: float = 0.0
    removes: float = 0.0


@dataclass(frozen=True, slots=True)
class PageAsked:
    """What a hook is told about a page: its number from 1, and what was asked for."""

    number: int
    offset: int
    limit: int
    sort_by: SortBy
    descending: bool
    filters: Filters


class World:
    """Chats that move. ``clock`` gives the server's time in Unix seconds, which is what moved chats bear."""

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
        # One generator for each purpose, so that shuffled ties do not change which chats wake up.
        self._rng = Random(f"{seed} churn")
        self._roster = Roster(ChatData(seed=seed, total=chats), nulls=nulls)
        self._pages = Pages(self._roster, count=count, ties=ties, rng=Random(f"{seed} ties"))
        self._churn = churn
        self._owed = [0.0, 0.0, 0.0]
        self._clock = clock
        self._lock = RLock()
        self._number = 0
        self._listeners: list[Callable[[str, dict[str, Any]], object]] = []
        self.before_page = before_page
        self.after_page = after_page

    def __len__(self) -> int:
        return len(self._roster)

    def wake(self, chat: int | str | None = None) -> str:
        """Give a chat (index, id, or None for a drawn one) a new latest message. Returns its id."""
        with self._lock:
            index = self._drawn() if chat is None else self._roster.find(chat)
            self._roster.wake(index, int(self._clock()))
            self._pages.forget(index)
            if self._listeners:
                self.emit("message.created", self._roster.row(index)["latest_message"])
            return self._roster.data.chat_id(index)

    def insert(self) -> str:
        """Add a chat that is newest in both orders. Returns its id."""
        with self._lock:
            index = self._roster.insert(int(self._clock()))
            if self._listeners:
                self.emit("chat.created", self._roster.row(index))
            return self._roster.data.chat_id(index)

    def remove(self, chat: int | str | None = None) -> str:
        """Take a chat (index, id, or None for a drawn one) out of the list. Returns its id."""
        with self._lock:
            index = self._drawn() if chat is None else self._roster.find(chat)
            self._roster.remove(index)
            self._pages.forget(index)
            return self._roster.data.chat_id(index)

    def chat_ids(self, query: ListQuery) -> list[str]:
        """Give the ids of all chats that the query's filters let through, in its order; its page says nothing here."""
        with self._lock:
            indexes = self._pages.indexes(
                query.sort_by, query.filters, descending=query.descending, start=0, stop=len(self)
            )
            return [self._roster.data.chat_id(index) for index in indexes]

    def page(self, query: ListQuery) -> bytes:
        """Let the list move, then cut a page."""
        with self._lock:
            self._number += 1
            asked = PageAsked(self._number, query.offset, query.limit, query.sort_by, query.descending, query.filters)
            self._move()
            if self.before_page:
                self.before_page(asked)
            body = self._pages.page(query)
            if self.after_page:
                self.after_page(asked)
            return body

    def one_chat(self, chat_id: str, filters: Filters, *, whole: bool) -> bytes | None:
        """Give one chat if it is there and the filters let it through: ``whole`` with members, or as the list's row."""
        with self._lock:
            try:
                index = self._roster.find(chat_id)
            except KeyError:
                return None
            if not self._roster.passes(index, filters):
                return None
            return self._pages.whole_chat(index) if whole else self._pages.row(index)

    def listen(self, listener: Callable[[str, dict[str, Any]], object]) -> None:
        """Have ``listener(event_name, object)`` called for each event, in whose thread it happens."""
        self._listeners.append(listener)

    def emit(self, name: str, said: dict[str, Any]) -> None:
        """Tell the listeners of an event. What they are given is not theirs to change."""
        for listener in self._listeners:
            listener(name, said)

    def _move(self) -> None:
        churn = self._churn
        steps = (self.wake, self.insert, self.remove)
        for number, (much, step) in enumerate(zip((churn.wakes, churn.inserts, churn.removes), steps, strict=True)):
            self._owed[number] += much
            while self._owed[number] >= 1:
                self._owed[number] -= 1
                if len(self) or step == self.insert:
                    step()

    def _drawn(self) -> int:
        """Draw a chat that is there. Raises :class:`KeyError` where none is."""
        if not len(self):
            raise KeyError("the sandbox holds no chat to move")
        while True:
            index = self._rng.randrange(self._roster.ever)
            if index in self._roster:
                return index
