"""Contacts of the organisation; they belong to no phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import CONTACTS
from periskope_async.decoding.objects import one_of
from periskope_async.models.contact import Contact
from periskope_async.wire import inputs

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.models.page import ListPage
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.inputs import Words

__all__ = ["ContactMethods"]


class ContactMethods(BaseClient):
    """The client's methods for contacts (https://docs.periskope.app/api-reference/contacts/get-contacts)."""

    def iter_contacts(self, **walk: Unpack[WalkParams]) -> Pager[Contact]:
        """Walk over all contacts. Their order is not documented.

        Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(CONTACTS.query(), **walk)

    async def list_contacts(self, *, offset: int = 0, limit: int = 1000) -> ListPage[Contact]:
        """Read one page of contacts. Raises as :meth:`list_chats` does."""
        return await self._page(CONTACTS.query(), offset=offset, limit=limit)

    async def get_contact(self, contact_id: str) -> Contact:
        """Read one contact, with the ids of its chats. ``contact_id`` is ``…@c.us``, or a phone number in any form.

        Raises NotFoundError if there is none, ConfigError if ``contact_id`` cannot be one, and the errors of
        :meth:`list_chats`.
        """
        return await self._read(_target(contact_id), one_of(Contact))

    async def create_contact(
        self,
        contact_id: str,
        *,
        contact_name: str,
        is_internal: bool | None = None,
        labels: Words | None = None,
        phone: str | None = None,
    ) -> Contact:
        """Make a contact of a phone number, and get it. It is made through one phone, the client's or ``phone``.

        ``labels`` are names; unknown ones are created. Source: POST /contacts/create of the official client. Waits for
        the limit. Raises ConfigError, ValidationError, other APIErrors, TransportError if nothing was sent, and
        OutcomeUnknown.
        """
        body = inputs.json_body(
            {
                "contact_id": inputs.digits("contact_id", contact_id),
                "contact_name": inputs.text("contact_name", contact_name),
                "is_internal": inputs.optional_flag("is_internal", is_internal),
                "labels": inputs.optional_labels_text("labels", labels),
            }
        )
        return await self._write(
            "POST", "/contacts/create", one_of(Contact), body=body, phone=self._phone(phone), look_at="get_contact"
        )

    async def update_contact(
        self,
        contact_id: str,
        *,
        contact_name: str | None = None,
        is_internal: bool | None = None,
        labels: Words | None = None,
    ) -> Contact:
        """Change a contact, and get it as it is now. None keeps a value; ``labels`` replaces all labels.

        The name is changed in Periskope only, not on the phone. Source: PATCH /contacts/{contact_id} of the official
        client. Raises NotFoundError, and the errors of :meth:`create_contact`.
        """
        inputs.at_least_one(contact_name=contact_name, is_internal=is_internal, labels=labels)
        body = inputs.json_body(
            {
                "contact_name": inputs.optional_text("contact_name", contact_name),
                "is_internal": inputs.optional_flag("is_internal", is_internal),
                "labels": inputs.optional_labels_text("labels", labels),
            }
        )
        return await self._write("PATCH", _target(contact_id), one_of(Contact), body=body, look_at="get_contact")

    async def set_contact_labels(self, contact_ids: Words, labels: Words) -> None:
        """Replace all labels of these contacts by ``labels`` (names; none takes all away).

        Source: PATCH /contacts/labels of the official client. Raises as :meth:`create_contact` does.
        """
        body = inputs.json_body(
            {
                "contact_ids": inputs.many_digits("contact_ids", contact_ids),
                "labels": inputs.labels_text("labels", labels),
            }
        )
        await self._do("PATCH", "/contacts/labels", body=body, look_at="get_contact(…).labels")


def _target(contact_id: str) -> str:
    # The path has digits alone, though the object's contact_id ends in @c.us.
    return f"/contacts/{inputs.digits('contact_id', contact_id)}"
