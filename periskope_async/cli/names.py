"""Names of chats: the event of a message does not bring them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from periskope_async.errors import PeriskopeError
from periskope_async.printable import one_line

if TYPE_CHECKING:
    from periskope_async.client import PeriskopeClient

__all__ = ["ChatNames"]

_LONGEST = 100
_CHATS_KEPT = 10_000


class ChatNames:
    """Keeps names from events, and asks the API for others: one request for a chat, while :meth:`ask` runs.

    The id stands for a missing name. Every name is one printable line.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._wanted: asyncio.Queue[str] = asyncio.Queue()

    def shown(self, chat_id: str) -> str:
        """Give a chat's name, or its id. May be called from any thread."""
        return self._names.get(chat_id, chat_id)

    def want(self, chat_id: str) -> None:
        """Have a chat's name asked for, once."""
        if chat_id not in self._names:
            self.note(chat_id, chat_id)
            self._wanted.put_nowait(chat_id)

    def note(self, chat_id: str, name: str) -> None:
        """Take note of a chat's name; the oldest of too many is forgotten."""
        self._names[chat_id] = one_line(name, limit=_LONGEST)
        if len(self._names) > _CHATS_KEPT:
            del self._names[next(iter(self._names))]

    async def ask(self, client: PeriskopeClient) -> None:
        """Ask for the wanted names, one after the other, until cancelled. A failed request leaves the id."""
        while True:
            chat_id = await self._wanted.get()
            with suppress(PeriskopeError):
                for chat in await client.list_chats(chat_id=chat_id, limit=1):
                    self.note(chat_id, chat.chat_name or chat_id)
