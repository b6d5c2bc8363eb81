"""Faults between a client and Periskope, as frozen records, and the script that deals them out.

The limiter counts a faulty request too, as the server would. Some faults replace the answer (``Status``, ``Body``,
``Redirect``, ``ResetConnection``), even a refusal of the limiter; the others work on the real answer. A replacing
fault keeps a write from being done, unless the fault says ``after_work=True``: then the write is done, and only its
answer is lost. ``CutUpload`` never lets a write be done; ``CutBody`` and ``CutAnswer`` always do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Body",
    "CutAnswer",
    "CutBody",
    "CutUpload",
    "Fault",
    "HeaderChange",
    "Pass",
    "Redirect",
    "ResetConnection",
    "Script",
    "Slow",
    "StallBody",
    "Status",
]


def _no_headers() -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing goes wrong: a slot without a fault in a script."""


@dataclass(frozen=True, slots=True)
class Status:
    """Another status instead of the answer. Without a ``body`` it is the documented JSON error of that status."""

    status: int
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=_no_headers)
    after_work: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """Another body with status 200: a proxy's HTML page, nothing at all, a JSON list instead of an object."""

    content: bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    after_work: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to another place instead of the answer."""

    location: str
    status: int = 302
    after_work: bool = False


@dataclass(frozen=True, slots=True)
class Slow:
    """The answer comes ``seconds`` late, headers and all."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CutBody:
    """The connection is closed after so many bytes of the body, while ``Content-Length`` promised all of it."""

    after_bytes: int = 100


@dataclass(frozen=True, slots=True)
class StallBody:
    """The body pauses for ``seconds`` after so many bytes, then goes on to its end."""

    after_bytes: int = 100
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class ResetConnection:
    """The connection is reset (RST) before the first byte of the answer."""

    after_work: bool = False


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """The connection is closed after so many bytes of the answer, counted from its status line."""

    after_bytes: int = 20


@dataclass(frozen=True, slots=True)
class CutUpload:
    """The connection is reset after so many bytes of the request's body were read; the rest is never read."""

    after_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """Headers are dropped and set before the answer goes out: the dialects of other servers and proxies.

    Values may hold ``{limit}``, ``{remaining}``, ``{reset}`` (Unix seconds, rounded up), ``{reset_ms}`` (Unix
    milliseconds), ``{resets_in}`` (seconds left, rounded up) and ``{date}``; a literal brace is doubled.
    """

    set: Mapping[str, str] = field(default_factory=_no_headers)
    drop: tuple[str, ...] = ()


_Replacing = Status | Body | Redirect | ResetConnection
_Cutting = CutAnswer | CutBody | CutUpload | StallBody
Fault = Pass | Slow | HeaderChange | _Replacing | _Cutting


class Script:
    """Hands out faults: a request takes the first one for its path; with none left, ``always``."""

    def __init__(self, *faults: Fault, always: Fault | None = None) -> None:
        self.always = always or Pass()
        self._pending: deque[tuple[str | None, Fault]] = deque((None, fault) for fault in faults)

    def add(self, *faults: Fault, path: str | None = None) -> None:
        """Append faults for requests to any path, or to a ``path`` like ``/v1/chats`` or ``/v1/chats/*``."""
        self._pending.extend((path, fault) for fault in faults)

    def take(self, path: str) -> Fault:
        """Take the fault of a request to ``path`` out of the script, and give it."""
        for place, (pattern, fault) in enumerate(self._pending):
            if pattern is None or fnmatchcase(path, pattern):
                del self._pending[place]
                return fault
        return self.always

    def clear(self) -> None:
        """Forget the remaining faults."""
        self._pending.clear()

    def __len__(self) -> int:
        return len(self._pending)
