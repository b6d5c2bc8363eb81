"""The shared state of the resources: the chats, the phones, the labels, the lists, the clock, and the agenda."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from periskope_async.sandbox.agenda import Agenda
from periskope_async.sandbox.cast import LABELS, Label
from periskope_async.sandbox.routes import Refused
from periskope_async.sandbox.shelf import Wanted
from periskope_async.sandbox.validation import moment_of, number_of, page_limit
from periskope_async.sandbox.world import PageAsked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from periskope_async.sandbox.pages import Count
    from periskope_async.sandbox.routes import Call
    from periskope_async.sandbox.shelf import Entry, Shelf
    from periskope_async.sandbox.world import World

__all__ = ["SIZES", "Org", "uuid_of"]

SIZES: Mapping[str, int] = {
    "messages": 3_000,
    "notifications": 300,
    "notes": 120,
    "reactions": 400,
    "contacts": 500,
    "tickets": 150,
    "tasks": 60,
    "scheduled_messages": 45,
    "knowledge_base": 40,
}
"""Rows of each list but chats at the start, unless the sandbox is given other sizes."""

_DRAWS = struct.Struct("<16I")


def uuid_of(drawn: tuple[int, ...]) -> str:
    """Make a UUID of the last four of sixteen drawn numbers."""
    number = 0
    for part in drawn[12:]:
        number = number << 32 | part
    return str(UUID(int=number, version=4))


class Org:
    """The organisation. Callers of its methods hold ``world.lock``."""

    def __init__(
        self,
        world: World,
        *,
        seed: int,
        sizes: Mapping[str, int],
        pace: float,
        oddities: bool,
        count: Count,
        max_limit: int,
    ) -> None:
        self.world = world
        self.agenda = Agenda()
        self.shelves: dict[str, Shelf] = {}
        self.phones: list[dict[str, Any]] = []
        self.pace = pace
        self.oddities = oddities
        if unknown := set(sizes) - set(SIZES):
            raise ValueError(f"sizes names {', '.join(sorted(unknown))}; known are {', '.join(SIZES)}")
        self.sizes = {**SIZES, **sizes}
        self.max_limit = max_limit
        self._labels: list[Label] = list(LABELS)
        self._count: Count = count
        self._seed = seed
        self._issued = 0

    @property
    def now(self) -> float:
        """The server's time in Unix seconds; during a deed of the agenda, the time of the deed."""
        return self.world.clock() if self.agenda.doing_at is None else self.agenda.doing_at

    def draw(self, name: str, number: int = 0) -> tuple[int, ...]:
        """Give the sixteen 32-bit numbers of (seed, name, number)."""
        return _DRAWS.unpack(blake2b(f"{self._seed} {name} {number}".encode(), digest_size=64).digest())

    def issue(self, name: str) -> tuple[int, ...]:
        """Draw for something new. The n-th new thing of a seed is the same in every run."""
        self._issued += 1
        return self.draw(f"new {name}", self._issued)

    # Phones

    def phone_number(self, header: str) -> int | None:
        """Give the number of the phone in an ``x-phone`` header; None for a foreign one."""
        wanted = header.strip()
        for number, phone in enumerate(self.phones):
            org_phone: str = phone["org_phone"] or ""
            names = {phone["phone_id"], org_phone, org_phone.removesuffix("@c.us")} - {""}
            if wanted in names and not phone.get("gone"):
                return number
        return None

    def phone_id(self, number: int) -> str:
        """Give the id of a phone."""
        return str(self.phones[number]["phone_id"])

    def org_phone(self, number: int | None) -> str:
        """Give a phone's number as in rows; that of the first phone if a request names none."""
        return str(self.phones[number or 0]["org_phone"] or "")

    # Labels

    def label_ids(self, names: str) -> dict[str, bool]:
        """Turn comma-separated names into the map of ids. Case is ignored, and unknown names are created."""
        found: dict[str, bool] = {}
        for name in filter(None, (name.strip() for name in names.split(","))):
            number = self._label_number(name)
            if number is None:
                letters = "".join(chr(97 + drawn % 26) for drawn in self.draw(f"label {name.casefold()}"))
                number = len(self._labels)
                self._labels.append(Label(f"label-{letters}", name))
            found[self._labels[number].label_id] = True
        return found

    def label_changes(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Give a row's changes from the ``labels`` of a body; none if the body has no labels."""
        if "labels" not in body:
            return {}
        label_ids = self.label_ids(body["labels"])
        return {"label_ids": label_ids, "labels": self.label_names(label_ids)}

    def label_names(self, label_ids: Mapping[str, bool] | None) -> list[str]:
        """Give the names of a map of ids."""
        return [label.name for label in self._labels if (label_ids or {}).get(label.label_id)]

    def label_numbers(self, label_ids: Mapping[str, bool]) -> tuple[int, ...]:
        """Give the labels' positions in the list of labels."""
        return tuple(number for number, label in enumerate(self._labels) if label_ids.get(label.label_id))

    @property
    def labels(self) -> tuple[Label, ...]:
        """All labels."""
        return tuple(self._labels)

    def drawn_labels(self, drawn: int) -> dict[str, bool]:
        """Give none, one or two labels to a made row."""
        first = LABELS[drawn % 8]
        second = LABELS[drawn // 8 % 8]
        return [{}, {}, {first.label_id: True}, {first.label_id: True, second.label_id: True}][drawn // 64 % 4]

    def _label_number(self, name: str) -> int | None:
        wanted = name.casefold()
        for number, label in enumerate(self._labels):
            if wanted in {label.name.casefold(), label.label_id}:
                return number
        return None

    # Lists

    def page(
        self,
        name: str,
        call: Call,
        *,
        wanted: Wanted = Wanted(),  # noqa: B008 - it is frozen
        key: str | None = None,
        limit: int | None = None,
        places: bool = True,
        echoes_times: bool = False,
    ) -> bytes:
        """Let a list move, then cut the page of a call, newest first.

        ``limit`` is the list's default; ``key`` is the name of the rows, if not the list's name.
        Without ``places`` the answer has no from and to; with ``echoes_times`` it repeats the times asked for.
        """
        shelf = self.shelves[name]
        offset = number_of(call.query, "offset", default=0)
        limit = page_limit(call.query, self.max_limit, default=min(limit or self.max_limit, self.max_limit))
        wanted = wanted._replace(
            start=moment_of(call.query, "start_time"), end=moment_of(call.query, "end_time", end_of_day=True)
        )
        with self.world.cutting(
            PageAsked(self.world.next_number(), offset, limit, "created_at", True, None, name),
            grow=shelf.grow,
            shrink=lambda: self._shrink(shelf),
        ):
            entries = shelf.entries(wanted)
            rows = entries[offset : offset + limit]
            # The documentation says only of these that count is the number returned.
            total = len(rows) if self._count == "page" or name in {"notes", "reactions"} else len(entries)
            head = f'"count":{total}'
            if places:
                head += f',"from":{offset + 1},"to":{offset + len(rows)}'
            if echoes_times:
                times = {side: call.text(side) for side in ("start_time", "end_time")}
                head += "," + msgspec.json.encode(times).decode()[1:-1]
            return f'{{{head},"{key or name}":['.encode() + b",".join(map(shelf.text, rows)) + b"]}"

    def shelf(self, name: str) -> Shelf:
        """Give a list. Raises :class:`ValueError` for an unknown name."""
        if name not in self.shelves:
            known = ", ".join(self.shelves)
            raise ValueError(f"there is no list {name!r}; there are {known}, and chat_ids() for chats")
        return self.shelves[name]

    def wanted_phone(self, call: Call) -> str | None:
        """Give the phone to filter the rows of a call by, or None for all."""
        return None if call.phone is None else self.org_phone(call.phone)

    def found(self, name: str, key: str, what: str) -> Entry:
        """Give a list's row by its key. Raises :class:`Refused` with the documented 404."""
        entry = self.shelves[name].find(key)
        if entry is None:
            raise Refused(404, f"{what} not found")
        return entry

    def chat(self, chat_id: str, phone: int | None = None) -> dict[str, Any]:
        """Give a whole chat. Raises :class:`Refused` with the documented 404."""
        chat = self.world.whole(chat_id, phone)
        if chat is None:
            raise Refused(404, "Chat not found")
        return chat

    def later(self, seconds: float, deed: Callable[[float], object]) -> None:
        """Call ``deed`` so many seconds from now."""
        self.agenda.add(self.now + seconds, deed)

    @staticmethod
    def _shrink(shelf: Shelf) -> None:
        """Take out a row near the front, just behind a walk's reader."""
        entries = shelf.entries()
        if entries:
            shelf.remove(entries[len(entries) // 10])
