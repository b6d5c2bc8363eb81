"""A long wait for the limit is said once, on a terminal or not. A program would seem to hang otherwise."""

from __future__ import annotations

import time

from periskope_async.cli.console import say
from periskope_async.cli.durations import say_duration
from periskope_async.events import Event, Throttled

__all__ = ["LongWaits"]

_LONG_SECONDS = 10.0


class LongWaits:
    """A hook to say when a long wait begins."""

    def __init__(self) -> None:
        self._told_until = 0.0

    def __call__(self, event: Event, /) -> None:
        """Say it for the first of several requests waiting together."""
        now = time.monotonic()
        if not isinstance(event, Throttled) or event.wait <= _LONG_SECONDS or now < self._told_until:
            return
        self._told_until = now + event.wait
        why = "the server refused a request (429)" if event.reason == "refused" else "the rate limit is spent"
        limit = "" if event.limit is None else f", {event.remaining} of {event.limit} requests are left"
        told_by = f", by {event.told_by}" if event.told_by else ""
        say("!", f"{why}: the next request may go in {say_duration(event.wait)}{told_by}{limit}")
