"""Leave to send one request, and the ways in which it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders
    from periskope_async.limits.tokens import Token

__all__ = ["Books", "Permit"]


class Books(Protocol):
    """Where a permit's way is written down."""

    def sent(self, token: Token) -> None:
        """Book the moment of writing the request to its connection."""
        ...

    def settle(self, token: Token, headers: LimitHeaders, *, status: int, variation: float | None) -> None:
        """Book an answer's headers."""
        ...

    def lose(self, token: Token) -> None:
        """Book a request whose headers never came."""
        ...

    def give_back(self, token: Token) -> None:
        """Take a token back whose request was never sent."""
        ...


class Permit:
    """Leave to send one request. It ends in :meth:`answered`, :meth:`lost` or :meth:`unused`; more calls do nothing."""

    __slots__ = ("_books", "_token", "seconds_waited", "was_sent")

    def __init__(self, books: Books, token: Token | None) -> None:
        self._books = books
        self._token = token
        self.seconds_waited = 0.0
        """How long it took to get it."""
        self.was_sent = False
        """Whether the request was written to its connection, where that can be seen."""

    def sent(self) -> None:
        """Book the moment of writing the request to its connection, where that can be seen."""
        self.was_sent = True
        if self._token:
            self._books.sent(self._token)

    def answered(self, headers: LimitHeaders, *, status: int, variation: float | None = None) -> None:
        """Book the answer's headers, as soon as they are there and before the body is read.

        ``variation`` is the mean deviation of the connection's round trip in seconds, where TCP tells it.
        """
        if token := self._spend():
            self._books.settle(token, headers, status=status, variation=variation)

    def lost(self) -> None:
        """Book a request that was sent and got no headers. The way out where nothing better is known."""
        if token := self._spend():
            self._books.lose(token)

    def unused(self) -> None:
        """Give the permit back: the request was never sent."""
        if token := self._spend():
            self._books.give_back(token)

    def _spend(self) -> Token | None:
        token, self._token = self._token, None
        return token
