"""Tracebacks without the frames of requests and answers: crash reports show frames with their values.

aiohttp's frames hold the bytes to be written and the answer's headers; both may quote the API key.
"""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import cast

__all__ = ["hide_frames"]

_HIDDEN = ("aiohttp", "periskope_async.transport", "periskope_async.connection", "periskope_async.realtime.link")


def hide_frames(error: BaseException) -> None:
    """Take the frames of aiohttp and of our transport out of the tracebacks of an error, or a cancel, and its causes.

    The frames of others stay, such as those of a lent session's middlewares.
    """
    seen: set[int] = set()
    linked: list[BaseException | None] = [error]
    while linked:
        one = linked.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _kept(one.__traceback__)
        linked += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            linked += cast("BaseExceptionGroup[BaseException]", one).exceptions


def _kept(whole: TracebackType | None) -> TracebackType | None:
    kept: TracebackType | None = None
    for frame, line in reversed(list(traceback.walk_tb(whole))):
        if not frame.f_globals.get("__name__", "").startswith(_HIDDEN):
            kept = TracebackType(kept, frame, frame.f_lasti, line)
    return kept
