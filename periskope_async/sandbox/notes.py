"""The endpoints of private notes: the team sees them, the chat does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import AGENTS, LINES, ORG_ID
from periskope_async.sandbox.moments import NEWEST, made_stamp, stamp, stamp_now
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.outbox import content_of
from periskope_async.sandbox.routes import Body, Route
from periskope_async.sandbox.sending import CONTENT, HOLDS
from periskope_async.sandbox.shapes import TEXT, an_object, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["NOTE", "Notes"]

NOTE: Schema = an_object(
    {
        "text": "message_id org_id org_phone",
        "text_or_null": (
            "body chat_id ack message_type performed_by prev_body quoted_message_id sender_phone sent_message_id"
            " timestamp unique_id updated_at"
        ),
        "bool": "is_private_note",
        "bool_or_null": "from_me is_deleted",
        "map_or_null": "media",
        "texts": "mentioned_ids",
    }
)
# The documented default.
_LIMIT = 500


class Notes:
    """Notes, newest first."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._shelf = org.shelves["notes"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        page = one_page("notes", NOTE, echoes_times=True)
        query = page_query(times=True)
        body = Body({"chat_id": TEXT, **CONTENT}, needed=("chat_id",), one_of=HOLDS)
        created = an_object({"bool": "success", "text": "message"}, others={"data": NOTE})
        return [
            Route("GET", "/chats/{chat_id}/notes", self._list, page, phone="optional", query=query),
            # The official client asks for the singular, the documentation for the plural.
            Route("GET", "/note", self._list, page, phone="optional", query=query),
            Route("GET", "/notes", self._list, page, phone="optional", query=query),
            Route("GET", "/note/{note_id}", self._get, NOTE, phone="optional"),
            Route("GET", "/notes/{note_id}", self._get, NOTE, phone="optional"),
            Route("POST", "/note/create", self._create, created, phone="needed", body=body),
        ]

    def _list(self, call: Call) -> bytes:
        chat_id = call.path.get("chat_id")
        if chat_id is not None:
            self._org.chat(chat_id, call.phone)
        wanted = Wanted(chat_id, self._org.wanted_phone(call))
        return self._org.page("notes", call, wanted=wanted, limit=_LIMIT, echoes_times=True)

    def _get(self, call: Call) -> dict[str, Any]:
        return self._shelf.row(self._org.found("notes", call.path["note_id"], "Note"))

    def _create(self, call: Call) -> dict[str, Any]:
        chat = self._org.chat(call.body["chat_id"], call.phone)
        drawn = self._org.issue("note")
        entry = self._entry(drawn, chat["chat_id"], self._org.org_phone(call.phone), "api", int(call.now))
        content = content_of(call.body, drawn=drawn[0])
        words = [word.strip(".,;:!?") for word in content["body"].split()]
        note = {
            **self._make(entry),
            "quoted_message_id": None,
            "media": None,
            **{name: value for name, value in content.items() if name in NOTE["properties"]},
            "mentioned_ids": [word for word in words if word.startswith("@") and "@" in word[1:]],
            "prev_body": None,
            "is_deleted": None,
            "updated_at": stamp_now(call.now),
        }
        entry.row = note
        self._shelf.add(entry)
        self._org.world.emit("note.created", note)
        return {"success": True, "message": "Note created successfully", "data": note}

    def _stock(self) -> Iterator[Entry]:
        for number in range(self._org.sizes["notes"]):
            drawn = self._org.draw("note", number)
            yield self._placed(drawn, NEWEST - 1 - (number - number % 5 // 4) * 7_203)

    def _fresh(self) -> Entry:
        return self._placed(self._org.issue("note"), int(self._org.now))

    def _placed(self, drawn: tuple[int, ...], at: int) -> Entry:
        messages = self._org.shelves["messages"].entries()
        chat = messages[drawn[0] % len(messages)] if messages else Entry("")
        return self._entry(drawn, chat.chat_id, chat.phone, AGENTS[drawn[1] % 4], at)

    @staticmethod
    def _entry(drawn: tuple[int, ...], chat_id: str | None, phone: str | None, who: str, at: int) -> Entry:
        unique_id = uuid_of(drawn)
        return Entry(f"true_{unique_id}_{who}", at, phone, chat_id, made_from=(drawn, unique_id, who))

    def _make(self, entry: Entry) -> dict[str, Any]:
        drawn, unique_id, who = entry.made_from
        note: dict[str, Any] = {
            "ack": "3",
            "body": LINES[drawn[6] % len(LINES)],
            "chat_id": entry.chat_id,
            "from_me": True,
            "is_deleted": True if drawn[7] % 30 == 0 else None,
            "is_private_note": True,
            "media": None,
            "mentioned_ids": [f"@{AGENTS[drawn[8] % 4]}"] if drawn[8] % 6 == 0 else [],
            "message_id": entry.key,
            "message_type": "chat",
            "org_id": ORG_ID,
            "org_phone": entry.phone or "",
            "performed_by": who,
            "prev_body": None,
            "quoted_message_id": None,
            "sender_phone": entry.phone,
            "sent_message_id": None,
            "timestamp": stamp(entry.at),
            "unique_id": unique_id,
            "updated_at": made_stamp(entry.at, drawn[9]),
        }
        if drawn[10] % 9 == 0:
            path = f"https://storage.googleapis.com/periskope-attachments/{ORG_ID}/{drawn[10]:08x}"
            note |= {"message_type": "image", "media": {"filename": "shelf.png", "mimetype": "image/png", "path": path}}
        if self._org.oddities and drawn[11] % 20 == 0:
            note |= {"ack": None, "body": None, "performed_by": None, "source": "mobile"}
        return note
