"""What a walk may rely on in a list: its order, its times and its largest page."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Order"]


class Order(Struct, frozen=True, kw_only=True):
    """How a list is sorted, and what its rows say. The defaults are those of the chats."""

    is_newest_first: bool = True
    """Whether rows that come or wake up during a walk land above the reader."""
    is_reversible: bool = True
    """Whether the opposite order can be asked for."""
    has_sort_time: bool = True
    """Whether each row shows the time that it is sorted by."""
    says_updated_at: bool = True
    """Whether rows say when they came or were changed last."""
    max_limit: int = 2000
    """The most rows that the API gives in one answer."""
