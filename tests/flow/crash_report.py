"""What reports of crashes show: each frame of each linked exception, its locals, and the attributes of these."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def crash_report(error: BaseException) -> str:
    """Give all that can be seen of an error, but for frames of the tests and of the sandbox, which know the key."""
    seen: list[str] = []
    for linked in linked_to(error):
        seen += [str(linked), repr(linked), repr(linked.args), repr(vars(linked))]
        seen += [shown(value) for frame in frames_of(linked) for value in frame.f_locals.values()]
        # What Python's own report with locals says, as far as it is of these frames.
        for summary in traceback.TracebackException.from_exception(linked, capture_locals=True).stack:
            if is_ours_or_aiohttps(summary.filename):
                seen += (summary.locals or {}).values()
    return "\n".join(seen)


def linked_to(error: BaseException) -> list[BaseException]:
    """Give an error, its causes and contexts, the members of groups, and theirs."""
    found: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in found:
            found[id(one)] = one
            waiting += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                waiting += cast("BaseExceptionGroup[BaseException]", one).exceptions
    return list(found.values())


def frames_of(error: BaseException) -> Iterator[FrameType]:
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if is_ours_or_aiohttps(frame.f_code.co_filename):
            yield frame


def is_ours_or_aiohttps(filename: str) -> bool:
    return "/tests/" not in filename and "/sandbox/" not in filename


def shown(value: Any, *, depth: int = 2) -> str:
    """Give a value's repr, and so many levels of what it holds."""
    texts = [repr(value)]
    if depth:
        held: list[Any] = list(getattr(value, "__dict__", {}).values())
        slots = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
        held += [getattr(value, name) for name in slots if hasattr(value, name)]
        # Asked of the type, for the values that are held are of any type still.
        if issubclass(type(value), dict):
            held += [*value, *value.values()]
        elif issubclass(type(value), (list, tuple, set)):
            held += value
        texts += [shown(inner, depth=depth - 1) for inner in held]
    return "\n".join(texts)
