"""The facts of a response beside its body: the numbers for support and logs.

A leaf: errors, models and the session all carry a :class:`ResponseMeta`, so this module imports only the parsed limit
headers, another leaf.
"""

from __future__ import annotations

from msgspec import Struct

from periskope_async.limits.headers import LimitHeaders

__all__ = ["ResponseMeta"]


class ResponseMeta(Struct, frozen=True, kw_only=True, gc=False):
    """The facts of one response outside its body.

    Header names are those of the recorded answers (https://docs.periskope.app/api-reference/chat/list-all-chats).
    A missing header is None.
    """

    status: int
    """HTTP status code. 304: the server found the page of the caller's cache unchanged, and that one was read."""
    trace_id: str | None = None
    """``x-periskope-trace-id``: name it when you write to Periskope's support."""
    org_id: str | None = None
    """``x-periskope-org-id``, or the plain ``org_id`` of error answers."""
    phone_id: str | None = None
    """``x-periskope-phone-id``: the phone of the request, as the server resolved it (``phone-…``)."""
    rate_limit: LimitHeaders = LimitHeaders()
    """The ``X-RateLimit-*`` and ``Retry-After`` headers, parsed; every time in it is a difference in seconds."""
    date: str | None = None
    """The server's time of answering, as sent; whole seconds."""
    etag: str | None = None
    content_type: str | None = None
    body_bytes: int = 0
    """Size of the decoded body in bytes, as it was received: 0 for a 304."""
    bytes_saved: int = 0
    """Size of the decoded body in bytes if it came from the caller's cache instead of the server."""
    seconds: float = 0.0
    """Seconds from sending the request to the last byte of its answer, without the wait for the limit."""
    waited: float = 0.0
    """Seconds of the call's waits: for the limit, and between its tries."""
    attempts: int = 1
    """Requests of this call so far, this one included."""
