"""Chats made from (seed, index): nothing is stored, so a million of them cost no memory.

Index ``i`` is the chat's place in ``created_at`` order, newest first. A row shows only a scramble of its index. No
visible field tells the order among the 18 of 23 chats with the date 1970-01-01, as in the recorded answer. The place
by latest message is another scramble of the index. Both ways are plain arithmetic; neither order is ever written down.
"""

from __future__ import annotations

import math
import struct
from hashlib import blake2b
from typing import Any, NamedTuple

from periskope_async.sandbox.cast import (
    AGENTS,
    COLORS,
    COUNTRY_CODES,
    GROUP_NAMES,
    LABELS,
    ORG_ID,
    PEOPLE,
    PHONES,
    PROPERTIES,
)
from periskope_async.sandbox.messages import made_message
from periskope_async.sandbox.moments import EPOCH, NEWEST, made_stamp, stamp

__all__ = ["TRAITS", "ChatData", "Traits"]

CREATED_SPAN = 3 * 365 * 86_400
MESSAGE_SPAN = 500 * 86_400

_DRAWS = struct.Struct("<16I")
_KEY = struct.Struct("<qqB")
_GROUP_IDS = 10**12
_PERSON_IDS = 10**10
_SCATTER = 387_420_489_101  # Coprime to 10**12 and 10**10: it ends in 1, so multiplying by it loses nothing.
# 2**64 divided by the golden section: multiples of it are spread evenly.
_GOLDEN = 0x9E3779B97F4A7C15
_TYPES = ("group",) * 6 + ("user",) * 3 + ("business",)


class Traits(NamedTuple):
    """A chat's values for filters: the type, the numbers in PHONES (the row's own first), the numbers in LABELS."""

    chat_type: str
    phones: tuple[int, ...]
    labels: tuple[int, ...]


def _made_traits(key: int) -> Traits:
    first = (0, 0, 0, 1, 1, 2)[key // 10 % 6]
    phones = (first, (first + 1) % 3) if key // 60 % 10 == 0 else (first,)
    label = key // 600 % 8
    labels = {0: (label,), 1: (label, (label + 3) % 8), 2: (label,)}.get(key % 7, ())
    return Traits(_TYPES[key % 10], phones, tuple(sorted(labels)))


TRAITS = tuple(map(_made_traits, range(33_600)))
"""Every set of traits, each about as often as its chats are: 10 types, 6 first phones, 10 second ones, 8 labels, 7."""


class ChatData:
    """The chats of one seed. ``total`` chats are there from the start; higher indexes are later insertions."""

    def __init__(self, *, seed: int, total: int) -> None:
        self.seed = seed
        self.total = total
        self.dated = total - (18 * total) // 23
        self.silent = total // 5
        self._shift = self._draw(0, 3)[0] % max(total, 1)
        self._step = self._coprime_to(total)
        self._step_back = pow(self._step, -1, total) if total > 1 else 0
        self._ids_shift = self._draw(1, 3)[0]

    def created_at(self, index: int) -> int:
        """Unix seconds of a made chat's ``created_at``; 0 if its date is unknown."""
        if index >= self.dated:
            return 0
        return NEWEST - 1 - index * CREATED_SPAN // self.dated

    def message_rank(self, index: int) -> int:
        """Give a made chat's place by latest message, newest first; the first ``silent`` places have none."""
        return (index * self._step + self._shift) % self.total

    def index_at_message_rank(self, rank: int) -> int:
        """Invert :meth:`message_rank`."""
        return (rank - self._shift) * self._step_back % self.total

    def messaged_at(self, index: int) -> int | None:
        """Unix seconds of a made chat's latest message, or None. One in seven shares its second with another."""
        place = self.message_rank(index) - self.silent
        if place < 0:
            return None
        place -= place % 7 // 6
        return NEWEST - 1 - place * MESSAGE_SPAN // max(self.total - self.silent, 1)

    def trait_key(self, index: int) -> int:
        """Give the chat's place in TRAITS: one multiplication, as a filter asks it of every chat."""
        return ((index + self.seed) * _GOLDEN >> 40) % len(TRAITS)

    def chat_id(self, index: int) -> str:
        """Give the chat's id: unique, and in no visible relation to the index."""
        return self._chat_id(index, self._draw(index, 0)[1])

    def index_of(self, chat_id: str) -> int | None:
        """Find the index of a chat id; None for an id without an index. Needs no search."""
        local, _, host = chat_id.partition("@")
        if not (local.isascii() and local.isdigit()):
            return None
        size = _GROUP_IDS if host == "g.us" else _PERSON_IDS
        index = (int(local) % size - self._ids_shift) * pow(_SCATTER, -1, size) % size
        return index if index < size // 2 and self.chat_id(index) == chat_id else None

    def chat(
        self, index: int, *, created: int | None = None, messaged: int | None = None, wakes: int = 0
    ) -> dict[str, Any]:
        """Make one row of the list, keys in the alphabetic order of the recorded answer.

        ``created`` and ``messaged`` (Unix seconds) are for chats inserted or woken after the start;
        ``wakes`` counts the new messages, so that each one differs.
        """
        draw = self._draw(index, 0)
        traits = TRAITS[self.trait_key(index)]
        group = traits.chat_type == "group"
        chat_id = self._chat_id(index, draw[1])
        phones = [PHONES[number].org_phone for number in traits.phones]
        moved = messaged if messaged is not None else created
        if index < self.total:
            created = self.created_at(index) if created is None else created
            messaged = self.messaged_at(index) if messaged is None else messaged
        updated = NEWEST - draw[2] % (90 * 86_400) if moved is None else moved
        message = None
        if messaged is not None:
            message = made_message(
                self.message_draw(index, wakes), chat_id=chat_id, org_phone=phones[0], at=messaged, group=group
            )
        return {
            "assigned_to": AGENTS[draw[3] % 4] if draw[3] % 3 == 0 else None,
            "chat_access": {AGENTS[draw[4] % 4]: True, AGENTS[(draw[4] + 1) % 4]: False} if draw[4] % 12 == 0 else None,
            "chat_id": chat_id,
            "chat_image": self._image(chat_id, updated) if draw[5] % 9 == 0 else None,
            "chat_name": self._name(draw, group=group),
            "chat_org_phones": phones,
            "chat_type": traits.chat_type,
            "closed_at": updated * 1000 - draw[6] % 1000 if draw[6] % 11 == 0 else None,
            "created_at": stamp(created) if created else EPOCH,
            "custom_properties": {
                name: words[draw[7] % len(words)] for name, words in PROPERTIES[: 1 + draw[7] // 4 % 3]
            }
            if draw[7] % 4 == 0
            else {},
            "flag_count_map": {phones[0]: draw[8] % 5} if draw[8] % 20 == 0 else None,
            "group_description": "Wazza dobbs" if group and draw[9] % 10 == 0 else None,
            "hubspot_metadata": {},
            "info_admins_only": draw[9] % 8 == 0,
            "invite_link": f"https://chat.whatsapp.com/invite/{chat_id[-12:-5]}{draw[10]:08x}" if group else None,
            "is_exited": draw[10] % 50 == 0,
            "is_muted": draw[10] % 23 == 1,
            "label_ids": {LABELS[number].label_id: True for number in traits.labels},
            "latest_message": message,
            "member_add_mode": "true" if draw[11] % 23 == 0 else "false",
            "member_count": self._member_count(draw, group=group),
            "message_unread_count": draw[12] % 40 if draw[12] % 6 == 0 else None,
            "messages_admins_only": draw[12] % 9 == 0,
            "org_id": ORG_ID,
            "org_phone": phones[0],
            "updated_at": made_stamp(updated, draw[13]),
        }

    def whole_chat(self, index: int, row: dict[str, Any], *, with_members: bool = True) -> dict[str, Any]:
        """Add to a row the further keys of the answer for one chat: the names of its labels, its members by id."""
        draw = self._draw(index, 0)
        chat_id, org_phone = row["chat_id"], row["org_phone"]
        names = [LABELS[number].name for number in TRAITS[self.trait_key(index)].labels]
        members: dict[str, Any] = {}
        for number in range(row["member_count"] if with_members else 0):
            contact_id = org_phone if number == 0 else f"91{(draw[14] + number * 7_919) % _PERSON_IDS:010d}@c.us"
            if number == 1 and chat_id.endswith("@c.us"):
                contact_id = chat_id
            members[contact_id] = {
                "chat_id": chat_id,
                "contact_color": COLORS[draw[15] % len(COLORS)],
                "contact_id": contact_id,
                "contact_image": None,
                "contact_name": PEOPLE[(draw[15] + number) % len(PEOPLE)] if number % 3 else None,
                "is_admin": number == 0 or chat_id.endswith("@c.us"),
                "is_internal": number == 0,
                "is_super_admin": number == 0,
                "org_id": ORG_ID,
                "org_phone": org_phone,
            }
        return dict(sorted({**row, "labels": names, "members": members}.items()))

    def message_draw(self, index: int, wakes: int = 0) -> tuple[int, ...]:
        """Give the numbers behind a chat's latest message."""
        return self._draw(index, 4, wakes)

    def _draw(self, index: int, purpose: int, wakes: int = 0) -> tuple[int, ...]:
        """Sixteen 32-bit numbers of (seed, index, purpose, wakes)."""
        key = _KEY.pack(self.seed, index, purpose)
        return _DRAWS.unpack(blake2b(key, digest_size=64, salt=wakes.to_bytes(16, "little")).digest())

    def _coprime_to(self, total: int) -> int:
        """Give a step that visits every place once: near the golden section of ``total``, so that neighbours part."""
        step = max(int(total * 0.618), 1)
        while math.gcd(step, total) > 1:
            step += 1
        return step

    def _chat_id(self, index: int, number_of_country: int) -> str:
        size = _GROUP_IDS if TRAITS[self.trait_key(index)].chat_type == "group" else _PERSON_IDS
        number = (index * _SCATTER + self._ids_shift) % size
        if size == _GROUP_IDS:
            return f"120363{number:012d}@g.us"
        return f"{COUNTRY_CODES[number_of_country % 5]}{number:010d}@c.us"

    @staticmethod
    def _name(draw: tuple[int, ...], *, group: bool) -> str:
        words = GROUP_NAMES if group else PEOPLE
        name = words[draw[14] % len(words)]
        return f"{name} {draw[14] % 2_000}" if group else name

    @staticmethod
    def _member_count(draw: tuple[int, ...], *, group: bool) -> int:
        return 1 + draw[11] % (60 if draw[11] % 5 == 0 else 6) if group else 2

    @staticmethod
    def _image(chat_id: str, updated: int) -> str:
        name = chat_id.replace("@", "%40")
        return f"https://storage.googleapis.com/periskope-images/{ORG_ID}%2F{name}.jpg?timestamp={updated * 1000 + 596}"
