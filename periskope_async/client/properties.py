"""Custom properties of chats and tickets: their names, kinds and options. They belong to no phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from periskope_async.client.base import BaseClient
from periskope_async.decoding.objects import many_of, one_of
from periskope_async.errors import ConfigError
from periskope_async.models.custom_property import CustomProperty, PropertyDeletions, PropertyOptions
from periskope_async.wire import inputs
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from periskope_async.wire.inputs import Words

__all__ = ["PropertyMethods", "PropertyType"]

PropertyType: TypeAlias = Literal["chat", "ticket"]

_TYPES: tuple[PropertyType, ...] = get_args(PropertyType)


class PropertyMethods(BaseClient):
    """The client's methods for custom properties (https://docs.periskope.app/api-reference/properties).

    ``property_id`` is a property's id or its name. A name may be that of a chat's and of a ticket's property: ``type``
    says which is meant.

    Writes wait for the limit and raise ConfigError, NotFoundError, ValidationError, other APIErrors, TransportError if
    nothing was sent, and OutcomeUnknown.
    """

    async def list_properties(
        self,
        *,
        type: PropertyType | None = None,  # noqa: A002 - the API's own word, and keyword-only
    ) -> list[CustomProperty]:
        """Read all properties, or those of one type; the list has no pages. Raises as :meth:`list_chats` does."""
        return await self._read(f"/properties{_query(type)}", many_of(CustomProperty))

    async def get_property(
        self,
        property_id: str,
        *,
        type: PropertyType | None = None,  # noqa: A002 - as above
    ) -> CustomProperty:
        """Read one property. Raises NotFoundError if there is none, and ConfigError if the name is that of two."""
        found = await self._read(_target(property_id) + _query(type), many_of(CustomProperty))
        if len(found) != 1:
            raise ConfigError(
                f"property_id {property_id!r:.100} names {len(found)} properties; give its id, or a type",
                parameter="property_id",
            )
        return found[0]

    async def create_property(
        self,
        name: str,
        *,
        type: PropertyType,  # noqa: A002 - as above
        kind: str,
        options: Words | None = None,
        section: str | None = None,
        mandatory: bool | None = None,
    ) -> CustomProperty:
        """Make a property. Its name must be new among those of its type.

        ``kind`` is ``text``, ``date``, ``dropdown`` (one option), ``picklist`` (several), or another one that the
        server takes; it never takes ``dependent_dropdown``. A dropdown and a picklist need ``options``, their labels.
        ``mandatory`` is for tickets alone. Whether a new section is made here, as in :meth:`update_property`, is not
        documented.
        """
        body = inputs.json_body(
            {
                "name": inputs.text("name", name),
                "type": inputs.one_of("type", inputs.text("type", type), _TYPES),
                "kind": inputs.text("kind", kind),
                "options": None if options is None else inputs.texts("options", options),
                **_rest(section, mandatory),
            }
        )
        return await self._write(
            "POST", "/properties/create", one_of(CustomProperty), body=body, look_at="list_properties"
        )

    async def update_property(
        self,
        property_id: str,
        *,
        type: PropertyType | None = None,  # noqa: A002 - as above
        name: str | None = None,
        section: str | None = None,
        mandatory: bool | None = None,
    ) -> CustomProperty:
        """Change a property, and get it as it is now. None keeps a value; a section that is new is made.

        ``mandatory`` is for tickets alone.
        """
        inputs.at_least_one(name=name, section=section, mandatory=mandatory)
        target = _target(property_id)
        if target == "/properties/create":
            raise ConfigError(
                "property_id 'create' is the address for making one; give its id", parameter="property_id"
            )
        body = inputs.json_body(
            {"name": None if name is None else inputs.text("name", name), **_rest(section, mandatory)}
        )
        return await self._write(
            "POST", target + _query(type), one_of(CustomProperty), body=body, look_at="get_property"
        )

    async def add_property_options(
        self,
        property_id: str,
        *,
        options: Words,
        type: PropertyType | None = None,  # noqa: A002 - as above
    ) -> PropertyOptions:
        """Add options, by their labels, to a dropdown or a picklist. A label that is there keeps its id."""
        return await self._change_options(property_id, "add", options, type)

    async def remove_property_options(
        self,
        property_id: str,
        *,
        options: Words,
        type: PropertyType | None = None,  # noqa: A002 - as above
    ) -> PropertyOptions:
        """Remove options, by their ids or labels, for good: chats and tickets with one lose its label.

        The answer for an option that is not there is not documented.
        """
        return await self._change_options(property_id, "remove", options, type)

    async def delete_properties(
        self, *, chat_properties: Words | None = None, ticket_properties: Words | None = None
    ) -> PropertyDeletions:
        """Delete properties, by their ids or names, for good; give at least one.

        It may succeed for some: see ``.failed`` and ``raise_for_failures()``.
        """
        given = {"chat_properties": chat_properties, "ticket_properties": ticket_properties}
        inputs.at_least_one(**given)
        body = inputs.json_body(
            {name: None if words is None else inputs.texts(name, words) for name, words in given.items()}
        )
        reader = one_of(PropertyDeletions, may_be_blank=False)
        return await self._write("DELETE", "/properties", reader, body=body, look_at="list_properties")

    async def _change_options(
        self, property_id: str, operation: str, options: Words, kind: PropertyType | None
    ) -> PropertyOptions:
        body = inputs.json_body({"operation": operation, "options": inputs.texts("options", options)})
        target = f"{_target(property_id)}/options{_query(kind)}"
        return await self._write("POST", target, one_of(PropertyOptions), body=body, look_at="get_property")


def _rest(section: str | None, mandatory: bool | None) -> dict[str, str | bool | None]:  # noqa: FBT001 - the value that is checked
    return {
        "section": None if section is None else inputs.text("section", section),
        "mandatory": inputs.optional_flag("mandatory", mandatory),
    }


def _target(property_id: str) -> str:
    return f"/properties/{encoded(inputs.path_name('property_id', property_id))}"


def _query(kind: PropertyType | None) -> str:
    word = inputs.one_of("type", kind, _TYPES)
    return f"?type={word}" if word else ""
