"""The organisation's phones. Each call but the list acts for one phone: the one given, else the client's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.decoding.objects import many_of, one_of, read_image
from periskope_async.models.phone import Phone
from periskope_async.wire import inputs

if TYPE_CHECKING:
    from periskope_async.wire.inputs import Words

__all__ = ["PhoneMethods"]


class PhoneMethods(BaseClient):
    """The client's methods for phones (types of ``@periskope/periskope-client``).

    ``phone`` is a number in any form, or a phone id (``phone-…``); the server answers 422 if neither the call nor the
    client has one. All wait for the limit. All raise ConfigError, ValidationError, other APIErrors and TransportError;
    writes raise OutcomeUnknown too.
    """

    async def list_phones(self) -> list[Phone]:
        """Read all phones of the organisation."""
        return await self._read("/phones/all", many_of(Phone))

    async def get_phone(self, phone: str | None = None) -> Phone:
        """Read one phone."""
        return await self._read("/phones", one_of(Phone), phone=self._phone(phone))

    async def get_phone_qr(self, phone: str | None = None) -> bytes:
        """Read the image of the QR code to link the phone. There is one only while it is disconnected.

        A phone that is still linked must be reset first, see :meth:`reset_phone`.
        """
        return await self._read("/phones/qr", read_image, phone=self._phone(phone), expects="image")

    async def update_phone(
        self,
        phone: str | None = None,
        *,
        phone_name: str | None = None,
        phone_image: str | None = None,
        labels: Words | None = None,
    ) -> Phone:
        """Change a phone, and get it as it is now. None keeps a value; ``labels`` replaces all labels.

        ``phone_image`` is a public URL. Numbers of the WhatsApp Business app cannot be renamed.
        """
        inputs.at_least_one(phone_name=phone_name, phone_image=phone_image, labels=labels)
        body = inputs.json_body(
            {
                "phone_name": inputs.optional_text("phone_name", phone_name),
                "phone_image": None if phone_image is None else inputs.url("phone_image", phone_image),
                "labels": inputs.optional_labels_text("labels", labels),
            }
        )
        return await self._write(
            "PATCH", "/phones/update", one_of(Phone), body=body, phone=self._phone(phone), look_at="get_phone"
        )

    async def resync_phone(self, phone: str | None = None) -> None:
        """Have the server read the phone's chats again."""
        await self._do("POST", "/phones/resync", phone=self._phone(phone), look_at="get_phone")

    async def restart_phone(self, phone: str | None = None) -> None:
        """Restart the phone's session; it stays linked."""
        await self._do("POST", "/phones/restart", phone=self._phone(phone), look_at="get_phone")

    async def reset_phone(self, phone: str) -> None:
        """Log the phone out: it must be linked again by its QR code. The phone must be named."""
        await self._do("POST", "/phones/reset", phone=self._phone(_named(phone)), look_at="get_phone(…).wa_state")

    async def create_phone(self) -> Phone:
        """Make a new phone, and get it: it waits to be linked by its QR code. It probably costs money."""
        return await self._write("POST", "/phones/create", one_of(Phone), look_at="list_phones")

    async def delete_phone(self, phone: str) -> None:
        """Delete a phone. The phone must be named."""
        await self._do("DELETE", "/phones/delete", phone=self._phone(_named(phone)), look_at="list_phones")


def _named(phone: str) -> str:
    """Refuse None: it would stand for the client's phone."""
    return inputs.text("phone", phone)
