"""The endpoints of messages: the lists, one message, and its later changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.data import MESSAGE_SPAN, TRAITS
from periskope_async.sandbox.messages import BLANK, made_message, made_message_id
from periskope_async.sandbox.moments import NEWEST, stamp_now
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import BOOL, TEXT, TEXTS, an_object, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.outbox import Outbox
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["MESSAGE", "Conversation"]

_TEXTS = "chat_id message_id message_type org_id org_phone sender_phone timestamp unique_id updated_at"
_BOOLS = (
    "broadcast flag_status has_media has_quoted_msg has_reaction is_deleted is_ephemeral is_forwarded is_gif"
    " is_starred is_status"
)
_MAPS = "delivery_info flag_metadata interactive location media poll_info poll_results"
_NUMBERS = "forwarding_score flag_response_time"
_ANY = "invite_v4 links raw_data vcards fts"
_NAMED = f"{_TEXTS} {_BOOLS} {_MAPS} {_NUMBERS} {_ANY} from_me id mentioned_ids".split()
_REST = set(BLANK) - set(_NAMED)
MESSAGE: Schema = an_object(
    {
        "text": _TEXTS,
        "bool": "from_me",
        "bool_or_null": _BOOLS,
        "map": "id",
        "map_or_null": _MAPS,
        "texts": "mentioned_ids",
        "text_or_null": " ".join(sorted(_REST)),
        "number_or_null": _NUMBERS,
        "any": _ANY,
    }
)
"""A message as the lists have it."""

# The documentation gives 15 minutes after the delivery.
_EDITABLE_FOR = 900


class Conversation:
    """All messages of all chats, newest first.

    Each chat's latest message is in the list, with older ones behind it. The chat with the latest message of all has a
    third of all messages, so its own list has several pages too.
    """

    def __init__(self, org: Org, outbox: Outbox) -> None:
        self._org = org
        self._outbox = outbox
        self._shelf = org.shelves["messages"] = Shelf(
            stock=self._stock, make=self._make, fresh=self._fresh, news=self._news
        )

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        page = one_page("messages", MESSAGE)
        reactions: Schema = {"reactions": {"type": "array", "items": {"type": "object"}}}
        whole = {**MESSAGE, "properties": {**MESSAGE["properties"], **reactions}}
        one = "/message/{message_id}"
        edit = Body({"edited_body": TEXT}, needed=("edited_body",))
        forward = Body({"forward_chat_ids": TEXTS}, needed=("forward_chat_ids",))
        pin = Body({"pin": BOOL}, needed=("pin",))
        timed = page_query(times=True)
        return [
            Route("GET", "/chats/messages", self._list, page, phone="optional", query=timed),
            Route("GET", "/chats/{chat_id}/messages", self._list, page, phone="optional", query=timed),
            Route("GET", one, self._get, whole, phone="needed"),
            Route("POST", f"{one}/edit", self._edit, phone="needed", body=edit, status=204),
            Route("POST", f"{one}/delete", self._delete, phone="needed", status=204),
            Route("POST", f"{one}/forward", self._forward, phone="needed", body=forward, status=204),
            Route("POST", f"{one}/pin", self._pin, phone="needed", body=pin, status=204),
        ]

    def message(self, name: str) -> Entry:
        """Find a message by its id, or by the id or hex part of its job. Raises :class:`Refused`: a 404."""
        message_id = self._outbox.resolve(name)
        entry = None if message_id is None else self._shelf.find(message_id)
        if entry is None:
            raise Refused(404, "Message not found")
        return entry

    def change(self, entry: Entry, event: str, now: float, **changes: Any) -> dict[str, Any]:
        """Change a message in the list, and in its chat if it is the latest one. Emits ``event``."""
        message = self._shelf.change(entry, **changes, updated_at=stamp_now(now))
        self._org.world.amend(message)
        self._org.world.emit(event, message)
        return message

    def _list(self, call: Call) -> bytes:
        chat_id = call.path.get("chat_id")
        if chat_id is not None:
            self._org.chat(chat_id, call.phone)
        return self._org.page("messages", call, wanted=Wanted(chat_id, self._org.wanted_phone(call)))

    def _get(self, call: Call) -> dict[str, Any]:
        # A waiting job has no message yet. The server's answer for it is not documented; here it is not found.
        entry = self.message(call.path["message_id"])
        reactions = self._org.shelves["reactions"]
        of_it = reactions.entries(Wanted(tag=entry.key))
        return {**self._shelf.row(entry), "reactions": [reactions.row(reaction) for reaction in of_it]}

    def _edit(self, call: Call) -> None:
        entry = self.message(call.path["message_id"])
        message = self._shelf.row(entry)
        if not message["from_me"] or message["message_type"] == "poll_creation" or call.now - entry.at > _EDITABLE_FOR:
            text = "Only own messages of the last 15 minutes that are no polls can be edited"
            raise Refused(422, text, {"message_id": {"message": text}})
        body = call.body["edited_body"]
        self.change(entry, "message.updated", call.now, body=body, prev_body=message["body"])

    def _delete(self, call: Call) -> None:
        self.change(self.message(call.path["message_id"]), "message.deleted", call.now, is_deleted=True)

    def _forward(self, call: Call) -> None:
        message = self._shelf.row(self.message(call.path["message_id"]))
        kept = ("body", "media", "message_type", "poll_info", "poll_results", "vcards", "location")
        content = {name: message[name] for name in kept}
        content |= {"is_forwarded": True, "forwarding_score": 1, "performed_by": "api"}
        chats = [self._outbox.destination(chat_id, call.phone)[0] for chat_id in call.body["forward_chat_ids"]]
        for chat_id in chats:
            self._outbox.add(chat_id, content, phone=call.phone)

    def _pin(self, call: Call) -> None:
        entry = self.message(call.path["message_id"])
        if entry.chat_id is None:
            raise Refused(404, "Message not found")
        pinned = self._org.chat(entry.chat_id).get("pinned_messages", [])
        pinned = [pin for pin in pinned if pin["message_id"] != entry.key]
        if call.body["pin"]:
            pinned.append({"message_id": entry.key, "pinned_at": int(call.now), "expires_at": int(call.now) + 604_800})
        self._org.world.emit("chat.updated", self._org.world.change(entry.chat_id, {"pinned_messages": pinned}))

    # The list

    def _stock(self) -> Iterator[Entry]:
        data, total = self._org.world.data, self._org.sizes["messages"]
        spoken = data.total - data.silent
        if spoken < 1 or total < 1:
            return
        chats = min(spoken, max(total * 2 // 3, 1))
        spare = total - chats
        busiest = spare if chats == 1 else min(spare, total // 3)
        share, over = divmod(spare - busiest, max(chats - 1, 1))
        placed: list[tuple[int, int, int]] = []
        for place in range(chats):
            index = data.index_at_message_rank(data.silent + place)
            often = 1 + (share + (place <= over) if place else busiest)
            latest = data.messaged_at(index) or NEWEST - MESSAGE_SPAN
            step = 40 + data.trait_key(index) % 4_000
            # Every eighth message shares its second with the one before it.
            placed += [(latest - (nth - nth % 8 // 7) * step, index, nth) for nth in range(often)]
        placed.sort(key=lambda one: (-one[0], one[2], one[1]))
        for at, index, nth in placed:
            yield self._entry(index, nth, at)

    def _entry(self, index: int, nth: int, at: int, *, wakes: int = 0) -> Entry:
        """Place a message of a chat: the latest after so many wakes, or the ``nth`` before that of the start."""
        chat_id, phone = self._org.world.chat_of(index)
        draw = self._draw(index, nth, wakes)
        # Only the id of a message is needed before it is shown.
        from_me, unique_id = made_message_id(draw)
        key = f"{'true' if from_me else 'false'}_{chat_id}_{unique_id}"
        return Entry(key, at, phone, chat_id, made_from=(index, nth, wakes))

    def _draw(self, index: int, nth: int, wakes: int) -> tuple[int, ...]:
        if nth == 0:
            return self._org.world.data.message_draw(index, wakes)
        return self._org.draw(f"message {nth}", index)

    def _make(self, entry: Entry) -> dict[str, Any]:
        index, nth, wakes = entry.made_from
        message = made_message(
            self._draw(index, nth, wakes),
            chat_id=entry.chat_id or "",
            org_phone=entry.phone or "",
            at=entry.at,
            group=TRAITS[self._org.world.data.trait_key(index)].chat_type == "group",
        )
        if nth and self._org.oddities:
            _oddly(message, nth * 31 + index)
        return message

    def _news(self) -> Iterator[Entry]:
        """Give the messages of the chats woken since the last look."""
        while self._org.world.woken:
            index, wakes, at = self._org.world.woken.popleft()
            yield self._entry(index, 0, at, wakes=wakes)

    def _fresh(self) -> Entry:
        self._org.world.wake()
        index, wakes, at = self._org.world.woken.pop()
        return self._entry(index, 0, at, wakes=wakes)


def _oddly(message: dict[str, Any], number: int) -> None:
    """Write a message as some other sources do: words foreign to every list, numbers as text, undocumented keys."""
    match number % 40:
        case 3:
            message["message_type"] = "newsletter_admin_invite"
        case 11:
            message["forwarding_score"], message["links"], message["vcards"] = "0", "[]", []
        case 17:
            id_ = message["id"]
            message["id"] = {
                "id": id_["id"],
                "fromMe": id_["from_me"],
                "remote": id_["remote"],
                "_serialized": id_["serialized"],
            }
            message["timestamp"] = message["timestamp"].replace("T", " ").replace("+00:00", "+00")
        case 23:
            message["ack"], message["mentioned_ids"] = None, None
        case 29:
            message["view_once"] = False
            del message["fts"], message["interactive"]
        case _:
            pass
