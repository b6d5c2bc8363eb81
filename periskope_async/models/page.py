"""One page of a list, the result of a call for one page."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from msgspec import Struct

from periskope_async.meta import ResponseMeta
from periskope_async.models.chat import Chat

__all__ = ["ChatPage", "ListPage"]

T = TypeVar("T")


class ListPage(Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list, in the server's order."""

    items: list[T]
    from_: int | None
    """1-based index of the first row in the whole list, as sent; None if it was absent, null or unreadable."""
    to: int | None
    """Index of the last row, likewise."""
    count: int | None
    """As sent. Documented as the total, though no recorded answer decides whether it counts the page alone."""
    meta: ResponseMeta

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)


class ChatPage(ListPage[Chat], frozen=True, kw_only=True):
    """One page of a list of chats."""

    @property
    def chats(self) -> list[Chat]:
        """The page's chats: another name for ``items``."""
        return self.items
