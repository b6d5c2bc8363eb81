"""A request, ready to be sent (pure)."""

from __future__ import annotations

from typing import Literal, TypeAlias
from urllib.parse import quote

from msgspec import Struct

from periskope_async.printable import one_line

__all__ = ["Expects", "Request", "encoded"]

_MOST_SHOWN = 500

Expects: TypeAlias = Literal["json", "json or nothing", "nothing", "image"]
"""The content of a success: JSON, an image, or nothing of interest; an empty body may be an answer too."""


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """A request, ready to be sent: all but the base URL and the key."""

    method: str
    target: str
    """Path below the base URL and query, encoded, for logs and hooks too. It holds no secret."""
    phone: str | None = None
    """The ``x-phone`` header; None sends none."""
    body: bytes | None = None
    """JSON; None sends none."""
    is_write: bool = False
    """Whether it changes something. A write is sent again only if the server surely did nothing."""
    expects: Expects = "json"
    look_at: str = ""
    """How to see whether a write was carried out: the name of a method, and the thing to look for."""

    @property
    def name(self) -> str:
        """Its name in errors and log lines: ``GET /chats?offset=0&limit=1000``. A long one is shortened."""
        return f"{self.method} {one_line(self.target, limit=_MOST_SHOWN)}"


def encoded(value: str) -> str:
    """Encode a value for a path or a query.

    "@" and ":" may stand bare in both (RFC 3986, 3.3 and 3.4): ids and times stay readable in logs.
    """
    # Most values are words, and quote() looks at each character.
    return value if value.isalnum() and value.isascii() else quote(value, safe="@:")
