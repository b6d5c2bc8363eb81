"""What reached the sandbox, request by request, for tests that count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Journal", "RequestRecord"]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request: the ``number`` says the order of arrival, from 1.

    ``at`` is :func:`time.monotonic` at the moment when the limiter counted it, ``connection`` the number of the
    connection it came over (from 1), ``phone`` its ``x-phone``. ``status`` is 0 until it was answered, and stays 0
    where the connection was reset instead. ``body_bytes`` is the size of the answer's body on the wire. ``body`` is
    what the client sent, ``done`` whether an endpoint did what was asked, whatever the client was told of it.
    """

    at: float
    method: str
    path: str
    query: Mapping[str, str]
    phone: str | None
    connection: int
    remaining: int
    number: int = 0
    status: int = 0
    body_bytes: int = 0
    body: bytes = b""
    done: bool = False


class Journal:
    """Keeps the records until it is cleared; may be read from any thread."""

    def __init__(self) -> None:
        self._records: dict[int, RequestRecord] = {}
        self._requests = 0
        self._connections = 0
        self._lock = Lock()

    def open(self, record: RequestRecord) -> int:
        """Write down a request that arrived. Returns the number it is given."""
        with self._lock:
            self._requests += 1
            self._records[self._requests] = replace(record, number=self._requests)
            return self._requests

    def new_connection(self) -> int:
        """Give the number of a connection that was not seen before."""
        with self._lock:
            self._connections += 1
            return self._connections

    def note(self, number: int, **facts: Any) -> None:
        """Write down what became of a request; one that was cleared away meanwhile stays so."""
        with self._lock:
            if number in self._records:
                self._records[number] = replace(self._records[number], **facts)

    def records(self) -> list[RequestRecord]:
        """Give the records so far, in order of arrival."""
        with self._lock:
            return list(self._records.values())

    def clear(self) -> None:
        """Forget the records so far."""
        with self._lock:
            self._records.clear()
