"""A phone (https://docs.periskope.app/api-reference/objects/the-phone-object).

The answer of :meth:`create_phone` has more fields than the documents name. They are from the row type of
``@periskope/types``.
"""

from typing import Any

from periskope_async.models.labels import LabelIds, LabelNames, active_ids
from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime, Time
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["Phone"]


class Phone(Part, frozen=True, kw_only=True):
    """A WhatsApp number, linked by the organisation. The hash uses ``phone_id`` alone."""

    phone_id: str
    """``phone-`` and 16 letters; works in place of the number in every call."""
    created_at: Maybe[Time] = UNSET
    first_connected_at: Maybe[FlexTime] = UNSET
    is_browser_open: Maybe[bool] = UNSET
    """Whether the phone's session on the server is open; :meth:`restart_phone` starts it."""
    is_ready: Maybe[bool] = UNSET
    label_ids: Maybe[LabelIds] = UNSET
    labels: Maybe[LabelNames] = UNSET
    last_disconnect: Any = UNSET
    legacy_version: Maybe[bool | str] = UNSET
    """Whether the phone uses a legacy version of WhatsApp, by an older document; a text is read too."""
    library: Any = UNSET
    org_id: Maybe[str] = UNSET
    org_phone: Maybe[str] = UNSET
    """``<digits>@c.us``; null until a phone was linked for the first time."""
    phone_image: Maybe[str] = UNSET
    phone_name: Maybe[str] = UNSET
    phone_state: Any = UNSET
    qr_code: Maybe[str] = UNSET
    """Null while connected. :meth:`get_phone_qr` gives the image."""
    queue_status: Any = UNSET
    updated_at: Maybe[Time] = UNSET
    wa_state: Maybe[str] = UNSET
    """``CONNECTED``, ``DISCONNECTED``, or a word not met yet."""
    wa_version: Maybe[str] = UNSET

    def __hash__(self) -> int:
        return hash(self.phone_id)

    @property
    def active_label_ids(self) -> frozenset[str]:
        """The true ids in ``label_ids``; empty also if the field is absent."""
        return active_ids(self.label_ids)

    @property
    def is_connected(self) -> bool:
        """Whether ``wa_state`` says so."""
        return self.wa_state == "CONNECTED"
