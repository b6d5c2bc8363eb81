"""The endpoints of reactions: the list, and reacting to a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import ORG_ID
from periskope_async.sandbox.moments import NEWEST, stamp
from periskope_async.sandbox.org import uuid_of
from periskope_async.sandbox.routes import Body, Route
from periskope_async.sandbox.shapes import TEXT, an_object, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.conversation import Conversation
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["REACTION", "Reactions"]

REACTION: Schema = an_object(
    {
        "text": "reaction_id message_id org_id org_phone sender_id chat_id timestamp unique_id",
        "text_or_null": "reaction orphan_reason",
        "number_or_null": "ack orphan",
        "bool_or_null": "read",
        "map": "id msg_id",
    }
)
_EMOJI = ("👍", "❤️", "😂", "🙏🏽", "🎉", None)
# The documented default.
_LIMIT = 500


class Reactions:
    """Reactions, newest first. Each belongs to a message of the list of messages."""

    def __init__(self, org: Org, conversation: Conversation) -> None:
        self._org = org
        self._conversation = conversation
        self._shelf = org.shelves["reactions"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        page = one_page("reactions", REACTION, echoes_times=True)
        query = page_query(times=True, chat_id=TEXT, message_id=TEXT)
        react = Body({"reaction": TEXT}, needed=("reaction",))
        return [
            Route("GET", "/reactions", self._list, page, phone="needed", query=query),
            Route("POST", "/message/{message_id}/react", self._react, phone="needed", body=react, status=204),
        ]

    def _list(self, call: Call) -> bytes:
        wanted = Wanted(call.text("chat_id"), self._org.wanted_phone(call), call.text("message_id"))
        return self._org.page("reactions", call, wanted=wanted, limit=_LIMIT, echoes_times=True)

    def _react(self, call: Call) -> None:
        message = self._conversation.message(call.path["message_id"])
        own = self._org.org_phone(call.phone)
        reaction = call.body["reaction"]
        for entry in self._shelf.entries(Wanted(tag=message.key, phone=own)):
            if self._shelf.row(entry)["sender_id"] == own:
                changed = self._shelf.change(entry, reaction=reaction, timestamp=stamp(int(call.now)))
                self._org.world.emit("reaction.updated", changed)
                return
        entry = self._entry(self._org.issue("reaction"), message, int(call.now))
        self._shelf.add(entry)
        self._org.world.emit("reaction.created", self._shelf.change(entry, reaction=reaction, sender_id=own))

    def _stock(self) -> Iterator[Entry]:
        messages = self._org.shelves["messages"].entries()
        if not messages:
            return
        total = self._org.sizes["reactions"]
        chosen = sorted(self._org.draw("reaction", number)[0] % len(messages) for number in range(total))
        for number, place in enumerate(chosen):
            message = messages[place]
            # Those of one message share their second.
            yield self._entry(self._org.draw("reaction", number), message, min(message.at + 60, NEWEST))

    def _fresh(self) -> Entry:
        drawn = self._org.issue("reaction")
        messages = self._org.shelves["messages"].entries()
        return self._entry(drawn, messages[drawn[0] % len(messages)], int(self._org.now))

    @staticmethod
    def _entry(drawn: tuple[int, ...], message: Entry, at: int) -> Entry:
        return Entry(uuid_of(drawn), at, message.phone, message.chat_id, message.key, made_from=drawn)

    def _make(self, entry: Entry) -> dict[str, Any]:
        drawn, message_id = entry.made_from, entry.tag or ""
        from_me, unique_id = message_id.partition("_")[0], message_id.rpartition("_")[2]
        own = {"from_me": from_me == "true", "remote": entry.chat_id}
        own_id = f"3A{drawn[5]:08X}{drawn[6]:08X}"
        return {
            "reaction_id": entry.key,
            "ack": drawn[7] % 4 if drawn[7] % 3 else None,
            "chat_id": entry.chat_id,
            "id": {**own, "id": own_id, "serialized": f"{from_me}_{entry.chat_id}_{own_id}"},
            "message_id": message_id,
            "msg_id": {**own, "id": unique_id, "serialized": message_id},
            "org_id": ORG_ID,
            "org_phone": entry.phone,
            "orphan": 0 if drawn[8] % 2 else None,
            "orphan_reason": None,
            "reaction": _EMOJI[drawn[9] % len(_EMOJI)],
            "read": False if drawn[10] % 2 else None,
            "sender_id": f"91{drawn[11] % 10**10:010d}@c.us",
            "timestamp": stamp(entry.at),
            # The sample's is that of the message.
            "unique_id": unique_id,
        }
