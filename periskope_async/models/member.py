"""Members of the organisation (https://docs.periskope.app/api-reference/members)."""

from typing import Any

from periskope_async.models.labels import LabelIds, active_ids
from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Member"]


class Member(Part, frozen=True, kw_only=True):
    """A person with access to the organisation. The hash uses ``email`` alone."""

    email: str
    created_at: Maybe[FlexTime] = UNSET
    invited_at: Maybe[FlexTime] = UNSET
    invited_by: Maybe[str] = UNSET
    is_active: Maybe[bool] = UNSET
    is_online: Maybe[bool] = UNSET
    is_owner: Maybe[bool] = UNSET
    label_ids: Maybe[LabelIds] = UNSET
    """The labels of the member's visible chats; a list here, a map in other objects."""
    member_color: Maybe[str] = UNSET
    member_image: Maybe[str] = UNSET
    member_metadata: Maybe[dict[str, Any]] = UNSET
    member_name: Maybe[str] = UNSET
    org_id: Maybe[str] = UNSET
    org_phones: Maybe[tuple[str, ...]] = UNSET
    """``<digits>@c.us`` of the member's allowed phones; null for all."""
    preferences: Maybe[dict[str, Any]] = UNSET
    role: Maybe[str] = UNSET
    """``admin``, ``member``, or a word not met yet."""
    user_id: Maybe[str] = UNSET

    def __hash__(self) -> int:
        return hash(self.email)

    @property
    def active_label_ids(self) -> frozenset[str]:
        """The ids in ``label_ids``; empty also if the field is absent."""
        return active_ids(self.label_ids)
