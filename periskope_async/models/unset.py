"""The mark for a field absent from the answer. Absent is not null.

The lists of chats leave out whole fields of a single chat (``members``, say), and send null for unknown values. Every
field but an identity is thus a :data:`Maybe`: its value, None if the wire says null, or UNSET if it says nothing.
UNSET is falsy. This makes the common question short::

    chat.latest_message and chat.latest_message.body

and ``chat.members is UNSET`` tells "not asked for" from "has none".
"""

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

__all__ = ["UNSET", "Maybe", "UnsetType"]

if TYPE_CHECKING:
    import enum
    from typing import Literal

    # msgspec annotates UNSET as an instance of a plain class. A type checker cannot know its truth, so
    # `chat.latest_message and chat.latest_message.body` would not narrow. An enum of one falsy member does.
    class UnsetType(enum.Enum):
        """The type of :data:`UNSET`, for a field absent from the answer."""

        UNSET = "UNSET"

        def __bool__(self) -> Literal[False]: ...

    UNSET: Final = UnsetType.UNSET
else:
    from msgspec import UNSET, UnsetType

T = TypeVar("T")

Maybe: TypeAlias = T | UnsetType | None
"""A value, None (the wire says null), or UNSET (the wire says nothing)."""
