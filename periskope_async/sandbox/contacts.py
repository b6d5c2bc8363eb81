"""The endpoints of contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import COLORS, ORG_ID, PEOPLE
from periskope_async.sandbox.data import TRAITS
from periskope_async.sandbox.moments import NEWEST, made_stamp, stamp_now
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import BOOL, TEXT, TEXTS, an_object, one_page, page_query
from periskope_async.sandbox.shelf import Entry, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["CONTACT", "Contacts"]

_KINDS = {
    "text": "contact_id org_id",
    "text_or_null": "contact_name contact_image contact_type contact_color updated_at",
    "bool_or_null": "is_internal is_imported is_my_contact is_wa_contact",
    "map_or_null": "label_ids",
    "texts": "labels",
}
CONTACT: Schema = an_object(_KINDS)
_DIGITS: Schema = {"type": "string", "pattern": r"^[0-9]{6,15}$"}


class Contacts:
    """Contacts, newest first: the people of the 1-1 chats, then others."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._shelf = org.shelves["contacts"] = Shelf(stock=self._stock, make=self._make, fresh=self._fresh)

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        whole = an_object({**_KINDS, "texts": "labels chat_ids"})
        some = ("contact_name", "is_internal", "labels")
        patch = Body({"contact_name": TEXT, "is_internal": BOOL, "labels": TEXT}, one_of=some)
        labels = Body({"labels": TEXT, "contact_ids": TEXTS}, needed=("contact_ids", "labels"))
        create = Body({**patch.keys, "contact_id": _DIGITS}, needed=("contact_name", "contact_id"))
        one = "/contacts/{contact_id}"
        return [
            Route("GET", "/contacts", self._list, one_page("contacts", CONTACT), query=page_query()),
            Route("GET", one, self._get, whole),
            Route("PATCH", one, self._update, CONTACT, body=patch),
            Route("PATCH", "/contacts/labels", self._set_labels, body=labels, status=204),
            Route("POST", "/contacts/create", self._create, CONTACT, phone="needed", body=create),
        ]

    def _list(self, call: Call) -> bytes:
        return self._org.page("contacts", call)

    def _get(self, call: Call) -> dict[str, Any]:
        entry = self._find(call)
        groups = [entry.key] if self._org.world.whole(entry.key) else []
        return {**self._shelf.row(entry), "chat_ids": groups}

    def _find(self, call: Call) -> Entry:
        """Find the contact of a path; a path has digits only."""
        return self._org.found("contacts", f"{call.path['contact_id']}@c.us", "Contact")

    def _update(self, call: Call) -> dict[str, Any]:
        return self._change(self._find(call), call)

    def _change(self, entry: Entry, call: Call) -> dict[str, Any]:
        changes = {**call.only("contact_name", "is_internal"), **self._org.label_changes(call.body)}
        return self._shelf.change(entry, **changes, updated_at=stamp_now(call.now))

    def _set_labels(self, call: Call) -> None:
        ids = [text if "@" in text else f"{text}@c.us" for text in call.body["contact_ids"]]
        # One unknown contact refuses them all: nothing is half done.
        for entry in [self._org.found("contacts", contact_id, "Contact") for contact_id in ids]:
            self._change(entry, call)

    def _create(self, call: Call) -> dict[str, Any]:
        contact_id = f"{call.body['contact_id']}@c.us"
        if self._shelf.find(contact_id):
            message = "Contact already exists"
            raise Refused(422, message, {"contact_id": {"message": message, "value": call.body["contact_id"]}})
        entry = Entry(contact_id, int(call.now), made_from=self._org.issue("contact"))
        blank: dict[str, Any] = {"contact_image": None, "is_internal": False, "label_ids": {}, "labels": []}
        entry.row = {**self._plain(entry), **blank, "contact_type": "user", "is_my_contact": True}
        self._shelf.add(entry)
        return self._change(entry, call)

    def _stock(self) -> Iterator[Entry]:
        data, total = self._org.world.data, self._org.sizes["contacts"]
        indexes = (index for index in range(data.total) if TRAITS[data.trait_key(index)].chat_type != "group")
        for number in range(total):
            drawn = self._org.draw("contact", number)
            index = next(indexes, None)
            contact_id = f"49{number:010d}@c.us" if index is None else data.chat_id(index)
            # Every sixth was updated at the same moment as the one before it.
            yield Entry(contact_id, NEWEST - 1 - (number - number % 6 // 5) * 3_607, made_from=drawn)

    def _fresh(self) -> Entry:
        drawn = self._org.issue("contact")
        return Entry(f"49{drawn[0] % 10**9 + 10**9:010d}@c.us", int(self._org.now), made_from=drawn)

    def _make(self, entry: Entry) -> dict[str, Any]:
        row = self._plain(entry)
        if self._org.oddities:
            match entry.made_from[15] % 30:
                case 4:
                    row |= {"contact_type": "newsletter", "contact_lid": f"{entry.made_from[14]}@lid"}
                case 11:
                    row |= {"label_ids": None, "labels": [], "contact_name": None}
                case 19:
                    del row["labels"], row["contact_color"]
                    row["updated_at"] = None
                case _:
                    pass
        return row

    def _plain(self, entry: Entry) -> dict[str, Any]:
        drawn: tuple[int, ...] = entry.made_from
        label_ids = self._org.drawn_labels(drawn[1])
        image = f"https://storage.googleapis.com/periskope-images/{ORG_ID}%2F{drawn[2]:08x}.jpg"
        return {
            "contact_color": COLORS[drawn[3] % len(COLORS)],
            "contact_id": entry.key,
            "contact_image": image if drawn[2] % 5 == 0 else None,
            "contact_name": PEOPLE[drawn[4] % len(PEOPLE)] if drawn[4] % 9 else None,
            "contact_type": "business" if drawn[5] % 8 == 0 else "user",
            "is_imported": None if drawn[6] % 3 else drawn[6] % 2 == 0,
            "is_internal": None if drawn[7] % 4 else drawn[7] % 8 == 0,
            "is_my_contact": None if drawn[8] % 3 else True,
            "is_wa_contact": None if drawn[9] % 5 == 0 else True,
            "label_ids": label_ids,
            "labels": self._org.label_names(label_ids),
            "org_id": ORG_ID,
            "updated_at": made_stamp(entry.at, drawn[10]),
        }
