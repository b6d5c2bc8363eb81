"""What a response says of itself beside its body: the numbers that support and logs ask for.

A leaf: errors, models and the session all carry a :class:`ResponseMeta`, so this room imports only the
parsed limit headers, which are themselves a leaf.
"""

from __future__ import annotations

from msgspec import Struct

from periskope_async.limits.headers import LimitHeaders

__all__ = ["ResponseMeta"]


class ResponseMeta(Struct, frozen=True, kw_only=True, gc=False):
    """The facts of one response that are not in its body.

    Header names are those of the recorded answers (https://docs.periskope.app/api-reference/chat/list-all-chats).
    A header that was not sent is None.
    """

    status: int
    """HTTP status code. 304: the server found the page of the caller's cache unchanged, and that one was read."""
    trace_id: str | None = None
    """``x-periskope-trace-id``: name it when you write to Periskope's support."""
    org_id: str | None = None
    """``x-periskope-org-id``, or the plain ``org_id`` that error answers carry."""
    phone_id: str | None = None
    """``x-periskope-phone-id``: the phone that the request was resolved to (``phone-…``)."""
    rate_limit: LimitHeaders = LimitHeaders()
    """The ``X-RateLimit-*`` and ``Retry-After`` headers, parsed; every time in it is a difference in seconds."""
    date: str | None = None
    """The server's time of answering, as sent; whole seconds."""
    etag: str | None = None
    content_type: str | None = None
    body_bytes: int = 0
    """Size of the decoded body in bytes, as it was received: 0 for a 304."""
    bytes_saved: int = 0
    """Size of the decoded body that was not sent again, because the caller's cache had it."""
    seconds: float = 0.0
    """From sending the request to the last byte of its answer; waiting for the limit is not in it."""
    waited: float = 0.0
    """Seconds that the call waited: for the limit, and between its tries."""
    attempts: int = 1
    """How many requests this call has cost, this one included."""
