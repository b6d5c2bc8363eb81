"""Private notes, visible only to members of the organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.client.content import written_content
from periskope_async.client.lists import CHAT_NOTES, NOTES, of_chat_or_all
from periskope_async.decoding.objects import one_of
from periskope_async.errors import APIError, NotFoundError
from periskope_async.models.note import Note
from periskope_async.wire import inputs
from periskope_async.wire.chats import normal_chat_id
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.media import Media
    from periskope_async.models.page import ListPage
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.listing import ListQuery
    from periskope_async.wire.period import Moment

__all__ = ["NoteMethods"]


class NoteMethods(BaseClient):
    """The client's methods for private notes (https://docs.periskope.app/api-reference/notes/list-all-private-notes)."""

    def iter_notes(
        self,
        *,
        chat_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        phone: str | None = None,
        **walk: Unpack[WalkParams],
    ) -> Pager[Note]:
        """Walk over the notes of one chat, or of all, newest first: without a phone, those of every phone of the key.

        Times, options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(_query(chat_id, start_time, end_time, self._phone(phone)), **walk)

    async def list_notes(
        self,
        *,
        chat_id: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        offset: int = 0,
        limit: int = 500,
        phone: str | None = None,
    ) -> ListPage[Note]:
        """Read one page of the list of :meth:`iter_notes`. Raises as :meth:`list_chats` does."""
        query = _query(chat_id, start_time, end_time, self._phone(phone))
        return await self._page(query, offset=offset, limit=limit)

    async def get_note(self, note_id: str, *, phone: str | None = None) -> Note:
        """Read one note. Raises NotFoundError if there is none, and the errors of :meth:`list_chats`.

        The documents ask under ``/notes/``, the official client under ``/note/``. The second is asked if the first has
        none, at the cost of another request.
        """
        given = encoded(inputs.path_id("note_id", note_id))
        number = self._phone(phone)
        missing: list[APIError] = []
        for path in (f"/notes/{given}", f"/note/{given}"):
            try:
                return await self._read(path, one_of(Note), phone=number)
            except APIError as error:
                if error.status != 404:  # noqa: PLR2004 - HTTP's own
                    raise
                missing.append(error)
        # A server without one of these paths answers with a page there, which says nothing of the note.
        raise next((error for error in missing if isinstance(error, NotFoundError)), missing[0])

    async def create_note(
        self,
        chat_id: str,
        message: str | None = None,
        *,
        media: Media | None = None,
        reply_to: str | None = None,
        phone: str | None = None,
    ) -> Note:
        """Write a note into a chat, and get it. It has a text, or a file, or both; ``reply_to`` is a message's id.

        Source: https://docs.periskope.app/api-reference/notes/create-private-notes. Waits for the limit. Raises
        ConfigError, NotFoundError, ValidationError, other APIErrors, TransportError if nothing was sent, and
        OutcomeUnknown.
        """
        body = await written_content(
            {"chat_id": normal_chat_id(chat_id)}, message=message, media=media, reply_to=reply_to
        )
        return await self._write(
            "POST", "/note/create", one_of(Note), body=body, phone=self._phone(phone), look_at="iter_notes(chat_id=…)"
        )


def _query(
    chat_id: str | None, start_time: Moment | None, end_time: Moment | None, phone: str | None
) -> ListQuery[Note]:
    return of_chat_or_all(NOTES, CHAT_NOTES, chat_id, start_time, end_time, phone=phone, chat_has_period=True)
