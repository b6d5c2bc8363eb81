"""What an order of the list lets rows do while they are read."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Order"]


class Order(Struct, frozen=True, kw_only=True):
    """By what the rows are sorted, as far as a walk over them is concerned."""

    is_newest_first: bool = True
    """Whether what happens during a walk lands in front of the reader."""
    can_move_anywhere: bool = False
    """Whether the sort time of a row may become any other, and not only the present one."""
    is_reversible: bool = True
    """Whether the opposite order can be asked for."""
