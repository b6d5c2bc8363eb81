"""The custom properties of chats and tickets (https://docs.periskope.app/api-reference/properties/get-custom-property)."""

from periskope_async.errors import PartialFailure
from periskope_async.models.part import Part
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, Maybe

__all__ = ["CustomProperty", "DeletedProperty", "PropertyDeletions", "PropertyOption", "PropertyOptions"]


class PropertyOption(Part, frozen=True, kw_only=True):
    """One value to choose. ``added`` and ``removed`` are there only in the answer to a change of options."""

    added: Maybe[bool] = UNSET
    id: Maybe[str] = UNSET
    label: Maybe[str] = UNSET
    removed: Maybe[bool] = UNSET


class CustomProperty(Part, frozen=True, kw_only=True):
    """A property that the organisation has given its chats or its tickets. The hash uses ``property_id`` alone."""

    property_id: str
    """``property-`` and letters or digits."""
    created_at: Maybe[FlexTime] = UNSET
    kind: Maybe[str] = UNSET
    """``dropdown`` (one option), ``picklist`` (several), ``text``, ``date``, or a word not met yet."""
    mandatory: Maybe[bool] = UNSET
    options: Maybe[tuple[PropertyOption, ...]] = UNSET
    """Those of a dropdown or a picklist; what the other kinds have here is not documented."""
    property_name: Maybe[str] = UNSET
    section_id: Maybe[str] = UNSET
    section_name: Maybe[str] = UNSET
    type: Maybe[str] = UNSET
    """``chat``, ``ticket``, or a word not met yet."""

    def __hash__(self) -> int:
        return hash(self.property_id)


class PropertyOptions(Part, frozen=True, kw_only=True):
    """The outcome for each option that was to be added or removed."""

    property_id: str
    operation: Maybe[str] = UNSET
    """``add`` or ``remove``."""
    options: Maybe[tuple[PropertyOption, ...]] = UNSET


class DeletedProperty(Part, frozen=True, kw_only=True):
    """The outcome for one property that was to be deleted."""

    deleted: Maybe[bool] = UNSET
    property_id: Maybe[str] = UNSET
    property_ref: Maybe[str] = UNSET
    """The id or the name that was given."""
    reason: Maybe[str] = UNSET
    """Why it was not deleted, such as ``not_found``."""


class PropertyDeletions(Part, frozen=True, kw_only=True):
    """The outcome for each property that was to be deleted."""

    deleted_count: Maybe[int] = UNSET
    properties: Maybe[tuple[DeletedProperty, ...]] = UNSET

    @property
    def failed(self) -> tuple[DeletedProperty, ...]:
        """The properties without the server's word of success."""
        return tuple(one for one in self.properties or () if one.deleted is not True)

    def raise_for_failures(self) -> None:
        """Raise PartialFailure if one was not deleted."""
        if failed := self.failed:
            why = {str(one.property_ref or "?"): one.reason or "no reason given" for one in failed}
            raise PartialFailure(len(self.properties or ()), why)
