"""A contact (https://docs.periskope.app/api-reference/objects/the-contact-object).

The documents show 12 fields. The rest are from the row type of ``@periskope/types``; no sample shows them.
"""

from typing import Any

from periskope_async.models.labels import LabelIds, LabelNames, active_ids
from periskope_async.models.part import Part
from periskope_async.models.times import Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Contact"]


class Contact(Part, frozen=True, kw_only=True):
    """A person or a business known to the organisation. The hash uses ``contact_id`` alone."""

    contact_id: str
    """``<digits>@c.us``. Calls take it with or without the suffix."""
    business_profile: Any = UNSET
    chat_ids: Maybe[tuple[str, ...]] = UNSET
    """The one-to-one chat and the groups shared with the contact. Only :meth:`get_contact` has it."""
    chats: Any = UNSET
    contact_color: Maybe[str] = UNSET
    contact_image: Maybe[str] = UNSET
    contact_lid: Maybe[str] = UNSET
    contact_name: Maybe[str] = UNSET
    contact_type: Maybe[str] = UNSET
    """``user``, ``business``, or a word not met yet."""
    id: Any = UNSET
    is_blocked: Maybe[bool] = UNSET
    is_business: Maybe[bool] = UNSET
    is_enterprise: Maybe[bool] = UNSET
    is_group: Maybe[bool] = UNSET
    is_imported: Maybe[bool] = UNSET
    is_internal: Maybe[bool] = UNSET
    """Whether the contact belongs to the organisation, so that its messages are not flagged; often null."""
    is_me: Maybe[bool] = UNSET
    is_my_contact: Maybe[bool] = UNSET
    is_user: Maybe[bool] = UNSET
    is_wa_contact: Maybe[bool] = UNSET
    label_ids: Maybe[LabelIds] = UNSET
    labels: Maybe[LabelNames] = UNSET
    name: Maybe[str] = UNSET
    number: Maybe[str] = UNSET
    org_id: Maybe[str] = UNSET
    periskope_name: Maybe[str] = UNSET
    pushname: Maybe[str] = UNSET
    short_name: Maybe[str] = UNSET
    updated_at: Maybe[Time] = UNSET
    verified_level: Maybe[int] = UNSET
    verified_name: Maybe[str] = UNSET

    def __hash__(self) -> int:
        return hash(self.contact_id)

    @property
    def active_label_ids(self) -> frozenset[str]:
        """The true ids in ``label_ids``; empty also if the field is absent."""
        return active_ids(self.label_ids)
