"""Users' callbacks. They are plain functions: nobody awaits the result."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["notify"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_warned_of: set[tuple[str, str]] = set()


def notify(callback: Callable[[T], object], news: T, *, name: str) -> None:
    """Call a callback with its news. It did nothing if it gives a coroutine: that is said once at WARNING.

    A check of the callback itself does not see ``lambda event: queue.put(event)``.
    """
    result = callback(news)
    if not inspect.iscoroutine(result):
        return
    # Python would warn of it whenever it is collected, and name another place.
    result.close()
    function = result.__qualname__
    if (name, function) not in _warned_of:
        _warned_of.add((name, function))
        logger.warning(
            "%s gives a coroutine of %s, which is not awaited, so nothing is done; give a plain function of one "
            "argument, such as queue.put_nowait for a queue",
            name,
            function,
        )
