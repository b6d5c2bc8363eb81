"""How rows of a list may move while it is read."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Order"]


class Order(Struct, frozen=True, kw_only=True):
    """The sort order of a list, as far as it concerns a walk."""

    is_newest_first: bool = True
    """Whether changes during a walk land in front of the reader."""
    can_move_anywhere: bool = False
    """Whether a row's sort time may change to any other time, and not only to the present."""
    is_reversible: bool = True
    """Whether a request can reverse the order."""
