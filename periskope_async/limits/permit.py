"""Leave to send one request, and its possible ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from periskope_async.limits.headers import LimitHeaders

__all__ = ["Books", "Permit"]


class Books(Protocol):
    """A limiter's books: how its permits end. ``token`` is the one given to the permit by its limiter.

    Each method returns at once. A limiter with its budget elsewhere notes the news here and sends it later.
    """

    def sent(self, token: Any) -> None:
        """Book the moment of writing the request to its connection."""
        ...

    def settle(self, token: Any, headers: LimitHeaders, *, status: int, variation: float | None) -> None:
        """Book an answer's headers. ``variation`` is the one of :meth:`Permit.answered`."""
        ...

    def lose(self, token: Any) -> None:
        """Book a request as lost, without headers."""
        ...

    def give_back(self, token: Any) -> None:
        """Take back the token of a request never sent."""
        ...


class Permit:
    """Leave to send one request. It ends in :meth:`answered`, :meth:`lost` or :meth:`unused`; more calls do nothing.

    ``Permit()`` has no books: its limiter does not ask how the request ends.
    """

    __slots__ = ("_books", "_token", "may_have_left", "seconds_waited", "was_sent")

    def __init__(self, books: Books | None = None, token: Any = None) -> None:
        self._books = books
        self._token: Any = token
        self.seconds_waited = 0.0
        """How long it took to get it."""
        self.may_have_left = False
        """Whether a part of the request may have left: the server may have it from then on."""
        self.was_sent = False
        """Whether the request was written to its connection, if that can be seen."""

    @property
    def has_books(self) -> bool:
        """Whether its limiter learns how the request ends."""
        return self._books is not None

    def sent(self) -> None:
        """Book the moment of writing the request to its connection, if that can be seen."""
        self.was_sent = True
        if self._books is not None and self._token is not None:
            self._books.sent(self._token)

    def answered(self, headers: LimitHeaders, *, status: int, variation: float | None = None) -> None:
        """Book the answer's headers, as soon as they are there and before the body is read.

        ``variation`` is the mean deviation of the connection's round trip in seconds, if TCP tells it.
        """
        if (token := self._spend()) is not None and self._books is not None:
            self._books.settle(token, headers, status=status, variation=variation)

    def lost(self) -> None:
        """Book a sent request without headers. It is the way out if nothing better is known."""
        if (token := self._spend()) is not None and self._books is not None:
            self._books.lose(token)

    def unused(self) -> None:
        """Give the permit back: the request was never sent."""
        if (token := self._spend()) is not None and self._books is not None:
            self._books.give_back(token)

    def _spend(self) -> Any:
        token, self._token = self._token, None
        return token
