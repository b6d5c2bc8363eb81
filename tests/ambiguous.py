"""A value as tables hold them for a missing one: it is neither equal to another nor different from it."""

from __future__ import annotations

__all__ = ["Ambiguous"]


class Ambiguous:
    """As pandas' NA, and as a Series: the truth of a comparison cannot be told."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Ambiguous:  # type: ignore[override] # as theirs
        return self

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")
