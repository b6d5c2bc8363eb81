"""The endpoints of phones: WhatsApp numbers that connect, are logged out, and wait for a scan of their QR code."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

from periskope_async.sandbox.cast import ORG_ID, PHONES
from periskope_async.sandbox.express import Answer
from periskope_async.sandbox.moments import NEWEST, stamp, stamp_now
from periskope_async.sandbox.routes import Body, Refused, Route
from periskope_async.sandbox.shapes import TEXT, an_array, an_object

if TYPE_CHECKING:
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Call, Schema

__all__ = ["PHONE", "Phones"]

_NAMES = ("Sales Delhi", "Поддержка", None)
_PHONE: dict[str, str] = {
    "text": "org_id phone_id created_at",
    "text_or_null": "org_phone phone_name phone_image qr_code updated_at first_connected_at wa_state",
    "bool_or_null": "is_ready",
    "bool": "is_browser_open",
    "map": "label_ids",
}
PHONE: Schema = an_object({**_PHONE, "texts": "labels"})
_ROW_ONLY = "library server_image server_ip server_name server_zone wa_version"
# The changes of a reset, until somebody scans the code.
_LOGGED_OUT: dict[str, Any] = {"wa_state": "DISCONNECTED", "is_ready": False}
_LOGGED_IN: dict[str, Any] = {"wa_state": "CONNECTED", "is_ready": True, "qr_code": None}


class Phones:
    """The phones of the organisation, in the order of their numbers; deleted ones keep theirs."""

    def __init__(self, org: Org) -> None:
        self._org = org
        for number, (phone_id, org_phone) in enumerate(PHONES):
            drawn = org.draw("phone", number)
            label_ids = org.drawn_labels(drawn[0])
            created = NEWEST - 86_400 * (400 - 100 * number)
            org.phones.append(
                {
                    "created_at": stamp(created, drawn[1] % 1_000_000),
                    "first_connected_at": stamp(created + 300),
                    "is_browser_open": number == 0,
                    "is_ready": True,
                    "label_ids": label_ids,
                    "labels": org.label_names(label_ids),
                    "org_id": ORG_ID,
                    "org_phone": org_phone,
                    "phone_id": phone_id,
                    "phone_image": None,
                    "phone_name": _NAMES[number],
                    "qr_code": None,
                    "updated_at": stamp(NEWEST, drawn[2] % 1_000_000),
                    "wa_state": "CONNECTED",
                }
            )

    def routes(self) -> list[Route]:
        """Give the endpoints."""
        created = an_object(
            {
                **_PHONE,
                "text_or_null": f"{_PHONE['text_or_null']} {_ROW_ONLY}",
                "map_or_null": "last_disconnect phone_state queue_status",
            }
        )
        some = ("phone_name", "phone_image", "labels")
        patch = Body(dict.fromkeys(some, TEXT), one_of=some)
        image: Schema = {"type": "string", "contentMediaType": "image/png"}
        return [
            Route("GET", "/phones/all", self._all, an_array(PHONE)),
            Route("GET", "/phones", self._get, PHONE, phone="needed"),
            Route("GET", "/phones/qr", self._qr, image, phone="needed"),
            Route("PATCH", "/phones/update", self._update, PHONE, phone="needed", body=patch),
            Route("POST", "/phones/resync", self._resync, phone="needed", status=204),
            Route("POST", "/phones/restart", self._restart, phone="needed", status=204),
            Route("POST", "/phones/reset", self._reset, phone="needed", status=204),
            Route("POST", "/phones/create", self._create, created),
            Route("DELETE", "/phones/delete", self._delete, phone="needed", status=204),
        ]

    def scan(self, number: int, org_phone: str) -> None:
        """Let somebody scan a phone's QR code: the phone is connected, under this number if it had none."""
        phone = self._org.phones[number]
        now = stamp_now(self._org.now)
        known = {"org_phone": phone["org_phone"] or org_phone}
        self._change(
            number, "org.phone.connected", **_LOGGED_IN, **known, first_connected_at=phone["first_connected_at"] or now
        )

    def _all(self, _call: Call) -> list[dict[str, Any]]:
        return [_shown(phone) for phone in self._org.phones if not phone.get("gone")]

    def _get(self, call: Call) -> dict[str, Any]:
        return _shown(self._phone(call))

    def _qr(self, call: Call) -> Answer:
        code = self._phone(call)["qr_code"]
        if code is None:
            # A connected phone has no code: that is documented, the wording is not.
            raise Refused(404, "QR code is only available while the phone is disconnected")
        image = _png(code)
        return Answer(200, (("Content-Type", "image/png"), ("Content-Length", str(len(image)))), image)

    def _update(self, call: Call) -> dict[str, Any]:
        changes = {**call.only("phone_name", "phone_image"), **self._org.label_changes(call.body)}
        return self._change(call.phone or 0, "org.phone.updated", **changes)

    def _resync(self, call: Call) -> None:
        self._change(call.phone or 0, "org.phone.updated")

    def _restart(self, call: Call) -> None:
        number = call.phone or 0
        if self._phone(call)["qr_code"] is None:
            self._change(number, "org.phone.disconnected", **_LOGGED_OUT)
            self._org.later(self._org.pace, lambda _at: self._reconnect(number))

    def _reconnect(self, number: int) -> None:
        """Reconnect after a restart, unless the phone was logged out meanwhile."""
        if self._org.phones[number]["qr_code"] is None:
            self._change(number, "org.phone.connected", **_LOGGED_IN)

    def _reset(self, call: Call) -> None:
        number = call.phone or 0
        code = "2@" + "".join(f"{drawn:08x}" for drawn in self._org.issue("qr"))
        self._change(number, "org.phone.disconnected", **_LOGGED_OUT, qr_code=code)
        self._org.world.emit("org.phone.qr", _shown(self._org.phones[number]))

    def _create(self, _call: Call) -> dict[str, Any]:
        drawn = self._org.issue("phone")
        now = stamp_now(self._org.now)
        phone: dict[str, Any] = {
            **dict.fromkeys((*_PHONE["text_or_null"].split(), "wa_version")),
            "created_at": now,
            "is_browser_open": False,
            "is_ready": False,
            "label_ids": {},
            "labels": [],
            "org_id": ORG_ID,
            "phone_id": "phone-" + "".join(chr(97 + number % 26) for number in drawn),
            "qr_code": "2@" + "".join(f"{number:08x}" for number in drawn),
            "updated_at": now,
            "wa_state": "DISCONNECTED",
        }
        self._org.phones.append(phone)
        self._org.world.emit("org.phone.created", _shown(phone))
        row = {**_shown(phone), **dict.fromkeys([*_ROW_ONLY.split(), "last_disconnect", "phone_state", "queue_status"])}
        del row["labels"]
        return row

    def _delete(self, call: Call) -> None:
        self._change(call.phone or 0, "org.phone.disconnected", **_LOGGED_OUT, gone=True)

    def _phone(self, call: Call) -> dict[str, Any]:
        return self._org.phones[call.phone or 0]

    def _change(self, number: int, event: str, **changes: Any) -> dict[str, Any]:
        phone = self._org.phones[number]
        phone.update(changes, updated_at=stamp_now(self._org.now))
        shown = _shown(phone)
        self._org.world.emit(event, shown)
        return shown


def _shown(phone: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in phone.items() if name not in {"gone", "wa_version"}}


def _png(code: str) -> bytes:
    """Draw a square of black and white fields from a code, as PNG. No phone could read it."""
    bits = int.from_bytes(zlib.compress(code.encode()) * 4, "big")
    rows = b"".join(
        b"\0" + b"".join(b"\xff" if bits >> (29 * y + x) & 1 else b"\0" for x in range(29) for _ in range(4))
        for y in range(29)
        for _ in range(4)
    )
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 116, 116, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
