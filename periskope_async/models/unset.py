"""Absent is not null: the mark for a field that the answer does not hold.

The lists of chats leave whole fields out (``members``, say) where a single chat has them, and send null where
nothing is known. So every field that is not an identity is a :data:`Maybe`: its value, None where the wire says
null, or UNSET where it says nothing. UNSET is falsy, which makes the common question short::

    chat.latest_message and chat.latest_message.body

and ``chat.members is UNSET`` tells "not asked for" from "has none".
"""

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

__all__ = ["UNSET", "Maybe", "UnsetType"]

if TYPE_CHECKING:
    import enum
    from typing import Literal

    # msgspec annotates UNSET as an instance of a plain class, whose truth no type checker can know; then
    # `chat.latest_message and chat.latest_message.body` would not narrow. An enum of one falsy member does.
    class UnsetType(enum.Enum):
        """The type of :data:`UNSET`, a field that the answer does not hold."""

        UNSET = "UNSET"

        def __bool__(self) -> Literal[False]: ...

    UNSET: Final = UnsetType.UNSET
else:
    from msgspec import UNSET, UnsetType

T = TypeVar("T")

Maybe: TypeAlias = T | UnsetType | None
"""A value, None (the wire says null), or UNSET (the wire says nothing)."""
