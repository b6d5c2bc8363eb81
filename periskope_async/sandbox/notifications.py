"""The endpoints of notifications: joins, leaves, new subjects of groups, calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import ORG_ID
from periskope_async.sandbox.moments import NEWEST, stamp
from periskope_async.sandbox.routes import Route
from periskope_async.sandbox.shapes import an_object, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["NOTIFICATION", "Notifications"]

NOTIFICATION: Schema = an_object(
    {
        "text": "notification_id org_id org_phone",
        "text_or_null": "chat_id author body timestamp type unique_id",
        "map_or_null": "id metadata",
        "any": "recipientids",
    }
)
# The samples call the rows so, and the official client `notifictions`.
KEY = "messages"
_TYPES = ("add", "remove", "promote", "demote", "invite", "leave", "announce_true", "subject", "desc", "call")


class Notifications:
    """Notifications, newest first, of the chats with messages."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._shelf = org.shelves["notifications"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        page = one_page(KEY, NOTIFICATION)
        query = page_query(times=True)
        return [
            # The documents call the phone optional for one chat only.
            Route("GET", "/chats/notifications", self._list, page, phone="needed", query=query),
            Route("GET", "/chats/{chat_id}/notifications", self._list, page, phone="optional", query=query),
        ]

    def tell(self, kind: str, chat_id: str, phone: str, *, author: str, recipients: list[str], body: str = "") -> None:
        """Add a notification about a group with the present time, and emit it."""
        entry = self._entry(self._org.issue("notification"), chat_id, phone, int(self._org.now))
        self._shelf.add(entry)
        row = self._shelf.change(entry, type=kind, author=author, recipientids=recipients, body=body, metadata=None)
        self._org.world.emit("chat.notification.created", row)

    def _list(self, call: Call) -> bytes:
        chat_id = call.path.get("chat_id")
        if chat_id is not None:
            self._org.chat(chat_id, call.phone)
        wanted = Wanted(chat_id, self._org.wanted_phone(call))
        return self._org.page("notifications", call, wanted=wanted, key=KEY)

    def _stock(self) -> Iterator[Entry]:
        for number in range(self._org.sizes["notifications"]):
            drawn = self._org.draw("notification", number)
            yield self._placed(drawn, NEWEST - 1 - (number - number % 6 // 5) * 1_801)

    def _fresh(self) -> Entry:
        return self._placed(self._org.issue("notification"), int(self._org.now))

    def _placed(self, drawn: tuple[int, ...], at: int) -> Entry:
        messages = self._org.shelves["messages"].entries()
        chat = messages[drawn[0] % len(messages)] if messages else Entry("")
        return self._entry(drawn, chat.chat_id, chat.phone, at)

    @staticmethod
    def _entry(drawn: tuple[int, ...], chat_id: str | None, phone: str | None, at: int) -> Entry:
        return Entry(f"notification_{drawn[1]:08x}{drawn[2]:08x}", at, phone, chat_id, made_from=drawn)

    def _make(self, entry: Entry) -> dict[str, Any]:
        drawn: tuple[int, ...] = entry.made_from
        kind = _TYPES[drawn[3] % len(_TYPES)]
        unique_id = f"{drawn[4]:08d}{drawn[5]:08d}"
        row: dict[str, Any] = {
            "author": f"91{drawn[6] % 10**10:010d}@c.us" if drawn[6] % 5 else None,
            "body": "Höhenweg" if kind in {"subject", "desc"} else "",
            "chat_id": entry.chat_id,
            # Half the spelling of messages, half that of webhooks.
            "id": {
                "fromMe": False,
                "id": unique_id,
                "remote": entry.chat_id,
                "serialized": f"false_{entry.chat_id}_{unique_id}",
            },
            "metadata": {"result": "missed", "is_video": False} if kind == "call" else None,
            "notification_id": entry.key,
            "org_id": ORG_ID,
            "org_phone": entry.phone or "",
            "recipientids": [f"91{drawn[7] % 10**10:010d}@c.us"] if kind != "call" else None,
            "timestamp": stamp(entry.at),
            "type": kind,
            "unique_id": unique_id,
        }
        if self._org.oddities and drawn[8] % 25 == 0:
            row |= {"type": "ephemeral", "author": None, "unique_id": None, "timestamp": None}
        return row
