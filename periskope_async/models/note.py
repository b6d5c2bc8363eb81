"""A private note in a chat, visible only to the organisation's members.

Source: https://docs.periskope.app/api-reference/notes/get-private-note and the row type of ``@periskope/types``.
"""

from periskope_async.models.message import MessageMedia
from periskope_async.models.part import Part
from periskope_async.models.times import Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Note"]


class Note(Part, frozen=True, kw_only=True):
    """A private note. The hash uses ``message_id`` alone."""

    message_id: str
    """``true_<uuid>_<author>``: the note's id."""
    ack: Maybe[int] = UNSET
    body: Maybe[str] = UNSET
    chat_id: Maybe[str] = UNSET
    from_me: Maybe[bool] = UNSET
    is_deleted: Maybe[bool] = UNSET
    is_private_note: Maybe[bool] = UNSET
    media: Maybe[MessageMedia] = UNSET
    mentioned_ids: Maybe[tuple[str, ...]] = UNSET
    """``@<e-mail>`` of members."""
    message_type: Maybe[str] = UNSET
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    performed_by: Maybe[str] = UNSET
    """A member's e-mail, or ``api``."""
    prev_body: Maybe[str] = UNSET
    quoted_message_id: Maybe[str] = UNSET
    sender_phone: Maybe[str] = UNSET
    sent_message_id: Maybe[str] = UNSET
    timestamp: Maybe[Time] = UNSET
    unique_id: Maybe[str] = UNSET
    updated_at: Maybe[Time] = UNSET

    def __hash__(self) -> int:
        return hash(self.message_id)

    @property
    def note_id(self) -> str:
        """The argument of :meth:`get_note`: the same as ``message_id``."""
        return self.message_id
