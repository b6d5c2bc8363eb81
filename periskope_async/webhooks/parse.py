"""A webhook's body as a typed event (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.decoding.repair import Unreadable
from periskope_async.errors import DecodeError
from periskope_async.live_event import LiveEvent, read_event
from periskope_async.webhooks.verify import received

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["parse"]

_SHOWN = 200


def parse(body: bytes, *, received_at: datetime | None = None) -> LiveEvent:
    """Read a webhook's body, ``{event, data, org_id, timestamp}``; verify it first.

    An event of an unknown name, or with an object unreadable as its type, has a mapping in ``data``. Raises DecodeError
    if the body is no JSON object, or names no event; TypeError if it is no bytes.
    """
    body = received(body)
    try:
        return read_event(body, source="webhook", received_at=received_at)
    except Unreadable as error:
        raise DecodeError(
            f"a webhook's body cannot be read: {error}",
            path=error.path,
            body_start=body[:_SHOWN].decode(errors="replace"),
        ) from None
