"""The requests to the sandbox, one by one, for tests with counts."""

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

    ``at`` is :func:`time.monotonic` at the moment when the limiter counted it, ``connection`` the number of its
    connection (from 1), ``phone`` its ``x-phone``. ``status`` is 0 until it was answered, and stays 0 if the
    connection was reset instead. ``body_bytes`` is the size of the answer's body on the wire. ``body`` is that of
    the request. ``done`` tells whether an endpoint did its work, whatever the client was told of it.
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
        """Record a request on arrival. Returns its number."""
        with self._lock:
            self._requests += 1
            self._records[self._requests] = replace(record, number=self._requests)
            return self._requests

    def new_connection(self) -> int:
        """Give the number of a new connection."""
        with self._lock:
            self._connections += 1
            return self._connections

    def note(self, number: int, **facts: Any) -> None:
        """Record the outcome of a request; nothing happens if it was cleared meanwhile."""
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
